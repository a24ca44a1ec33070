"""Workflows on files: read a portrait and a driver, write a video, a contact sheet, a motion or a mesh."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from fractions import Fraction
from itertools import chain, takewhile
from pathlib import Path

from faceanime.core.concurrency import prefetch
from faceanime.core.errors import (
    Cancelled,
    FaceAnimeError,
    MediaError,
    NoFaceError,
    NoSuchFaceError,
    OutputError,
    Remedy,
)
from faceanime.core.files import check_output
from faceanime.core.progress import Progress, check_cancelled, watched
from faceanime.drivers.driver import Driver, View, choice_of
from faceanime.drivers.motion import clay_views
from faceanime.drivers.open_driver import DriverSource
from faceanime.drivers.remembered import RememberedDriver
from faceanime.drivers.span import part_of
from faceanime.drivers.span_config import WHOLE, DriverSpan
from faceanime.dynamics.editing import ease_between
from faceanime.dynamics.motion_file import MotionNote, save_motion
from faceanime.dynamics.motion_path import MOTION_SUFFIX, check_motion_path, is_motion_file
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.dynamics.timeline import retime
from faceanime.face.config import FaceChoice
from faceanime.face.found import FoundFaces
from faceanime.media.contact_sheet import Picture
from faceanime.media.image import is_image_file, picture_output, write_image
from faceanime.media.mesh_file import mesh_files, write_mesh
from faceanime.media.picture_source import PictureSource, name_of, read_picture
from faceanime.media.sound import Sound, find_sound
from faceanime.media.video import exact_rate, read_frames
from faceanime.media.video_output import video_output
from faceanime.media.video_writer import VideoWriter
from faceanime.output_options import (
    MESH_SUFFIXES,
    STILL_SUFFIXES,
    OutputOptions,
    check_result,
    options_for,
    refuse_input,
)
from faceanime.pipeline import Animator
from faceanime.portrait_size import Subject, prepare_subject
from faceanime.render.neutral_mesh import neutral_mesh
from faceanime.side_by_side import SideBySide, held_views, prior_views
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels
from faceanime.structures.portrait import Portrait

STILL_DRIVER_S = Fraction(3, 2)
"""Length in seconds of the movement toward a picture that is the driver."""
SEARCHED_S = 10
"""Length of a video's beginning in which its portrait is searched for."""
SEARCH_RATE = Fraction(5)
"""Frames a second of that beginning that are searched."""
LARGE_PX = 8_000_000
"""Pixels of a portrait from which a line says how long its rendering takes; chosen by eye."""
ESTIMATED_AFTER = 4
"""Frames after which that is known."""

log = logging.getLogger(__name__)


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
    inputs = _files(portrait, driving)
    driver = part_of(animator.open(driving), span)
    still = out.suffix.lower() in STILL_SUFFIXES and driver.is_still
    check_result(out, options, inputs, still)
    animator.check()
    sound = None if still else _sound(out, options, driver.sound, span, progress)
    subject = prepare_subject(animator, portrait, options)
    motion = animator.motion(driver, progress)
    dynamics = animator.retarget(subject.portrait, motion)
    if motion.is_goal and not still:
        dynamics = _eased(animator, subject.portrait, dynamics)
    check_cancelled(progress)
    result = _Result(animator, subject, dynamics, out, options, choice_of(driver))
    result.write(driver.views(), sound, progress, still)
    return out


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
    driver = RememberedDriver(animator.open(driving))
    animator.check()
    part_of(driver, span).dynamics(progress)
    for portrait, out in portraits.items():
        try:
            yield animate_file(
                animator, portrait, driver, out, options_for(portrait, options), progress, span
            )
        except Cancelled:
            raise
        except FaceAnimeError as error:
            yield error


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
    sound = _sound(out, options, None, WHOLE, progress)
    subject = prepare_subject(animator, portrait, options)
    goal = None
    if target is not None:
        pixels, where = read_picture(target, "the target"), name_of(target, "the target")
        goal = animator.reader.portrait(pixels, where, setting=None).face.coefficients
    progress.stage("imagining", None)
    motion = animator.imagine(subject.portrait, future, goal)
    result = _Result(animator, subject, animator.clamp(subject.portrait, motion), out, options)
    result.write(clay_views(motion, animator.model), sound, progress)
    if motion_out is not None:
        toward = "" if target is None else f" toward {Path(name_of(target)).name}"
        settings = " ".join(f"{name}={value}" for name, value in asdict(future).items())
        note = MotionNote(
            provenance=f"imagined by faceanime from {Path(name_of(portrait)).name}{toward}: {settings}"
        )
        save_motion(motion, motion_out, note)
    return out


