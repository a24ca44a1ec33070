"""`faceanime edit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.core.errors import ConfigError
from faceanime.core.weights import read_header
from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.editing import amplify, load_tracks, mirror, with_axes
from faceanime.dynamics.gaze import hold_gaze
from faceanime.dynamics.motion_file import MotionNote, load_motion_of, save_motion
from faceanime.dynamics.motion_path import SUFFIX, bundled_motions, is_motion_file, motion_path
from faceanime.dynamics.timeline import blend, concatenate, cut, loop, retime
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.coefficients import Dynamics

Step = tuple[str, Callable[[Dynamics], Dynamics]]
"""Description and function of one edit."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """Edit a motion, in this order: append, cut, retime, mirror, amplify, blend, axes, hold gaze, blinks, loop."""

    motion: tyro.conf.Positional[Path]
    """Motion to edit: a .motion.safetensors file, or the name of a bundled motion (see animate --help)."""
    append: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Motions to append, one after the other."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = dataclasses.field(kw_only=True)
    """Motion file to write, X.motion.safetensors."""
    start: float | None = None
    """Start in s of the part to keep, by default the motion's beginning."""
    end: float | None = None
    """End in s of the part to keep, by default the motion's end."""
    speed: float = 1.0
    """Factor on the motion's speed, 0.1 to 10: 2 is twice as fast."""
    frame_rate: str | None = None
    """Frames per second of the result, such as 30 or 30000/1001; by default the motion's own rate."""
    mirror: bool = False
    """Mirror the motion: swap left and right."""
    amplify_lips: float = 1.0
    """Factor on the motion of mouth and jaw, 0 to 4: 1 keeps it, 0 freezes it as in the reference frame."""
    amplify_eyes: float = 1.0
    """Factor on the motion of lids, gaze and brows, 0 to 4."""
    amplify_head: float = 1.0
    """Factor on the turning and shifting of the head, 0 to 4."""
    blend_with: Path | None = None
    """Motion to blend in frame by frame: a file, or the name of a bundled motion."""
    share: float | None = None
    """Weight of the motion that is blended in, 0 to 1; by default 0.5."""
    axes: Path | None = None
    """JSON file of keyframes to add on named axes, as in {"smile": [[0, 0], [0.5, 1]], "yaw_deg": [[0, 10]]}.
    A keyframe is a time in s and a value."""
    hold_gaze: bool = False
    """Keep the eyes on the camera while the head turns."""
    blinks: float = 0.0
    """Blinks to add, per minute, 0 to 60; people blink about 15 times a minute."""
    seed: int = 0
    """Random seed of the times of the blinks, from 0; the same seed gives the same times."""
    loop: bool = False
    """Make the last frame continue into the first; the motion becomes shorter by the blend."""
    blend_s: float = 0.2
    """Length in s of the blends between appended motions and at the seam of a loop, 0 or more."""

    def run(self) -> None:
        model = load_model()
        paths = [motion_path(path) for path in (self.motion, *self.append)]
        other = None if self.blend_with is None else motion_path(self.blend_with)
        motions = [_read(path, model) for path in paths]
        descriptions = [" + ".join(map(_named, paths))]
        dynamics = concatenate(motions, model, self.blend_s)
        for description, edit in self._steps(model, other):
            dynamics = edit(dynamics)
            descriptions.append(description)
        licences = [str(read_header(path).get("licence") or "unknown") for path in (*paths, other) if path]
        note = MotionNote(licence=" and ".join(dict.fromkeys(licences)), provenance="; ".join(descriptions))
        save_motion(dynamics, self.out, note)
        print(self.out)

    def _steps(self, model: MorphableModel, other: Path | None) -> Iterator[Step]:
        """The requested edits, in their fixed order."""
        if self.start is not None or self.end is not None:
            start_s = self.start or 0.0
            until = "the end" if self.end is None else f"{self.end:g} s"
            yield f"cut from {start_s:g} s to {until}", lambda d: cut(d, start_s, self.end)
        if self.speed != 1.0 or self.frame_rate is not None:
            rate = None if self.frame_rate is None else _rate_of(self.frame_rate)
            description = f"speed {self.speed:g}" + ("" if rate is None else f" at {rate} frames/s")
            yield description, lambda d: retime(d, model, self.speed, frame_rate=rate)
        if self.mirror:
            yield "mirrored", lambda d: mirror(d, model)
        lips, eyes, head = self.amplify_lips, self.amplify_eyes, self.amplify_head
        if (lips, eyes, head) != (1.0, 1.0, 1.0):
            description = f"amplified: lips {lips:g}, eyes {eyes:g}, head {head:g}"
            yield description, lambda d: amplify(d, model, lips=lips, eyes=eyes, head=head)
        if self.share is not None and other is None:
            raise ConfigError("--share is given without a motion to blend in; name one with --blend-with")
        if other is not None:
            mixed_in, share = _read(other, model), 0.5 if self.share is None else self.share
            description = f"a share of {share:g} of {_named(other)}"
            yield description, lambda d: blend(d, mixed_in, share, model)
        if self.axes is not None:
            tracks = load_tracks(self.axes, model)
            yield f"axes of {self.axes.name}: {', '.join(tracks)}", lambda d: with_axes(d, model, tracks)
        if self.hold_gaze:
            yield "gaze held", lambda d: hold_gaze(d, model)
        if self.blinks != 0.0:
            description = f"{self.blinks:g} blinks a minute, seed {self.seed}"
            yield description, lambda d: add_blinks(d, model, self.blinks, self.seed)
        if self.loop:
            yield f"looped over {self.blend_s:g} s", lambda d: loop(d, self.blend_s)


def _read(path: Path, model: MorphableModel) -> Dynamics:
    if not is_motion_file(path):
        raise ConfigError(
            f"{path} is not a motion: expected a name that ends in {SUFFIX} or one of {', '.join(bundled_motions())}; "
            "faceanime reconstruct makes a motion file of a video"
        )
    return load_motion_of(path, model)


def _named(path: Path) -> str:
    """The name of a motion's file with its own provenance, for the header of the edited one."""
    source = read_header(path).get("provenance")
    return f"{path.name} ({source})" if source else path.name


def _rate_of(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"frame-rate is {text}, expected a number such as 25 or 30000/1001") from None
