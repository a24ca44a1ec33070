"""The functions of the package, as `import faceanime` offers them: one line each for what most people want.

Their options have the names of the options of the commands, with underscores: `--yaw-limit-deg 20` is
`yaw_limit_deg=20`. Settings of reading faces (`--track.face`) and of the geometric renderer are those of an `Animator`,
which also keeps what was loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from itertools import chain
from numbers import Real
from pathlib import Path
from threading import local
from typing import Any

from faceanime.core.config import checks_options, from_options
from faceanime.core.errors import ConfigError, OutputError, RangeError, check_shape
from faceanime.core.files import as_path
from faceanime.core.progress import Progress, SilentProgress
from faceanime.drivers.driver import Driver
from faceanime.drivers.open_driver import DriverSource
from faceanime.drivers.span_config import DriverSpan
from faceanime.dynamics.edit_config import EditConfig
from faceanime.dynamics.motion_edit import edit_motions, model_of_motion
from faceanime.dynamics.motion_file import load_motion
from faceanime.dynamics.motion_path import is_motion_file, motion_path
from faceanime.dynamics.predictor_options import PredictorOptions
from faceanime.dynamics.retarget_config import MotionLimits, MotionStrength, RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.config import FaceChoice, GoalConfig, ReadConfig, TrackConfig
from faceanime.generator.config import RendererConfig
from faceanime.media.picture_source import PictureSource
from faceanime.media.video import exact_rate, probe_video
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import load_model
from faceanime.morphable.model_path import model_path
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.structures.coefficients import HIGHEST_FRAME_RATE, Dynamics
from faceanime.structures.frames import Pixels
from faceanime.workflows import animate_file, predict_file, reconstruct_file

PLAIN_FRAME_RATE = Fraction(25)
"""Frames a second of a video for which no rate is given."""


def animate(
    portrait: PictureSource,
    driving: Driver | DriverSource,
    out: str | Path,
    *,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Animate a portrait with the motion of a video, a picture, a motion or a bundled motion; write it to `out`.

    `options` are the fields of `OutputOptions`, `DriverSpan` and, unless an `animator` with settings of its own is
    given, those of `RetargetConfig`, `GoalConfig` and `RendererConfig`. Returns the path that was written. Raises
    FaceAnimeError; on failure nothing is written.

    Example: `faceanime.animate("me.jpg", "talk", "out.mp4", head=0.5, size=512)`
    """
    path = as_path(out, "out")
    parts = _parts("animate", options, animator, RetargetConfig, GoalConfig, RendererConfig)
    output, span, *rest = from_options(options, "animate", OutputOptions, DriverSpan, *parts)
    if animator is None:
        retarget, goal, draw = rest
        animator = _animator(AnimatorConfig(draw=draw, retarget=retarget, goal=goal))
    return animate_file(animator, portrait, driving, path, output, progress or SilentProgress(), span)


