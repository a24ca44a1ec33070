"""Destination of a video as given by its path: a file of a known format, or a folder of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceanime.core.errors import OutputError

OUTPUT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp")
FOLDER_SUFFIXES = {"", ".png"}


@dataclass(frozen=True)
class VideoOutput:
    """Destination of a video: `path`, which is a folder of PNGs if `is_folder`."""

    path: Path
    is_folder: bool


def video_output(path: Path) -> VideoOutput:
    """Return what is written for `path`: a name without suffix, or with .png (which is removed), is a folder.

    Raises OutputError for an unknown suffix.
    """
    suffix = path.suffix.lower()
    if suffix in FOLDER_SUFFIXES:
        return VideoOutput(path.with_suffix("") if suffix == ".png" else path, True)
    if suffix not in OUTPUT_SUFFIXES:
        known = ", ".join(OUTPUT_SUFFIXES)
        raise OutputError(
            f"cannot write {path}: unknown video suffix; use {known}, or none for a folder of PNGs"
        )
    return VideoOutput(path, False)
