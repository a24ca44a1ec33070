"""Workflows on files: read a portrait and a driver, write a video, a contact sheet, a motion or a mesh."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from fractions import Fraction
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from faceanime.core.errors import (
    Cancelled,
    FaceAnimeError,
    MediaError,
    NoFaceError,
    NoSuchFaceError,
    OutputError,
    Remedy,
    UnfitFaceError,
)
from faceanime.core.files import atomic_output, check_output, make_folder
from faceanime.core.progress import Progress, check_cancelled, watched
from faceanime.core.weights import read_header
from faceanime.drivers.driver import Driver, choice_of
from faceanime.drivers.motion import clay_views
from faceanime.drivers.open_driver import DriverSource
from faceanime.drivers.remembered import RememberedDriver
from faceanime.drivers.span import part_of
from faceanime.drivers.span_config import WHOLE, DriverSpan
from faceanime.dynamics.editing import ease_between
from faceanime.dynamics.motion_file import MotionNote, save_motion
from faceanime.dynamics.motion_path import MOTION_SUFFIX, check_motion_path, is_motion_file
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.config import FaceChoice
from faceanime.face.cover import check_face
from faceanime.face.detect import MediapipeDetector
from faceanime.face.model_adoption import adopt
from faceanime.media.image import is_image_file, write_image
from faceanime.media.mesh_file import mesh_files, write_mesh
from faceanime.media.picture_source import PictureSource, name_of, read_picture
from faceanime.media.sound import Sound, find_sound
from faceanime.media.video import read_frames
from faceanime.media.video_output import video_output
from faceanime.morphable.formats.kinds import read_raw_model
from faceanime.morphable.model import MorphableModel, Part, load_model, save_model
from faceanime.output_options import (
    MESH_SUFFIXES,
    STILL_SUFFIXES,
    OutputOptions,
    check_result,
    options_for,
    refuse_input,
)
from faceanime.pipeline import Animator
from faceanime.portrait_size import prepare_subject
from faceanime.render.model_sheet import model_sheet
from faceanime.render.neutral_mesh import neutral_mesh
from faceanime.result import Result
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait

log = logging.getLogger(__name__)

STILL_DRIVER_S = Fraction(3, 2)
"""Length in seconds of the movement toward a picture that is the driver."""
SOUND_MARGIN_S = Fraction(1, 4)
"""Difference in s of a sound's length and its video's from which on it is told; chosen by eye."""
SEARCHED_S = 10
"""Length of a video's beginning in which its portrait is searched for."""
SEARCH_RATE = Fraction(5)
"""Frames a second of that beginning that are searched."""


def animate_file(
    animator: Animator,
    portrait: PictureSource,
    driving: Driver | DriverSource,
    out: Path,
    options: OutputOptions,
    progress: Progress,
    span: DriverSpan = WHOLE,
) -> Path:
    """Animate a portrait by a driver, or the part `span` of it, and write the result; return the path of the result.

    A driver of one frame and a still's suffix of `out` (.png, .jpg) give one picture; otherwise a driver of one frame
    gives the movement toward it. Raises FaceAnimeError; on failure or cancellation nothing is written.
    """
    opened = _Driving(part_of(animator.open(driving), span), _files(driving), options, span, progress)
    return _animate(animator, portrait, opened, out, options, progress)


def animate_files(
    animator: Animator,
    portraits: Mapping[Path, Path],
    driving: Driver | DriverSource,
    options: OutputOptions,
    progress: Progress,
    span: DriverSpan = WHOLE,
) -> Iterator[Path | FaceAnimeError]:
    """Animate portraits, each written to the path that it is mapped to, by one driver, which is tracked once.

    Yields the path that was written for each portrait, or why there is none: a portrait that fails does not stop the
    others. A contact sheet is named after its portrait. Raises FaceAnimeError for a driver or a renderer that no
    portrait can use, and Cancelled.
    """
    driver = RememberedDriver(part_of(animator.open(driving), span))
    opened = _Driving(driver, _files(driving), options, span, progress)
    animator.check()
    _check_sound(options, progress)
    driver.dynamics(progress)
    for done, (portrait, out) in enumerate(portraits.items()):
        try:
            yield _animate(animator, portrait, opened, out, options_for(portrait, options), progress)
        except Cancelled as stop:
            raise Cancelled(f"stopped by the user after {done} of {len(portraits)} portraits") from stop
        except FaceAnimeError as error:
            yield error


