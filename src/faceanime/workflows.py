"""From files to files: read a portrait and a motion, write the video, its contact sheet, a face's mesh."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, islice, repeat, takewhile
from pathlib import Path

import numpy as np

from faceanime.core.concurrency import ahead
from faceanime.core.errors import ConfigError, NoFaceError, NoSuchFaceError, OutputError, Remedy
from faceanime.core.files import check_output, is_same_file
from faceanime.core.progress import Progress, watched
from faceanime.dynamics.motion_file import (
    SUFFIX,
    MotionNote,
    check_motion_path,
    is_motion_file,
    load_motion,
    save_motion,
)
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.crop import CropConfig, crop_around, crop_pixels, moved_landmarks
from faceanime.face.detect import FaceChoice, warn_of_other_faces
from faceanime.geometry.camera import project
from faceanime.media.contact_sheet import Picture, contact_sheet, tile_row
from faceanime.media.image import is_image_file, picture_output, read_image, write_image
from faceanime.media.mesh_file import mesh_files, write_mesh
from faceanime.media.video import read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel, Region
from faceanime.pipeline import LARGEST_OUTPUT_PX, MATTE_REACH, Animator, Portrait, scaled_portrait
from faceanime.prior.sparse_texture import TextureConfig, model_points, render_texture, sample_texture
from faceanime.render.clay import shade_face
from faceanime.render.head.sheet import face_region, source_shape
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform, Landmarks

View = Callable[[], Picture]
"""A picture that is drawn only if somebody looks."""

STILL_SUFFIXES = {".png", ".jpg", ".jpeg"}
MESH_SUFFIXES = {".glb", ".obj"}
PREVIEW_COLUMNS = 5
CLAY_SIDE_PX = 512
CUT_MARGIN = 2.2
"""With --crop, side of what is kept of the picture, in sides of the head crop."""
SEARCHED_S = 10
SEARCH_RATE = Fraction(5)
"""A video's face is looked for in its first seconds, so many times a second."""


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
    """Also write a contact sheet: source, driver, result at five times (.png or .jpg)."""

    def __post_init__(self) -> None:
        if self.size is not None and not 16 <= self.size <= LARGEST_OUTPUT_PX:
            raise ConfigError(f"size is {self.size}, expected 16 to {LARGEST_OUTPUT_PX} px")


def animate_file(
    animator: Animator, portrait: Path, driving: Path, out: Path, options: FilmOptions, progress: Progress
) -> Path:
    """Animate a portrait by a video, a picture or a motion file, and write the result; returns where.

    With a picture (or a motion file of one frame) as driver and a still's suffix on `out` (.png, .jpg) one
    picture is written, else the way there. Raises FaceAnimeError; whatever fails or is cancelled leaves no
    output.
    """
    still = out.suffix.lower() in STILL_SUFFIXES and _is_still(driving)
    written = _check_outputs(out, options, (portrait, driving), still)
    animator.ready()
    subject, crop = _prepared(animator, read_image(portrait), options, str(portrait))
    motion = animator.motion(driving, progress)
    dynamics = animator.retarget(subject, motion)
    if len(motion) == 1 and not still:
        dynamics = animator.eased(subject, dynamics)
    sound = None if is_motion_file(driving) or is_image_file(driving) else driving
    drivers = _driver_views(animator, driving, dynamics)
    _film(animator, subject, crop, dynamics, drivers, sound, out, options, progress, still)
    return written


