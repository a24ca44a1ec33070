"""Files of the user: checked before they are read, written completely or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from faceanime.core.errors import ConfigError, MediaError, OutputError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Error numbers for a full disk, an exceeded quota, and a file above the limit of the file system or the user."""
_LONGEST_END = 32
"""Characters of a name's end that a temporary file's name has too: any suffixes, such as .motion.safetensors, and no
more, since names are limited."""
_ADDRESS = re.compile(r"((?:https?|ftp):)/+(.*)", re.IGNORECASE)
"""An address of the web, of whose slashes a path has kept one."""


@contextmanager
def atomic_output(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a hidden sibling of `path` to write to; it replaces `path` when the block succeeds.

    The sibling exists already, as an empty file or, with `folder`, as an empty folder, and its name ends as that of
    `path` does. Leaving the block by an error or Ctrl-C removes it and leaves an older `path` untouched. A folder that
    is not empty is never replaced.

    Raises: OutputError when `path` cannot be written there, or when the disk is full.
    """
    target = _checked_target(path, folder)
    temporary = target.parent / f".faceanime-{uuid.uuid4().hex[:8]}-{target.name[-_LONGEST_END:]}"
    try:
        temporary.mkdir() if folder else temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}; choose another place") from error
    try:
        with full_disk_named(path):
            yield temporary
            _put_in_place(temporary, target, path)
    finally:
        _remove(temporary)


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Raise OutputError, naming `path`, when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise OutputError(
                f"cannot write {path}: {reason_of(error)}; free some space or choose another disk"
            ) from error
        raise


def open_input(path: Path) -> BinaryIO:
    """Open a file of the user for reading. Raises: MediaError, naming it."""
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise MediaError(f"cannot read {path}: it is a folder, expected a file")
        if not stat.S_ISREG(state.st_mode):  # checked before opening: opening a pipe waits for its writer
            raise MediaError(f"cannot read {path}: it is not a file")
        if not state.st_size:
            raise MediaError(f"cannot read {path}: the file is empty")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        if address := _ADDRESS.match(path.as_posix()):
            where = f"{address[1]}//{address[2]}"
            raise MediaError(
                f"cannot read {where}: addresses are not fetched; download the file first"
            ) from error
        raise MediaError(f"cannot read {path}: no such file") from error
    except OSError as error:
        raise MediaError(f"cannot read {path}: {reason_of(error)}") from error


def as_path(value: object, name: str) -> Path:
    """A path that a caller gave for `name`. Raises: ConfigError for a value of another type."""
    if not isinstance(value, str | Path):
        raise ConfigError(f"{name} is of type {type(value).__name__}, expected a path")
    return Path(value)


def check_input(path: Path) -> None:
    """Raise MediaError unless `path` is a readable file."""
    open_input(path).close()


def is_there(path: Path) -> bool:
    """Whether anything of this name exists; False where the system does not let us look."""
    try:
        return path.exists()
    except OSError:
        return False


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same existing file or folder."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def check_output(path: Path, *, folder: bool = False) -> None:
    """Raise OutputError if `path` cannot be written: called before long work, not after it."""
    _checked_target(path, folder)


def make_folder(path: Path) -> None:
    """Create a folder and its parents where they do not exist. Raises: OutputError unless it is writable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"cannot write to {path}: it is a file; choose another folder") from error
    except OSError as error:
        raise OutputError(f"cannot write to {path}: {reason_of(error)}; choose another folder") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {path}: no permission to write there; choose another folder")


@contextmanager
def folder_of_results(path: Path) -> Iterator[None]:
    """Create a folder like `make_folder`; if it is new, and still empty at the end of the block, remove it again."""
    is_new = not is_there(path)
    make_folder(path)
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()


def reason_of(error: OSError) -> str:
    """The system's message, without error number and path."""
    return (error.strerror or str(error)).lower()


def _checked_target(path: Path, folder: bool) -> Path:
    """The file or folder that `path` leads to: a symbolic link is followed, not replaced."""
    try:
        target = path.resolve()
        _check_target(path, target, folder)
    except RuntimeError as error:
        raise OutputError(f"cannot write {path}: it is a link to itself; choose another name") from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}; choose another place") from error
    return target


def _check_target(path: Path, target: Path, folder: bool) -> None:
    if target.parent.exists() and not target.parent.is_dir():
        raise OutputError(f"cannot write {path}: {target.parent} is a file; choose a folder")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {target.parent} does not exist; create it first")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write {path}: no permission to write to {target.parent}; choose another folder"
        )
    if not target.exists():
        return
    if folder and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(f"cannot write {path}: it exists and is not an empty folder; choose another name")
    if not folder and target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    if not folder and not target.is_file():
        raise OutputError(f"cannot write {path}: it is not a regular file; choose another name")


def _put_in_place(temporary: Path, target: Path, path: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}; choose another place") from error


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)
