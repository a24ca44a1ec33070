"""What the named axes are: unit, range and a phrase for each, for people who write keyframes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AxisText:
    """An axis in words. Beyond the range results look wrong; it is chosen by eye on the bundled portraits."""

    unit: str
    low: float
    high: float
    phrase: str


def _strength(phrase: str, low: float = 0.0, high: float = 1.0) -> AxisText:
    return AxisText("strength", low, high, phrase)


AXIS_TEXTS: dict[str, AxisText] = {
    "jaw_open": _strength("the jaw drops and the lips part widely"),
    "lips_part": _strength("the lips part a little, the jaw stays", high=1.5),
    "smile": _strength("both mouth corners go up and outward", high=1.5),
    "frown": _strength("both mouth corners go down"),
    "pucker": _strength("the lips draw together and forward, as in a kiss"),
    "stretch": _strength("both mouth corners go outward alone"),
    "blink_right": _strength("the person's right eye closes"),
    "blink_left": _strength("the person's left eye closes"),
    "wide_right": _strength("the person's right eye opens wide"),
    "wide_left": _strength("the person's left eye opens wide"),
    "squint_right": _strength("the person's right eye narrows, its lower lid rises"),
    "squint_left": _strength("the person's left eye narrows, its lower lid rises"),
    "brow_raise": _strength("both brows rise"),
    "brow_lower": _strength("both brows come down"),
    "inner_brow_raise": _strength("the inner ends of the brows rise, as in worry"),
    "gaze_left": _strength("both eyes look to the person's left"),
    "gaze_right": _strength("both eyes look to the person's right"),
    "gaze_up": _strength("both eyes look up"),
    "gaze_down": _strength("both eyes look down"),
    "sneer": _strength("nostrils and upper lip rise"),
    "yaw_deg": AxisText("degrees", -25.0, 25.0, "the head turns; above 0 to the person's left"),
    "pitch_deg": AxisText("degrees", -20.0, 20.0, "the head nods; above 0 down"),
    "roll_deg": AxisText(
        "degrees", -20.0, 20.0, "the head tilts; above 0 toward the person's right shoulder"
    ),
    "shift_x": AxisText("eye distances", -0.4, 0.4, "the head slides; above 0 to the picture's right"),
    "shift_y": AxisText("eye distances", -0.3, 0.3, "the head slides; above 0 down"),
    "scale": AxisText("of its size", -0.2, 0.3, "the head shrinks or grows"),
}
"""The axes of `morphable.axes.AXES` and of `dynamics.editing.HEAD_AXES`. An eye distance is that of the outer corners
of both eyes."""


def axis_lines() -> list[str]:
    """A table of all axes, a line each: name, range with its unit, phrase."""
    width = max(map(len, AXIS_TEXTS))
    ranges = {name: f"{text.low:g} to {text.high:g} {text.unit}" for name, text in AXIS_TEXTS.items()}
    room = max(map(len, ranges.values()))
    return [f"{name:<{width}}  {ranges[name]:<{room}}  {text.phrase}" for name, text in AXIS_TEXTS.items()]
