"""Destination of a video as given by its path: a file of a known format, or a folder of pictures; and its codec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from faceanime.core.errors import OutputError, RangeError

OUTPUT_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
Codec: TypeAlias = Literal["h264", "hevc", "av1", "vp9", "prores"]
CODECS: dict[str, tuple[Codec, ...]] = {
    ".mp4": ("h264", "hevc", "av1", "vp9"),
    ".mov": ("h264", "hevc", "prores"),
    ".mkv": ("h264", "hevc", "av1", "vp9", "prores"),
    ".webm": ("vp9", "av1"),
}
"""The codecs that each container may hold, its default first."""
HIGHEST_CRF: dict[Codec, int] = {"h264": 51, "hevc": 51, "av1": 63, "vp9": 63}
"""The end of each encoder's scale of the constant rate factor; ProRes has none."""


@dataclass(frozen=True)
class VideoOutput:
    """Destination of a video: `path`, which is a folder of PNGs if `is_folder`; `codec` is None for GIF, WebP, PNG."""

    path: Path
    is_folder: bool
    codec: Codec | None

    @property
    def has_sound(self) -> bool:
        """Whether the format can hold sound."""
        return self.codec is not None


def video_output(path: Path, codec: Codec | None = None, crf: int | None = None) -> VideoOutput:
    """Return what is written for `path`: a name without suffix is a folder; `codec` is by default the container's own.

    Raises OutputError for an unknown suffix, that of a single picture, or a codec or `crf` that the format does not
    have; RangeError for a `crf` outside the codec's scale.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        raise OutputError(
            f"cannot write {path}: it is the name of one picture, and a motion has many frames; name it "
            f"{path.with_suffix('.mp4').name}, or {path.stem} without a suffix for a folder of PNGs"
        )
    if suffix and suffix not in OUTPUT_SUFFIXES:
        raise OutputError(
            f"cannot write {path}: unknown suffix {suffix}; use {', '.join(OUTPUT_SUFFIXES)} for a video, none for a "
            "folder of PNGs, or .png, .jpg for the one picture that a picture drives"
        )
    held = CODECS.get(suffix, ())
    if codec is not None and codec not in held:
        homes = ", ".join(each for each, codecs in CODECS.items() if codec in codecs)
        here = (
            f"{suffix} holds {', '.join(held)}" if held else f"{suffix or 'a folder'} has no choice of codecs"
        )
        raise OutputError(f"cannot write {path} as {codec}: {here}; {codec} goes to {homes}")
    chosen = codec or next(iter(held), None)
    if crf is not None:
        most = None if chosen is None else HIGHEST_CRF.get(chosen)
        if most is None:
            with_crf = ", ".join(HIGHEST_CRF)
            raise OutputError(
                f"cannot write {path} at a crf: {with_crf} have one, {chosen or 'this format'} has none"
            )
        if not 0 <= crf <= most:
            raise RangeError("crf", crf, f"0 to {most} for {chosen}")
    return VideoOutput(path, not suffix, chosen)