def predict(
    portrait: PictureSource,
    out: str | Path,
    *,
    motion_out: str | Path | None = None,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Predict how a portrait moves on, without a driver, and write it to `out`; every `seed` gives another motion.

    `options` are the fields of `FutureConfig`, `OutputOptions` and, unless an `animator` is given, `MotionStrength`,
    `MotionLimits`, `RendererConfig` and `PredictorOptions`. `motion_out` also receives the motion, as
    X.motion.safetensors. Returns the path that was written. Raises FaceAnimeError; on failure nothing is written.

    Example: `faceanime.predict("me.jpg", "out.mp4", seconds=8, style="talk", seed=3)`
    """
    return _predicted("predict", portrait, None, out, motion_out, animator, progress, options)


def morph(
    portrait: PictureSource,
    target: PictureSource,
    out: str | Path,
    *,
    motion_out: str | Path | None = None,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Predict a motion from a portrait to the expression and head angles of a `target` picture; write it to `out`.

    `options`, `motion_out`, the result and errors are as in `predict`; the fields of `GoalConfig` are options, too.

    Example: `faceanime.morph("me.jpg", "me-laughing.jpg", "out.mp4", seconds=2)`
    """
    return _predicted("morph", portrait, target, out, motion_out, animator, progress, options)


@checks_options
def reconstruct(
    source: PictureSource,
    out: str | Path,
    *,
    face: FaceChoice = "largest",
    animator: Animator | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the motion of a video or picture (X.motion.safetensors), or its neutral, textured 3D face (X.glb, X.obj).

    `face` is `largest`, or an index in order of size, from 0. Returns `out`. Raises FaceAnimeError; on failure nothing
    is written.

    Example: `faceanime.reconstruct("me.jpg", "me.glb")`
    """
    path = as_path(out, "out")
    if animator is not None and face != animator.config.read.track.face and is_motion_file(path):
        raise ConfigError(
            "reconstruct: the face of a motion is the TrackConfig.face of the animator that is given"
        )
    chosen = animator or _animator(AnimatorConfig(read=ReadConfig(track=TrackConfig(face=face))))
    reconstruct_file(chosen, source, path, face, progress or SilentProgress())
    return path


def edit(
    motions: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    to: str | Path | None = None,
    **options: Any,
) -> Path:
    """Edit a motion file or a bundled motion, or several, one appended to the other; write X.motion.safetensors.

    `to` is the name, the id or the file of a face model to which the result is converted. `options` are the fields of
    `EditConfig`; the edits are made in their order. Returns `out`. Raises FaceAnimeError; on failure nothing is
    written.

    Example: `faceanime.edit("talk", "mirrored.motion.safetensors", mirror=True, speed=0.8)`
    """
    path = as_path(out, "out")
    (config,) = from_options(options, "edit", EditConfig)
    several = motions if isinstance(motions, Sequence) and not isinstance(motions, str) else [motions]
    paths = [motion_path(as_path(each, "a motion")) for each in several]
    target = None if to is None else load_model(model_path(as_path(to, "to")))
    edit_motions(paths, path, config, model_of_motion(paths[0]), target)
    return path


@checks_options
def motion(source: DriverSource, progress: Progress | None = None) -> Dynamics:
    """The motion of a video, a picture, a motion file, or a bundled motion by its name. Raises FaceAnimeError.

    Example: `faceanime.motion("talk")`
    """
    if isinstance(source, str | Path):
        path = motion_path(Path(source))
        if is_motion_file(path):
            return load_motion(path)
    return _animator(AnimatorConfig()).motion(source, progress)


@checks_options
def write_video(
    frames: Iterable[Pixels],
    out: str | Path,
    like: str | Path | Dynamics | None = None,
    *,
    frame_rate: Fraction | float | int | None = None,
) -> Path:
    """Write pictures (H,W,3) uint8, one at a time, as a video, an animation or a folder of PNGs; see `VideoWriter`.

    The frame rate, and the sound if there is any, are those of `like`: a video, or a motion, its file or its bundled
    name. `frame_rate` in frames a second replaces its rate; without either it is 25. Returns the path that was written.
    Raises OutputError, ShapeError for a frame of another size, MediaError; on failure nothing is written.

    Example: `faceanime.write_video(animator.animate(portrait, motion), "out.mp4", like="dance.mp4")`
    """
    path = as_path(out, "out")
    rate, sound = _timing(like)
    if frame_rate is not None:
        rate = _checked_rate(frame_rate)
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise OutputError(f"cannot write {out}: there was no frame to write")
    check_shape("a frame", first, None, None, 3)
    height, width = first.shape[:2]
    with VideoWriter(path, rate, width, height, audio_from=sound) as writer:
        for pixels in chain([first], rest):
            writer.write(pixels)
    return writer.path


class _Last(local):
    """The animator of a thread's last call: loading takes seconds, and two threads must not share one."""

    animator: Animator | None = None


_last = _Last()


def _animator(config: AnimatorConfig) -> Animator:
    """The animator of the last call, as long as the settings are the same."""
    if _last.animator is None or _last.animator.config != config:
        _last.animator = Animator(config)
    return _last.animator


def _parts(
    where: str, options: Mapping[str, object], animator: Animator | None, *parts: type[Any]
) -> tuple[type[Any], ...]:
    """The parts of an animator's settings that may be given here: none beside an animator. Raises ConfigError."""
    if animator is None:
        return parts
    names = {field.name for part in parts for field in fields(part)}
    for name in options:
        if name in names:
            raise ConfigError(
                f"{where}: {name} is a setting of the animator; set it in its AnimatorConfig, or give no animator"
            )
    return ()


def _predicted(
    name: str,
    portrait: PictureSource,
    target: PictureSource | None,
    out: str | Path,
    motion_out: str | Path | None,
    animator: Animator | None,
    progress: Progress | None,
    options: dict[str, Any],
) -> Path:
    path = as_path(out, "out")
    motion_path = None if motion_out is None else as_path(motion_out, "motion_out")
    goals = () if target is None else (GoalConfig,)
    parts = _parts(
        name, options, animator, MotionStrength, MotionLimits, RendererConfig, PredictorOptions, *goals
    )
    future, output, *rest = from_options(options, name, FutureConfig, OutputOptions, *parts)
    if animator is None:
        strength, limits, draw, predictor, *goal = rest
        config = AnimatorConfig(
            draw=draw,
            retarget=RetargetConfig(**vars(strength), **vars(limits)),
            predictor=predictor.weights,
            goal=goal[0] if goal else GoalConfig(),
        )
        animator = _animator(config)
    return predict_file(
        animator, portrait, target, path, future, output, motion_path, progress or SilentProgress()
    )


def _timing(like: str | Path | Dynamics | None) -> tuple[Fraction, Path | None]:
    """The frame rate of a video or motion, and the file that holds its sound."""
    if like is None:
        return PLAIN_FRAME_RATE, None
    if isinstance(like, Dynamics):
        return like.frame_rate, None
    if not isinstance(like, str | Path):
        raise ConfigError(
            f"like is of type {type(like).__name__}, expected a path, the name of a motion, or a motion"
        )
    path = motion_path(Path(like))
    if is_motion_file(path):
        return load_motion(path).frame_rate, None
    return probe_video(path).frame_rate, path


def _checked_rate(frame_rate: Fraction | float | int) -> Fraction:
    if not isinstance(frame_rate, Real):
        raise ConfigError(f"frame_rate is {frame_rate!r}, expected a number")
    if not 0 < frame_rate <= HIGHEST_FRAME_RATE:
        raise RangeError("frame_rate", frame_rate, f"above 0 and at most {HIGHEST_FRAME_RATE}")
    return exact_rate(frame_rate)
