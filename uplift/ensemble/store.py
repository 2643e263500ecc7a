"""Named arrays in one npz file: no pickle inside, the same bytes every time, written at once."""

import io
import os
import uuid
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError, VersionMismatchError

FORMAT_VERSION = 1

_VERSION = "format_version"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can carry
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, EOFError, OSError)
_WAY_OUT = "Train again with jobs/train_model, or fetch the model again."


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Write ``arrays`` so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with staging.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {_VERSION: np.asarray(FORMAT_VERSION), **arrays}.items():
                entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def read_arrays(
    path: Path, names: Sequence[str], *, may_lack: Collection[str] = ()
) -> dict[str, npt.NDArray[np.generic]]:
    """Read the named arrays; checksums are verified and nothing in the file is executed.

    Those of ``may_lack`` are left out where the file has none.

    Raises:
        ContractError: The file is missing, cut short, damaged, or of another kind.
        VersionMismatchError: Another version of this software wrote it in another format.
    """
    if not path.is_file():
        raise ContractError(f"{path} does not exist. {_WAY_OUT}")
    try:
        with zipfile.ZipFile(path) as archive:
            version = int(_read(archive, _VERSION))
            if version != FORMAT_VERSION:
                raise VersionMismatchError(
                    f"{path} has format {version}, this software reads {FORMAT_VERSION}. {_WAY_OUT}"
                )
            lacking = set(may_lack) - {Path(entry).stem for entry in archive.namelist()}
            return {name: _read(archive, name) for name in names if name not in lacking}
    except _DAMAGE as error:
        raise ContractError(f"{path} is no whole ensemble file: {error}. {_WAY_OUT}") from error


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.generic]:
    content = io.BytesIO(archive.read(f"{name}.npy"))  # whole, so that its checksum is verified
    return np.asarray(np.lib.format.read_array(content, allow_pickle=False))
