"""Options of output files, and cheap checks of their paths before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from faceanime.core.errors import ConfigError, OutputError, RangeError, check_range
from faceanime.core.files import check_input, check_output, is_same_file
from faceanime.media.video_output import CODECS, OUTPUT_SUFFIXES, PICTURE_SUFFIXES, Codec, video_output

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 16, 3840
"""Longer side of the output: 16 px is the least that video encoders take, 3840 px is 4K."""
WIDEST_CROP_MARGIN = 4.0
"""Largest room around the face in a head crop, in longer sides of the face; beyond it bodies are shown, not heads.
Chosen by eye."""
HIGHEST_OUTPUT_RATE = 120
"""Largest number of frames a second of a result; chosen by eye."""
STILL_SUFFIXES = frozenset(PICTURE_SUFFIXES)
MESH_SUFFIXES = {".glb", ".obj"}
_OF_VIDEOS = ("fps", "codec", "crf")
"""Options that a single picture does not have."""


@dataclass(frozen=True)
class OutputOptions:
    """Output file."""

    crop: bool = False
    """Write the square head crop alone instead of the whole picture; it never reaches beyond the picture."""
    crop_margin: float | None = None
    """Room around the face in the head crop, 0 to 4 times the longer side of the face; by default 0.45."""
    size: int | None = None
    """Longer side of the output in px, 16 to 3840; by default the portrait's own, at most 3840."""
    face: Literal["largest"] | int = "largest"
    """Face of the portrait to animate: largest, or an index from 0 in order of size."""
    force: bool = False
    """Animate a face that the model does not fit, such as a cartoon's, and parts that a mask or dark glasses cover."""
    side_by_side: bool = False
    """Write a video that shows source, driver, prior and result side by side."""
    preview: Path | None = None
    """Picture (.png or .jpg) to write as well: a contact sheet of source, driver and result at five times."""
    fps: float | None = None
    """Frames a second of the result, 1 to 120; by default the driver's."""
    codec: Codec | None = None
    """Codec of the video, by default h264, of .webm vp9.
    .mp4 holds all but prores; .mov h264, hevc and prores; .webm vp9 and av1; .mkv all."""
    crf: int | None = None
    """Constant rate factor: 0 (best) to 51 for h264 (default 18) and hevc (20), to 63 for av1 (26) and vp9 (28)."""
    sound: Path | None = None
    """Video or sound file whose sound the result gets, from its beginning, instead of the driver's."""
    no_sound: bool = False
    """Write a video without sound."""

    def __post_init__(self) -> None:
        if self.size is not None and not SMALLEST_SIDE_PX <= self.size <= LARGEST_SIDE_PX:
            raise RangeError("size", self.size, f"{SMALLEST_SIDE_PX} to {LARGEST_SIDE_PX} px")
        if self.crop_margin is not None:
            check_range(self, "", "crop_margin", least=0, most=WIDEST_CROP_MARGIN)
            if not self.crop:
                raise ConfigError("crop_margin is the margin of the crop; it needs crop as well")
        if self.face != "largest" and self.face < 0:
            raise RangeError("face", self.face, "largest or an index from 0")
        if self.fps is not None:
            check_range(self, "", "fps", least=1, most=HIGHEST_OUTPUT_RATE)
        if self.sound is not None and self.no_sound:
            raise ConfigError(f"the sound of {self.sound} is asked for, and no sound: leave one of them out")


def check_result(out: Path, options: OutputOptions, inputs: Sequence[Path], still: bool) -> None:
    """Check what will be written: one picture if `still`, else a video or a folder of pictures.

    Raises OutputError for what cannot be written, and for what would replace one of the `inputs`; RangeError for a
    `crf`; MediaError for a file of sound that cannot be read.
    """
    refuse_input(out, inputs)
    folder, has_sound = False, False
    if still:
        if given := [name for name in _OF_VIDEOS if getattr(options, name) is not None]:
            raise ConfigError(f"{out} is one picture, which has no {given[0]}")
    else:
        video = video_output(out, options.codec, options.crf)
        folder, has_sound = video.is_folder, video.has_sound
    check_output(out, folder=folder)
    if options.sound is not None:
        refuse_input(out, (options.sound,))
        check_input(options.sound)
        if not has_sound:
            raise OutputError(f"cannot write {out} with sound; name it {', '.join(CODECS)}")
    preview = options.preview
    if preview is not None:
        refuse_input(preview, inputs)
        check_output(preview)
        if preview.suffix.lower() not in STILL_SUFFIXES:
            raise OutputError(f"cannot write {preview}: a preview is a picture; name it .png or .jpg")
        if preview.resolve().is_relative_to(out.resolve()):
            raise OutputError(f"cannot write {preview}: the result goes to {out}; choose another name")


def options_for(portrait: Path, options: OutputOptions) -> OutputOptions:
    """The options of one of several portraits: its contact sheet, if one is wanted, has its name too."""
    preview = options.preview
    if preview is None:
        return options
    return replace(options, preview=preview.with_stem(f"{preview.stem}-{portrait.stem}"))


def results_of(portraits: Sequence[Path], out: Path, codec: Codec | None) -> dict[Path, Path]:
    """The video of each of several portraits: named after it, in the folder `out`; .mp4 unless only .mov has the codec.

    Raises OutputError for two portraits of one name, and for an `out` that is or looks like a file.
    """
    if out.suffix.lower() in {*OUTPUT_SUFFIXES, *STILL_SUFFIXES} or (out.exists() and not out.is_dir()):
        raise OutputError(f"cannot write {out}: the videos of {len(portraits)} portraits need a folder")
    suffix = next(each for each, codecs in CODECS.items() if codec is None or codec in codecs)
    taken: dict[str, Path] = {}
    for portrait in portraits:
        other = taken.setdefault(portrait.stem.casefold(), portrait)
        if other is not portrait:
            raise OutputError(
                f"{other} and {portrait} would both be written to {out / portrait.stem}{suffix}; rename one"
            )
    return {portrait: out / f"{portrait.stem}{suffix}" for portrait in portraits}


def check_early(
    out: Path,
    options: OutputOptions,
    inputs: Sequence[Path],
    weights: Sequence[Path | None] = (),
    may_be_still: bool = False,
) -> None:
    """Check what can be checked of a command's paths before anything heavy is loaded.

    Raises MediaError for `inputs` and `weights` that cannot be read, OutputError for results that cannot be written
    under any of the ways in which `out` may be understood: with `may_be_still`, the driver tells whether the name of a
    picture is right.
    """
    check_result(out, options, inputs, still=may_be_still and out.suffix.lower() in STILL_SUFFIXES)
    check_inputs(*inputs, *weights)


def check_inputs(*paths: Path | None) -> None:
    """Raise MediaError for a file that cannot be read."""
    for path in paths:
        if path is not None:
            check_input(path)


def refuse_input(target: Path, inputs: Sequence[Path]) -> None:
    """Raise OutputError if `target` is one of the `inputs`."""
    if any(is_same_file(target, path) for path in inputs):
        raise OutputError(f"cannot write {target}: it is an input; choose another name")
