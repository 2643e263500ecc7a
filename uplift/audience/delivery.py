"""Put a finished audience file where a marketer's tool picks it up."""

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath

from uplift.audience.manifest import sync
from uplift.errors import ConfigError, ContractError


def deliver(file: Path, target: str) -> str:
    """Copy a file to a folder or to a URL such as ``sftp://host/folder``; returns where it is.

    It appears under its own name only when it is whole: a reader never sees half of it.

    Raises:
        ConfigError: The URL's protocol is unknown, or its package is not installed.
        ContractError: The target cannot be written.
    """
    if "://" not in target:
        return str(_to_folder(file, Path(target)))
    return _to_url(file, target)


def _to_folder(file: Path, folder: Path) -> Path:
    staged = folder / f".{file.name}.{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, staged)
        sync(staged)
        os.replace(staged, folder / file.name)
    except OSError as error:
        with suppress(OSError):
            staged.unlink()
        raise ContractError(
            f"{file.name} cannot be delivered to {folder}: {error.strerror}. The file stands at "
            f"{file}; correct `deliver`, or the folder."
        ) from error
    return folder / file.name


def _to_url(file: Path, target: str) -> str:
    import fsspec  # here, for it looks for its plug-ins when imported

    try:
        system, folder = fsspec.core.url_to_fs(target)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"`deliver: {target}`: {error}. Install it, or correct the URL."
        ) from error
    goal = PurePosixPath(folder) / file.name
    staged = PurePosixPath(folder) / f".{file.name}.{uuid.uuid4().hex}"
    try:
        system.makedirs(folder, exist_ok=True)
        system.put_file(str(file), str(staged))
        system.mv(str(staged), str(goal))
    except Exception as error:  # every file system has its own
        raise ContractError(
            f"{file.name} cannot be delivered to {target}: {error}. The file stands at {file}."
        ) from error
    return str(system.unstrip_protocol(str(goal)))
