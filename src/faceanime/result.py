"""The result of a workflow: rendered, and written as a video, a picture and a contact sheet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from faceanime.core.concurrency import prefetch
from faceanime.core.errors import Remedy
from faceanime.core.progress import Progress, watched
from faceanime.drivers.driver import View
from faceanime.dynamics.timeline import retime
from faceanime.face.found import FoundFaces
from faceanime.media.contact_sheet import Picture
from faceanime.media.image import picture_output, write_image
from faceanime.media.sound import Sound
from faceanime.media.video import exact_rate
from faceanime.media.video_writer import VideoWriter
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator
from faceanime.portrait_size import Subject
from faceanime.side_by_side import SideBySide, held_views, prior_views
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.frames import Pixels

LARGE_PX = 8_000_000
"""Pixels of a portrait from which a line says how long its rendering takes; chosen by eye."""
ESTIMATED_AFTER = 2
"""Frames after which that is known."""

log = logging.getLogger(__name__)


class Result:
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
        self._choices = {name: found for name, found in choices.items() if found is not None and found.others}
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
        source = subject.shown(subject.portrait.pixels)
        shown = SideBySide(source, count, options.side_by_side, subject.head_place, subject.face_share)
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