def predict_file(
    animator: Animator,
    portrait: Path,
    target: Path | None,
    out: Path,
    future: FutureConfig,
    options: FilmOptions,
    motion_out: Path | None,
    progress: Progress,
) -> Path:
    """Imagine a future of a portrait, or its way to the face of another picture, and write it as a video;
    returns where.

    `motion_out` also receives the motion: `animate` with `--reference 0` makes the same video of it. Raises
    FaceAnimeError; whatever fails or is cancelled leaves no output.
    """
    inputs = tuple(p for p in (portrait, target) if p is not None)
    written = _check_outputs(out, options, inputs, still=False)
    if motion_out is not None:
        _refuse_input(motion_out, inputs)
        check_motion_path(motion_out)
    animator.ready()
    subject, crop = _prepared(animator, read_image(portrait), options, str(portrait))
    goal = None
    if target is not None:
        other = animator.portrait(read_image(target), str(target))
        warn_of_other_faces("largest", other.others + 1, str(target), None)
        goal = other.face.coefficients
    progress.stage("imagining", None)
    motion = animator.imagine(subject, future, goal)
    drivers = (partial(_clay, animator.model, motion, t) for t in range(len(motion)))
    _film(animator, subject, crop, animator.own(subject, motion), drivers, None, out, options, progress)
    if motion_out is not None:
        toward = "" if target is None else f" toward {target.name}"
        settings = " ".join(f"{name}={value}" for name, value in asdict(future).items())
        note = MotionNote(provenance=f"imagined by faceanime from {portrait.name}{toward}: {settings}")
        save_motion(motion, motion_out, note)
    return written


def _film(
    animator: Animator,
    subject: Portrait,
    crop: CropTransform | None,
    dynamics: Dynamics,
    drivers: Generator[View],
    sound: Path | None,
    out: Path,
    options: FilmOptions,
    progress: Progress,
    still: bool = False,
) -> None:
    """Render and write, with the contact sheet: both appear, or neither."""
    write = _write_still if still else _write
    progress.stage(f"rendering {out.name}", len(dynamics))
    results = (_cut(pixels, crop) for pixels in animator.render(subject, dynamics))
    with closing(drivers):
        if not options.side_by_side and options.preview is None:
            write(ahead(results), out, dynamics.frame_rate, sound, progress)
            return
        shown = _Shown(_cut(subject.pixels, crop), len(dynamics), options)
        priors = _prior_views(animator, subject, dynamics, crop)
        views = zip(_held(drivers, len(dynamics)), priors, results, strict=True)
        frames: Iterator[Picture] = (shown.frame(*view) for view in views)
        if options.preview is None:
            write(frames, out, dynamics.frame_rate, sound, progress)
            return
        with picture_output(options.preview) as write_sheet:
            # drawn while the writer still waits for a frame: before the video is in place
            frames = _and_then(frames, lambda: write_sheet(shown.sheet()))
            write(frames, out, dynamics.frame_rate, sound, progress)


def _held(views: Iterator[View], frames: int) -> Iterator[View]:
    """So many views, the last one held where there are fewer."""
    view: View | None = None
    for view in islice(views, frames):
        yield view
        frames -= 1
    if view is not None:
        yield from repeat(view, frames)


def _and_then(frames: Iterator[Picture], finish: Callable[[], None]) -> Iterator[Picture]:
    yield from frames
    finish()


def reconstruct_file(
    animator: Animator, source: Path, out: Path, face: FaceChoice, progress: Progress
) -> None:
    """Write the motion of a video or picture (.motion.safetensors), or its neutral face (.glb, .obj)."""
    for target in mesh_files(out):
        _refuse_input(target, (source,))
        check_output(target)
    if is_motion_file(out):
        note = MotionNote(provenance=f"reconstructed from {source.name}")
        save_motion(animator.motion(source, progress), out, note)
    elif out.suffix.lower() in MESH_SUFFIXES:
        if is_image_file(source):
            portrait = animator.portrait(read_image(source), str(source), face)
        else:
            portrait = _first_portrait(animator, source, face, progress)
        warn_of_other_faces(face, portrait.others + 1, str(source))
        write_neutral_face(animator, portrait, out)
    else:
        known = ", ".join([SUFFIX, *sorted(MESH_SUFFIXES)])
        raise OutputError(f"cannot write {out}: unknown suffix; use {known}")


def _first_portrait(animator: Animator, source: Path, face: FaceChoice, progress: Progress) -> Portrait:
    """The first look at a video that shows the face."""
    progress.stage(f"looking for a face in {source.name}", None)
    frames = read_frames(source, frame_rate=SEARCH_RATE)
    where, most = f"the first {SEARCHED_S} s of {source}", 0
    for frame in watched(takewhile(lambda frame: frame.time_s < SEARCHED_S, frames), progress):
        try:
            return animator.portrait(frame.pixels, str(source), face)
        except NoSuchFaceError as error:
            most = max(most, error.count)
        except NoFaceError:
            continue
    if face != "largest" and most:
        raise NoSuchFaceError(where, face, most, "face")
    raise NoFaceError(
        where, remedies=(Remedy("detect.threshold", "a lower {}"), "a part that shows the face")
    )