def reconstruct_file(
    animator: Animator, source: PictureSource, out: Path, face: FaceChoice, progress: Progress
) -> None:
    """Write the motion of a video or picture (.motion.safetensors), or its neutral, textured face (.glb, .obj).

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
            portrait = animator.portrait(source, face=face)
        else:
            portrait = _first_portrait(animator, Path(source), face, progress)
        write_mesh(out, *neutral_mesh(portrait, animator.model), portrait.pixels)
    else:
        known = ", ".join([MOTION_SUFFIX, *sorted(MESH_SUFFIXES)])
        raise OutputError(f"cannot write {out}: unknown suffix; use {known}")


class _Result:
    """Renders and writes a result and its contact sheet: both appear, or neither."""

    def __init__(
        self,
        animator: Animator,
        subject: Subject,
        dynamics: Dynamics,
        out: Path,
        options: OutputOptions,
        driver_choice: FoundFaces | None = None,
    ) -> None:
        self._animator, self._subject = animator, subject
        choices = {"portrait": subject.choice, "driver": driver_choice}
        self._choices = {name: found for name, found in choices.items() if found is not None}
        self._out, self._options = out, options
        rate = dynamics.frame_rate if options.fps is None else exact_rate(options.fps)
        self._dynamics = retime(dynamics, animator.model, frame_rate=rate)
        self._step = dynamics.frame_rate / rate

    def write(
        self, drivers: Iterator[View], sound: Sound | None, progress: Progress, still: bool = False
    ) -> None:
        """Render all frames; `drivers` are the driver's views, `sound` what is heard with them."""
        progress.stage(f"rendering {self._out.name}", len(self._dynamics))
        rendered = self._animator.render(self._subject.portrait, self._dynamics)
        if self._options.size is None and self._subject.portrait.pixels.size // 3 >= LARGE_PX:
            rendered = _with_estimate(rendered, len(self._dynamics), self._subject.portrait.pixels.shape)
        results = (self._subject.shown(each) for each in rendered)
        with ExitStack() as stack:
            if isinstance(drivers, Generator):
                stack.callback(drivers.close)
            if self._options.side_by_side or self._options.preview is not None:
                frames = self._beside(drivers, results, stack)
            else:
                frames = prefetch(results)
            if still:
                (pixels,) = watched(frames, progress)
                write_image(self._out, pixels)
            else:
                self._encode(frames, sound, progress)

    def _beside(
        self, drivers: Iterator[View], results: Iterator[Picture], stack: ExitStack
    ) -> Iterator[Picture]:
        """Yield what the video shows; after the last frame, the contact sheet is drawn if it is wanted."""
        count, options = len(self._dynamics), self._options
        subject = self._subject
        shown = SideBySide(subject.shown(subject.portrait.pixels), count, options.side_by_side)
        priors = prior_views(subject.portrait, self._dynamics, self._animator.model, subject.shown)
        frames = map(shown.frame, held_views(drivers, count, self._step), priors, results)
        if options.preview is None:
            return frames
        write_sheet = stack.enter_context(picture_output(options.preview))
        # drawn while the writer still waits for a frame: before the video is put in place
        return _and_then(frames, lambda: write_sheet(shown.sheet(self._choices)))

    def _encode(self, frames: Iterator[Picture], sound: Sound | None, progress: Progress) -> None:
        """Encode frames while they are being made."""
        first = next(frames)
        height, width = first.shape[:2]
        options = self._options
        with VideoWriter(
            self._out, self._dynamics.frame_rate, width, height,
            audio_from=sound, codec=options.codec, crf=options.crf,
        ) as writer:  # fmt: skip
            for pixels in watched(chain([first], frames), progress):
                writer.write(pixels)


def _and_then(frames: Iterator[Picture], finish: Callable[[], None]) -> Iterator[Picture]:
    yield from frames
    finish()


def _with_estimate(frames: Iterator[Pixels], count: int, shape: tuple[int, ...]) -> Iterator[Pixels]:
    """Yield `frames`; once a few are drawn, a line says how long all `count` take."""
    started_s = 0.0
    for index, frame in enumerate(frames):
        if index == 0:
            started_s = time.monotonic()
        elif index == ESTIMATED_AFTER and count > 2 * ESTIMATED_AFTER:
            left_s = (time.monotonic() - started_s) / index * (count - index)
            log.warning(
                "%d frames of %dx%d px take about %s", count, shape[1], shape[0], _in_words(left_s),
                extra={"remedy": Remedy("size", "{} 1024 is much quicker")},
            )  # fmt: skip
        yield frame


def _in_words(seconds: float) -> str:
    minutes = seconds / 60
    return (
        f"{seconds:.0f} s"
        if minutes < 2
        else f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.1f} h"
    )


def _sound(
    out: Path, options: OutputOptions, driver: Path | None, span: DriverSpan, progress: Progress
) -> Sound | None:
    """Find the sound of the result: that which is asked for, or the driver's. Raises MediaError for the former."""
    if options.sound is not None:
        found = find_sound(options.sound, progress=progress)
        if found is None:
            raise MediaError(f"cannot read the sound of {options.sound}: it holds none that can be used")
        return found
    if driver is None or options.no_sound or not video_output(out, options.codec, options.crf).has_sound:
        return None
    return find_sound(driver, Fraction(span.start), progress)


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


def _first_portrait(animator: Animator, source: Path, face: FaceChoice, progress: Progress) -> Portrait:
    """Return the first frame of a video that shows the face, as a portrait. Raises NoFaceError."""
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
