"""Files that are whole or not there at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceanime.errors import OutputError

# Also a quota, and the largest file that the file system or the user may write.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_output(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a hidden sibling of `path` to write to; it takes the place of `path` when the block succeeds.

    The sibling exists already, as an empty file or, with `folder`, as an empty folder, and has the suffix of
    `path`. Whatever leaves the block early (an error, Ctrl-C) removes it; an older `path` stays untouched
    until then. A folder that holds anything is never replaced.

    Raises: OutputError when `path` cannot be written there, or when the disk is full.
    """
    target = path.resolve()  # writes through a link instead of replacing the link
    _check_target(path, target, folder)
    temporary = target.parent / f".faceanime-{uuid.uuid4().hex[:8]}{target.suffix}"
    try:
        temporary.mkdir() if folder else temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}; choose another place") from error
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.errno in DISK_FULL:
            reason = _reason(error)
            raise OutputError(
                f"cannot write {path}: {reason}; free some space or choose another disk"
            ) from error
        raise
    finally:
        _remove(temporary)


def check_output(path: Path) -> None:
    """Raise OutputError now if `path` could not be written to later: before hours of work, not after."""
    _check_target(path, path.resolve(), folder=False)


def _check_target(path: Path, target: Path, folder: bool) -> None:
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {path}: {target.parent} is not a folder; create it first")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"cannot write {path}: no right to write to {target.parent}; choose another folder")
    if not target.exists():
        return
    if folder and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(f"cannot write {path}: it exists and is not an empty folder; choose another name")
    if not folder and target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    if not folder and not target.is_file():
        raise OutputError(f"cannot write {path}: it is not a regular file; choose another name")


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