def write_neutral_face(animator: Animator, portrait: Portrait, out: Path) -> None:
    """The portrait's face without expression or pose, textured by the portrait itself, as .glb or .obj."""
    model, face = animator.model, portrait.face
    seen = project(source_shape(face, model), face.coefficients.pose)[:, :2]
    neutral = model.vertices(face.coefficients.identity, np.zeros(model.expression_count))
    skin = model.triangles[model.region != Region.RING]
    height, width = portrait.pixels.shape[:2]
    uv = np.clip(seen / (width, height), 0.0, 1.0)
    uv[:, 1] = 1.0 - uv[:, 1]
    used = np.unique(skin)
    index = np.zeros(len(neutral), np.int32)
    index[used] = np.arange(len(used))
    write_mesh(out, neutral[used], index[skin], uv[used], portrait.pixels)


def _is_still(driving: Path) -> bool:
    """Whether a driver shows one moment alone. A video is a movement, however short."""
    return len(load_motion(driving)) == 1 if is_motion_file(driving) else is_image_file(driving)


def _check_outputs(out: Path, options: FilmOptions, inputs: tuple[Path, ...], still: bool) -> Path:
    """The path that will be written. Raises OutputError now, before any work, for what could not be."""
    _refuse_input(out, inputs)
    written, folder = out, False
    if not still:
        writer = VideoWriter(out, Fraction(25), 16, 16)  # refuses an unknown suffix
        written, folder = writer.path, writer.is_folder
    check_output(written, folder=folder)
    preview = options.preview
    if preview is not None:
        _refuse_input(preview, inputs)
        check_output(preview)
        if preview.suffix.lower() not in STILL_SUFFIXES:
            raise OutputError(f"cannot write {preview}: a preview is a picture; name it .png")
        if any(preview.resolve().is_relative_to(taken.resolve()) for taken in (out, written)):
            raise OutputError(f"cannot write {preview}: the result goes to {out}; choose another name")
    return written


def _refuse_input(target: Path, inputs: tuple[Path, ...]) -> None:
    if any(is_same_file(target, path) for path in inputs):
        raise OutputError(f"cannot write {target}: it is an input; choose another name")


def _prepared(
    animator: Animator, pixels: Pixels, options: FilmOptions, where: str
) -> tuple[Portrait, CropTransform | None]:
    """The portrait at the size at which it is rendered, and the crop to cut from the result."""
    found, others = animator.find(pixels, where, options.face)
    warn_of_other_faces(options.face, others + 1, where)
    longest = max(pixels.shape[:2])
    if not options.crop:
        size = options.size or min(longest, LARGEST_OUTPUT_PX)
        return animator.fitted(*_scaled(pixels, found, size), others), None
    crop = crop_around(found, CropConfig())
    side_px = CropConfig().size_px / float(np.sqrt(np.linalg.det(crop.crop_from_image[:, :2])))
    side = options.size or min(2 * round(side_px / 2), LARGEST_OUTPUT_PX)
    pixels, found = _cut_out(pixels, found, MATTE_REACH * animator.config.geometric.warp.reach)
    size = max(round(max(pixels.shape[:2]) * side / side_px), 16)
    subject = animator.fitted(*_scaled(pixels, found, size), others)
    return subject, crop_around(subject.landmarks, CropConfig(size_px=side))


def _cut_out(pixels: Pixels, landmarks: Landmarks, moving: float) -> tuple[Picture, Landmarks]:
    """The part of a picture that a head crop can show or that moves it: `moving` face sizes at least."""
    height, width = pixels.shape[:2]
    reach = max(CUT_MARGIN * CropConfig().enlarge, moving)
    box = face_region(landmarks.points_image, width, height, reach)
    part_from_picture = np.array([[1.0, 0.0, -box.left], [0.0, 1.0, -box.top]])
    return np.ascontiguousarray(pixels[box.slices]), moved_landmarks(landmarks, part_from_picture)


