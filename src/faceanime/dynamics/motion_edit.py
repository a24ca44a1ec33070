"""Edit motion files: read, change in a fixed order, and write with a note of every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from faceanime.core.errors import RangeError
from faceanime.core.weights import read_header
from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.convert import ConversionError, convert_motion
from faceanime.dynamics.edit_config import EditConfig
from faceanime.dynamics.editing import amplify, load_tracks, mirror, with_axes
from faceanime.dynamics.gaze import hold_gaze
from faceanime.dynamics.motion_file import MotionNote, load_motion_of, save_motion
from faceanime.dynamics.motion_path import motion_path
from faceanime.dynamics.timeline import blend, concatenate, cut, loop, retime
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.morphable.model_path import model_path_of_id
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics

Step = tuple[str, Callable[[Dynamics], Dynamics]]
"""Description and function of one edit."""


def edit_motions(
    motions: Sequence[Path],
    out: Path,
    config: EditConfig,
    model: MorphableModel,
    target: MorphableModel | None = None,
) -> ConversionError | None:
    """Append motion files of `model` to the first, edit the result, convert it to model `target` if any, and write it.

    The note of `out` joins the licences of all motions and lists the edits. Returns how far a converted motion is off.
    Raises ConfigError, WeightsError, MorphableModelError, OutputError; on failure nothing is written.
    """
    other = None if config.blend_with is None else motion_path(config.blend_with)
    dynamics = concatenate([load_motion_of(path, model) for path in motions], model, config.blend_s)
    descriptions = [" + ".join(map(_named, motions))]
    for description, edit in _steps(config, other, model):
        dynamics = edit(dynamics)
        descriptions.append(description)
    error = None
    if target is not None:
        dynamics, error = convert_motion(dynamics, model, target)
        descriptions.append(f"converted to face model {target.id}: {error}")
    licences = [str(read_header(path).get("licence") or "unknown") for path in (*motions, other) if path]
    note = MotionNote(licence=" and ".join(dict.fromkeys(licences)), provenance="; ".join(descriptions))
    save_motion(dynamics, out, note)
    return error


def model_of_motion(path: Path) -> MorphableModel:
    """The face model that a motion file belongs to. Raises WeightsError, MorphableModelError."""
    return load_model(model_path_of_id(str(read_header(path).get("model_id")), str(path)))


def _steps(config: EditConfig, other: Path | None, model: MorphableModel) -> Iterator[Step]:
    """The requested edits, in their fixed order."""
    if config.start is not None or config.end is not None:
        start_s = config.start or 0.0
        until = "the end" if config.end is None else f"{config.end:g} s"
        yield f"cut from {start_s:g} s to {until}", lambda d: cut(d, start_s, config.end)
    if config.speed != 1.0 or config.frame_rate is not None:
        rate = None if config.frame_rate is None else _rate_of(config.frame_rate)
        description = f"speed {config.speed:g}" + ("" if rate is None else f" at {rate} frames/s")
        yield description, lambda d: retime(d, model, config.speed, frame_rate=rate)
    if config.mirror:
        yield "mirrored", lambda d: mirror(d, model)
    lips, eyes, head = config.amplify_lips, config.amplify_eyes, config.amplify_head
    if (lips, eyes, head) != (1.0, 1.0, 1.0):
        description = f"amplified: lips {lips:g}, eyes {eyes:g}, head {head:g}"
        yield description, lambda d: amplify(d, model, lips=lips, eyes=eyes, head=head)
    if other is not None:
        mixed_in, share = load_motion_of(other, model), 0.5 if config.share is None else config.share
        description = f"a share of {share:g} of {_named(other)}"
        yield description, lambda d: blend(d, mixed_in, share, model)
    if config.axes is not None:
        tracks = load_tracks(config.axes, model)
        # What is added departs from the rest that the motion had, even if it is the same in all frames.
        yield (
            f"axes of {config.axes.name}: {', '.join(tracks)}",
            lambda d: replace(with_axes(d, model, tracks), rest=reference_face(d, model)),
        )
    if config.hold_gaze:
        yield "gaze held", lambda d: hold_gaze(d, model)
    if config.blinks != 0.0:
        description = f"{config.blinks:g} blinks a minute, seed {config.seed}"
        yield description, lambda d: add_blinks(d, model, config.blinks, config.seed)
    if config.loop:
        yield f"looped over {config.blend_s:g} s", lambda d: loop(d, config.blend_s)


def _named(path: Path) -> str:
    """The name of a motion's file with its own provenance, for the header of the edited one."""
    source = read_header(path).get("provenance")
    return f"{path.name} ({source})" if source else path.name


def _rate_of(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise RangeError("frame_rate", text, "a number such as 25 or 30000/1001") from None
