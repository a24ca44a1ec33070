"""Options of output files, and cheap checks of their paths before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceanime.core.errors import OutputError, RangeError, check_range
from faceanime.core.files import check_input, check_output, is_same_file
from faceanime.media.video_output import video_output

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 16, 3840
"""Longer side of the output: 16 px is the least that video encoders take, 3840 px is 4K."""
WIDEST_CROP_MARGIN = 4.0
"""Largest room around the face in a head crop, in longer sides of the face; beyond it bodies are shown, not heads.
Chosen by eye."""
STILL_SUFFIXES = {".png", ".jpg", ".jpeg"}
MESH_SUFFIXES = {".glb", ".obj"}


@dataclass(frozen=True)
class OutputOptions:
    """Output file."""

    crop: bool = False
    """Write the square head crop alone instead of the whole picture; it never reaches beyond the picture."""
    crop_margin: float = 0.45
    """Room around the face in the head crop, 0 to 4 times the longer side of the face."""
    size: int | None = None
    """Longer side of the output in px, 16 to 3840; by default the portrait's own, at most 3840."""
    face: Literal["largest"] | int = "largest"
    """Face of the portrait to animate: largest, or an index from 0 in order of size."""
    side_by_side: bool = False
    """Write a video that shows source, driver, prior and result side by side."""
    preview: Path | None = None
    """Picture (.png or .jpg) to write as well: a contact sheet of source, driver and result at five times."""

    def __post_init__(self) -> None:
        if self.size is not None and not SMALLEST_SIDE_PX <= self.size <= LARGEST_SIDE_PX:
            raise RangeError("size", self.size, f"{SMALLEST_SIDE_PX} to {LARGEST_SIDE_PX} px")
        check_range(self, "", "crop_margin", least=0, most=WIDEST_CROP_MARGIN)
        if self.face != "largest" and self.face < 0:
            raise RangeError("face", self.face, "largest or an index from 0")


def check_result(out: Path, options: OutputOptions, inputs: Sequence[Path], still: bool) -> Path:
    """Return the path that will be written for `out`: one picture if `still`, else a video or a folder of pictures.

    Raises OutputError for what cannot be written, and for what would replace one of the `inputs`.
    """
    refuse_input(out, inputs)
    written, folder = out, False
    if not still:
        video = video_output(out)
        written, folder = video.path, video.is_folder
    check_output(written, folder=folder)
    preview = options.preview
    if preview is not None:
        refuse_input(preview, inputs)
        check_output(preview)
        if preview.suffix.lower() not in STILL_SUFFIXES:
            raise OutputError(f"cannot write {preview}: a preview is a picture; name it .png")
        if any(preview.resolve().is_relative_to(taken.resolve()) for taken in (out, written)):
            raise OutputError(f"cannot write {preview}: the result goes to {out}; choose another name")
    return written


def check_early(
    out: Path, options: OutputOptions, inputs: Sequence[Path], weights: Sequence[Path | None] = ()
) -> None:
    """Check what can be checked of a command's paths before anything heavy is loaded.

    Raises MediaError for `inputs` and `weights` that cannot be read, OutputError for results that cannot be written
    under any of the ways in which `out` may be understood.
    """
    if out.suffix.lower() not in STILL_SUFFIXES:
        check_result(out, options, inputs, still=False)
    else:  # a picture, or a folder of pictures: the driver tells
        refuse_input(out, inputs)
    for path in [*inputs, *(path for path in weights if path is not None)]:
        check_input(path)


def refuse_input(target: Path, inputs: Sequence[Path]) -> None:
    """Raise OutputError if `target` is one of the `inputs`."""
    if any(is_same_file(target, path) for path in inputs):
        raise OutputError(f"cannot write {target}: it is an input; choose another name")