def _animate(
    animator: Animator,
    portrait: PictureSource,
    driving: _Driving,
    out: Path,
    options: OutputOptions,
    progress: Progress,
) -> Path:
    driver = driving.driver
    still = out.suffix.lower() in STILL_SUFFIXES and driver.is_still
    check_result(out, options, (*_files(portrait), *driving.files), still)
    animator.check()
    if not still:
        _check_sound(options, progress)
    subject = prepare_subject(animator, portrait, options)
    motion = driver.dynamics(progress)
    if motion.is_goal:
        goal = animator.goal(subject.portrait, motion[0], choice_of(driver))
        motion = replace(motion, identity=goal.identity, expression=goal.expression[None])
    dynamics = animator.retarget(subject.portrait, motion)
    if motion.is_goal and not still:
        if not driver.is_still:
            log.warning(
                "%s gives a single frame: the portrait moves to its face, as with a picture", driving.name
            )
        dynamics = _eased(animator, subject.portrait, dynamics)
    sound = None
    if not still and video_output(out, options.codec, options.crf).has_sound:
        sound = driving.sound(len(dynamics) / dynamics.frame_rate)
    check_cancelled(progress)
    result = Result(animator, subject, dynamics, out, options, choice_of(driver))
    result.write(driver.views(), sound, progress, still)
    return out


def predict_file(
    animator: Animator,
    portrait: PictureSource,
    target: PictureSource | None,
    out: Path,
    future: FutureConfig,
    options: OutputOptions,
    motion_out: Path | None,
    progress: Progress,
) -> Path:
    """Predict a motion of a portrait, freely or toward the face of another picture, and write it as a video.

    `motion_out` also receives the motion: `animate` with reference frame 0 makes the same video of it. Returns the path
    that was written. Raises FaceAnimeError; on failure or cancellation nothing is written.
    """
    inputs = _files(portrait, target)
    check_result(out, options, inputs, still=False)
    if motion_out is not None:
        refuse_input(motion_out, inputs)
        check_motion_path(motion_out)
    animator.check()
    sound = _given_sound(options, Fraction(future.seconds), progress)
    subject = prepare_subject(animator, portrait, options)
    goal = None
    if target is not None:
        pixels, where = read_picture(target, "the target"), name_of(target, "the target")
        shown = animator.reader.portrait(pixels, where, setting=None)
        goal = animator.goal(subject.portrait, shown.face.coefficients, shown)
    progress.stage("imagining", None)
    motion = animator.imagine(subject.portrait, future, goal)
    result = Result(animator, subject, animator.clamp(subject.portrait, motion), out, options)
    toward = "" if target is None else f" toward {Path(name_of(target)).name}"
    settings = " ".join(f"{name}={value}" for name, value in asdict(future).items())
    note = MotionNote(
        provenance=f"imagined by faceanime from {Path(name_of(portrait)).name}{toward}: {settings}"
    )
    with ExitStack() as stack:
        if motion_out is not None:  # put in place after the video is, so that both appear, or neither
            save_motion(motion, stack.enter_context(atomic_output(motion_out)), note)
        result.write(clay_views(motion, animator.model), sound, progress)
    return out


def reconstruct_file(
    animator: Animator, source: PictureSource, out: Path, face: FaceChoice, progress: Progress
) -> None:
    """Write the motion of a video or picture (.motion.safetensors), or its neutral, textured face (.glb, .obj).

    The mesh of a face that something covers, or that is no person's, is written all the same; one line says so.
    Raises FaceAnimeError, among them OutputError for an `out` with another suffix or that cannot be written.
    """
    for target in mesh_files(out):
        refuse_input(target, _files(source))
        check_output(target)
    if is_motion_file(out):
        note = MotionNote(provenance=f"reconstructed from {Path(name_of(source)).name}")
        save_motion(animator.motion(source, progress), out, note)
    elif out.suffix.lower() in MESH_SUFFIXES:
        if not isinstance(source, str | Path) or is_image_file(Path(source)):
            name = name_of(source)
            portrait = animator.reader.portrait(read_picture(source), name, face)
        else:
            name = str(source)
            portrait = _first_portrait(animator, Path(source), face, progress)
        _tell_of_mesh(animator, portrait, name)
        write_mesh(out, *neutral_mesh(portrait, animator.model), portrait.pixels)
    else:
        known = ", ".join([MOTION_SUFFIX, *sorted(MESH_SUFFIXES)])
        raise OutputError(f"cannot write {out}: unknown suffix; use {known}")


def import_model_file(kind: str, path: Path, out: Path, progress: Progress) -> MorphableModel:
    """Read a face model of another format, make it one of ours and write it. Raises FaceAnimeError."""
    progress.stage(f"reading {path.name}", None)
    raw = read_raw_model(kind, path)
    progress.stage("finding landmarks on its mean face", None)
    model = adopt(raw, MediapipeDetector(), load_model())
    make_folder(out.parent)
    save_model(model, out, licence=raw.licence, provenance=f"imported from {path.name} ({kind})")
    return model


def describe_model_file(path: Path, picture: Path | None) -> str:
    """A face model in words; `picture` gets its turntable, its first directions and its axes. Raises FaceAnimeError."""
    model, header = load_model(path), read_header(path)
    if picture is not None:
        write_image(picture, model_sheet(model))
    parts = {part: int((model.part == part).sum()) for part in Part}
    return "\n".join(
        [
            f"id          {model.id}",
            f"file        {path}",
            f"licence     {header.get('licence') or 'unknown'}",
            f"provenance  {header.get('provenance') or 'unknown'}",
            f"mesh        {len(model.mean)} vertices, {len(model.triangles)} triangles",
            f"identity    {model.identity_count} directions",
            f"expression  {model.expression_count} directions: "
            + ", ".join(f"{count} {part.name.lower().replace('_', ' ')}" for part, count in parts.items()),
            f"axes        {', '.join(model.axis_names)}",
        ]
    )


