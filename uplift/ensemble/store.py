"""Named arrays in one npz file: no pickle inside, the same bytes every time, written at once."""

import io
import os
import uuid
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, VersionMismatchError

TREES = 1  # the format of trees alone
SLOPES = 2  # ... and with slopes beside them, which a reader of 1 would not miss

_VERSION = "format_version"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can carry
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, EOFError, OSError)
_WAY_OUT = "Train again with jobs/train_model, or fetch the model again."


def write_arrays(
    path: Path, arrays: Mapping[str, npt.NDArray[np.generic]], *, version: int = TREES
) -> None:
    """Write ``arrays`` so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with staging.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {_VERSION: np.asarray(version), **arrays}.items():
                entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def read_arrays(
    path: Path, names: Sequence[str], *, optional: Sequence[str] = ()
) -> dict[str, npt.NDArray[np.generic]]:
    """Read the named arrays; checksums are verified and nothing in the file is executed.

    Args:
        path: The file.
        names: Must be there.
        optional: Are read where they are there.

    Raises:
        ContractError: The file is missing, cut short, damaged, or of another kind.
        VersionMismatchError: Another version of this software wrote it in another format.
    """
    if not path.is_file():
        raise ContractError(f"{path} does not exist. {_WAY_OUT}")
    try:
        with zipfile.ZipFile(path) as archive:
            version = int(_read(archive, _VERSION))
            if version not in (TREES, SLOPES):
                raise VersionMismatchError(
                    f"{path} has format {version}, this software reads {TREES} and {SLOPES}. "
                    f"{_WAY_OUT}"
                )
            there = {name.removesuffix(".npy") for name in archive.namelist()}
            given = [name for name in optional if name in there]
            return {name: _read(archive, name) for name in [*names, *given]}
    except _DAMAGE as error:
        raise ContractError(f"{path} is no whole ensemble file: {error}. {_WAY_OUT}") from error


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.generic]:
    content = io.BytesIO(archive.read(f"{name}.npy"))  # whole, so that its checksum is verified
    return np.asarray(np.lib.format.read_array(content, allow_pickle=False))
