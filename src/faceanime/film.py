"""From files to files: read a portrait and a motion, write the video, its contact sheet, a face's mesh."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from faceanime.dynamics.motion_file import SUFFIX, MotionNote, is_motion_file, save_motion
from faceanime.errors import ConfigError, MediaError
from faceanime.face.crop import CropConfig, crop_around, crop_pixels
from faceanime.face.detect import FaceChoice
from faceanime.geometry.camera import project
from faceanime.media.image import is_image_file, read_image, write_image
from faceanime.media.mesh import write_mesh
from faceanime.media.output import check_writable
from faceanime.media.video import probe_video, read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import Region
from faceanime.pipeline import LARGEST_OUTPUT_PX, Animator, Portrait, scaled_portrait
from faceanime.prior.texture import TextureConfig, render_texture, sample_texture
from faceanime.progress import Progress, watched
from faceanime.sheet import Sheet, tile_row
from faceanime.streaming import ahead
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.faces import CropTransform
from faceanime.structures.frames import Pixels

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
MESH_SUFFIXES = {".glb", ".obj"}


@dataclass(frozen=True)
class FilmOptions:
    """What of the result is written, and how large."""

    crop: bool = False
    """Write the square head crop alone instead of the whole picture."""
    size: int | None = None
    """Longer side of the output, px; by default the portrait's own, 3840 at most."""
    face: FaceChoice = "largest"
    """Which face of the portrait: the largest, or an index in order of size, from 0."""
    side_by_side: bool = False
    """Show source, driver, prior and result in one video."""
    preview: Path | None = None
    """Also write a contact sheet (PNG): source, driver, result at five times."""

    def __post_init__(self) -> None:
        if self.size is not None and not 16 <= self.size <= LARGEST_OUTPUT_PX:
            raise ConfigError(f"size is {self.size}, expected 16 to {LARGEST_OUTPUT_PX} px")


def animate_file(
    animator: Animator, portrait: Path, driving: Path, out: Path, options: FilmOptions, progress: Progress
) -> None:
    """Animate a portrait by a video, a picture or a motion file, and write the result.

    A suffix of a still picture (.png, .jpg) on `out` with a picture as driver writes one picture. Raises
    FaceAnimeError; whatever fails or is cancelled leaves no output.
    """
    for path in (out, options.preview):
        if path is not None:
            check_writable(path)
    subject, crop = _prepared(animator, read_image(portrait), options, str(portrait))
    motion = animator.motion(driving, progress)
    dynamics = animator.retarget(subject, motion)
    still = len(motion) == 1
    if still and out.suffix.lower() in IMAGE_SUFFIXES:
        (pixels,) = animator.render(subject, dynamics)
        write_image(out, _cut(pixels, crop))
        return
    if still:
        dynamics = animator.eased(subject, dynamics)
    progress.stage(f"rendering {out.name}", len(dynamics))
    results = (_cut(pixels, crop) for pixels in animator.render(subject, dynamics))
    views = _views(animator, subject, dynamics, driving, crop, options)
    is_video = not is_motion_file(driving) and not is_image_file(driving)
    _write(
        results, views, _cut(subject.pixels, crop), len(dynamics), dynamics.frame_rate, out,
        driving if is_video else None, options, progress,
    )  # fmt: skip


def reconstruct_file(animator: Animator, source: Path, out: Path, face: FaceChoice, progress: Progress) -> None:
    """Write the motion of a video or picture (.motion.safetensors), or the neutral face (.glb, .obj)."""
    check_writable(out)
    if is_motion_file(out):
        motion = animator.motion(source, progress)
        save_motion(motion, out, MotionNote(provenance=f"reconstructed from {source.name}"))
    elif out.suffix.lower() in MESH_SUFFIXES:
        pixels = read_image(source) if is_image_file(source) else next(read_frames(source)).pixels
        _write_neutral(animator, animator.portrait(pixels, str(source), face), out)
    else:
        known = ", ".join([SUFFIX, *sorted(MESH_SUFFIXES)])
        raise MediaError(f"cannot write {out}: unknown suffix; use {known}")


def _prepared(
    animator: Animator, pixels: Pixels, options: FilmOptions, where: str
) -> tuple[Portrait, CropTransform | None]:
    """The portrait at the size at which it is rendered, and the crop to cut from the result."""
    longest = max(pixels.shape[:2])
    if options.crop:
        found = animator.portrait(pixels, where, options.face)
        crop = crop_around(found.landmarks, (pixels.shape[1], pixels.shape[0]), CropConfig())
        side = options.size or min(round(crop.size_px / _scale(crop)), LARGEST_OUTPUT_PX)
        scaled = scaled_portrait(pixels, max(round(longest * side * _scale(crop) / crop.size_px), 16))
        subject = animator.portrait(scaled, where, options.face)
        size = (scaled.shape[1], scaled.shape[0])
        return subject, crop_around(subject.landmarks, size, CropConfig(size_px=side))
    scaled = scaled_portrait(pixels, options.size or min(longest, LARGEST_OUTPUT_PX))
    subject = animator.portrait(scaled, where, options.face)
    if subject.others and options.face == "largest":
        log.warning("%s shows %d faces; the largest moves (--face INDEX chooses)", where, subject.others + 1)
    return subject, None


def _scale(crop: CropTransform) -> float:
    return float(np.sqrt(np.linalg.det(crop.crop_from_image[:, :2])))


def _cut(pixels: Pixels, crop: CropTransform | None) -> Pixels:
    return pixels if crop is None else crop_pixels(pixels, crop)


def _views(
    animator: Animator,
    subject: Portrait,
    dynamics: Dynamics,
    driving: Path,
    crop: CropTransform | None,
    options: FilmOptions,
) -> Iterator[tuple[Pixels, Pixels]] | None:
    """Driver and prior of each frame, where somebody wants to see them."""
    if not options.side_by_side and options.preview is None:
        return None
    return zip(
        _driver_pictures(driving, animator, dynamics),
        _prior_pictures(animator, subject, dynamics, crop),
        strict=False,
    )


def _driver_pictures(driving: Path, animator: Animator, dynamics: Dynamics) -> Iterator[Pixels]:
    if is_motion_file(driving):
        yield from _mesh_pictures(animator, dynamics)
    elif is_image_file(driving):
        pixels = read_image(driving)
        for _ in range(len(dynamics)):
            yield pixels
    else:
        for frame in read_frames(driving, max_side_px=1024):
            yield frame.pixels