def _scaled(pixels: Pixels, landmarks: Landmarks, longest_px: int) -> tuple[Picture, Landmarks]:
    """A picture and its landmarks at another size."""
    scaled = scaled_portrait(pixels, longest_px)
    (height, width), (new_height, new_width) = pixels.shape[:2], scaled.shape[:2]
    scaled_from_picture = np.array([[new_width / width, 0.0, 0.0], [0.0, new_height / height, 0.0]])
    return scaled, moved_landmarks(landmarks, scaled_from_picture)


def _cut(pixels: Pixels, crop: CropTransform | None) -> Picture:
    return pixels if crop is None else crop_pixels(pixels, crop)


def _write_still(
    frames: Iterator[Picture], out: Path, frame_rate: Fraction, sound: Path | None, progress: Progress
) -> None:
    """The one frame of a still goal."""
    (pixels,) = watched(frames, progress)
    write_image(out, pixels)


def _write(
    frames: Iterator[Picture], out: Path, frame_rate: Fraction, sound: Path | None, progress: Progress
) -> None:
    """Encode while the frames are being made."""
    first = next(frames)
    height, width = first.shape[:2]
    with VideoWriter(out, frame_rate, width, height, audio_from=sound) as writer:
        for pixels in watched(chain([first], frames), progress):
            writer.write(pixels)


class _Shown:
    """Collects what a side-by-side video and a contact sheet show."""

    def __init__(self, source: Pixels, frames: int, options: FilmOptions) -> None:
        self._source = source
        self._side_by_side = options.side_by_side
        self._height = min(source.shape[0], 512)
        self._wanted = set(np.linspace(0, frames - 1, PREVIEW_COLUMNS).round().astype(int).tolist())
        self._columns: list[tuple[Picture, Picture, Picture]] = []
        self._index = 0

    def frame(self, driver: View, prior: View, result: Picture) -> Picture:
        """Take note of one frame; returns what the video shows of it. Looks only at what is shown."""
        if self._index in self._wanted:
            self._columns.append((self._source, driver(), result))
        self._index += 1
        if not self._side_by_side:
            return result
        return tile_row([self._source, driver(), prior(), result], self._height)

    def sheet(self) -> Picture:
        rows = [list(row) for row in zip(*self._columns, strict=True)]
        return contact_sheet(rows, ("source", "driver", "result"), tile_px=320)


def _driver_views(animator: Animator, driving: Path, dynamics: Dynamics) -> Generator[View]:
    """What drives each frame: the video's own frames, the picture, or a motion file's face in clay."""
    if is_motion_file(driving):
        motion = load_motion(driving)
        for t in range(len(motion)):
            yield partial(_clay, animator.model, motion, t)
    elif is_image_file(driving):
        pixels = read_image(driving)
        yield from repeat(lambda: pixels, len(dynamics))
    else:
        for frame in read_frames(driving, max_side_px=1024):
            yield partial(getattr, frame, "pixels")


def _clay(model: MorphableModel, motion: Dynamics, t: int) -> Picture:
    points = project(model.vertices(motion.identity, motion.expression[t]), motion.pose[t])
    return shade_face(points * (CLAY_SIDE_PX / motion.picture_side_px), model, CLAY_SIDE_PX, CLAY_SIDE_PX)


def _prior_views(
    animator: Animator, subject: Portrait, dynamics: Dynamics, crop: CropTransform | None
) -> Iterator[View]:
    """The sparse texture prior at each target geometry."""
    texture = sample_texture(subject.pixels, subject.face, animator.model, TextureConfig())

    def drawn(t: int) -> Picture:
        points = model_points(dynamics[t], subject.face.residual, animator.model)
        prior = render_texture(texture, points, *subject.pixels.shape[:2])
        return _cut(np.rint((prior + 1.0) * 127.5).astype(np.uint8), crop)

    return (partial(drawn, t) for t in range(len(dynamics)))