class _Driving:
    """An opened driver, its files, and the sound of the results, which is examined once for all portraits."""

    def __init__(
        self,
        driver: Driver,
        files: tuple[Path, ...],
        options: OutputOptions,
        span: DriverSpan,
        progress: Progress,
    ) -> None:
        self.driver, self.files = driver, files
        self._options, self._span, self._progress = options, span, progress
        self._given_sound: Sound | None = None

    @property
    def name(self) -> str:
        """The driver in messages."""
        return str(self.files[0]) if self.files else "the driver"

    def sound(self, length_s: Fraction) -> Sound | None:
        """The sound of a result of `length_s`: the one that is asked for, or the driver's. Raises MediaError."""
        if self._options.sound is None:
            return self._own_sound
        if self._given_sound is None:
            self._given_sound = _given_sound(self._options, length_s, self._progress)
        return self._given_sound

    @cached_property
    def _own_sound(self) -> Sound | None:
        """The driver's sound, unless none is wanted; asked for when its pictures, which may be damaged, are read."""
        path = self.driver.sound
        if path is None or self._options.no_sound:
            return None
        self._progress.stage(f"listening to {path.name}", None)
        end_s = None if self._span.end is None else Fraction(self._span.end)
        return find_sound(path, Fraction(self._span.start), end_s, self._progress)


def _check_sound(options: OutputOptions, progress: Progress) -> None:
    """Raise MediaError if a sound is asked for that cannot be used; only its beginning is decoded."""
    if options.sound is not None:
        _usable_sound(options.sound, Fraction(0), progress)


def _given_sound(options: OutputOptions, length_s: Fraction, progress: Progress) -> Sound | None:
    """The sound that is asked for, if any, decoded as far as a video of `length_s` uses it. Raises MediaError.

    A sound that is shorter or longer than the video is told in one line.
    """
    path = options.sound
    if path is None:
        return None
    progress.stage(f"listening to {path.name}", None)
    found = _usable_sound(path, length_s + SOUND_MARGIN_S, progress)
    if found.ends_s > length_s + SOUND_MARGIN_S:
        log.warning("the sound of %s is longer than the video: it is cut after %.1f s", path, length_s)
    elif found.ends_s < length_s - SOUND_MARGIN_S:
        log.warning(
            "the sound of %s is shorter than the video: it ends after %.1f of %.1f s",
            path, found.ends_s, length_s,
        )  # fmt: skip
    return found


def _usable_sound(path: Path, end_s: Fraction, progress: Progress) -> Sound:
    """The sound of a file, decoded up to `end_s`. Raises MediaError if there is none that can be used."""
    found = find_sound(path, end_s=end_s, progress=progress)
    if found is None:
        raise MediaError(f"cannot read the sound of {path}: it holds none that can be used")
    return found


def _files(*sources: object) -> tuple[Path, ...]:
    """The paths among inputs."""
    return tuple(Path(source) for source in sources if isinstance(source, str | Path))


def _eased(animator: Animator, subject: Portrait, dynamics: Dynamics) -> Dynamics:
    """Return the movement from the portrait's own face to the last frame of `dynamics`."""
    rate = dynamics.frame_rate
    start, goal = subject.face.coefficients, dynamics[len(dynamics) - 1]
    return ease_between(
        start, goal, rate, round(STILL_DRIVER_S * rate), dynamics.picture_side_px, animator.model
    )


def _tell_of_mesh(animator: Animator, portrait: Portrait, where: str) -> None:
    """Tell in one line of a face that something covers, or that is no person's: its mesh is not what one expects."""
    if portrait.covered:
        parts = " and ".join(sorted(portrait.covered))
        log.warning("something covers the %s in %s: the mesh shows it as part of the face", parts, where)
        return
    try:
        check_face(portrait, animator.model, where)
    except UnfitFaceError as error:
        log.warning("%s; the mesh may be far from it", error.problem)


def _first_portrait(animator: Animator, source: Path, face: FaceChoice, progress: Progress) -> Portrait:
    """Return the first frame of a video that shows the face, as a portrait. Raises NoFaceError."""
    progress.stage(f"looking for a face in {source.name}", None)
    frames = read_frames(source, frame_rate=SEARCH_RATE)
    where, most = f"the first {SEARCHED_S} s of {source}", 0
    for frame in watched(takewhile(lambda frame: frame.time_s < SEARCHED_S, frames), progress):
        try:
            return animator.reader.portrait(frame.pixels, str(source), face)
        except NoSuchFaceError as error:
            most = max(most, error.count)
        except NoFaceError:
            continue
    if face != "largest" and most:
        raise NoSuchFaceError(where, face, most, "face")
    raise NoFaceError(
        where, remedies=(Remedy("detect.threshold", "a lower {}"), "a part that shows the face")
    )
