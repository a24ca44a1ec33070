"""Transfer the motion of one face to another (arXiv 2105.14678, sec. III-C, and beyond).

The *driver* is a `Dynamics`; its *reference* is the frame that corresponds to the *source*, the face to be moved. The
driver's motion is read as its departure from the reference, so that neither its identity nor its neutral face leaks
into the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from faceanime.core.errors import ConfigError
from faceanime.dynamics.head_motion import UNLIMITED_ROOM, Room, retarget_pose
from faceanime.dynamics.openings import LEAST_OPEN_EYE
from faceanime.dynamics.retarget_config import MovingPart, RetargetConfig
from faceanime.geometry.gaps import nearest_valid
from faceanime.geometry.interpolation import Ramp, smoothstep
from faceanime.morphable.axes import measure_expressions, measure_landmarks, sum_of_measures
from faceanime.morphable.lips import lips_opened_by, openings_along_lips
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics, FaceCoefficients

_MOVING: dict[MovingPart, frozenset[str]] = {
    "all": frozenset({"lips", "eyes", "head"}),
    "expression": frozenset({"lips", "eyes"}),
    "head": frozenset({"head"}),
    "lips": frozenset({"lips"}),
    "eyes": frozenset({"eyes"}),
}
"""The factors that apply for each choice of parts."""


@dataclass(frozen=True)
class _LidRule:
    """Transfer of the closing of the driver's lids, in fractions of the open eye; chosen by eye."""

    ajar: float = 0.08
    """Opening that a landmark detector leaves of a shut eye; it is subtracted, so that shut eyes shut."""
    ajar_below: float = 0.4
    """Opening below which `ajar` is subtracted, more and more toward 0."""
    widest: float = 0.4
    """Largest opening beyond the open eye."""
    shut: Ramp = (0.42, 0.32)
    """Ramp of the narrower of a portrait's eyes, in openings of the mean face: 1 means that it is shut, and opens as
    far as the mean face's. Eyes shut in pictures have 0.1 to 0.3."""
    driver_open: Ramp = (0.02, 0.05)
    """Ramp of the driver's opening at rest, model units: 1 means that its eye is open, so that shut ones open too."""


@dataclass(frozen=True)
class _LipRule:
    """Transfer of the closing of the driver's lips."""

    speaking: Ramp = (0.03, 0.06)
    """Ramp of the range of the driver's opening, model units: 1 means that its mouth opens and closes, so that its
    closing is an event which the portrait must show; 0, that it rests, as the portrait's then does. Chosen by eye."""


_EASE_S = 0.4
"""Time in which a portrait goes from the driver's motion to its own face where the driver shows none, s; chosen by
eye."""
_LIPS, _LIDS = _LipRule(), _LidRule()
_MOUTH_MEASURES = {
    "jaw_open": ("lips_apart",),
    "stretch": ("corner_out_right", "corner_out_left"),
    "frown": ("corner_up_right", "corner_up_left"),
}
"""For each capped sum of measures of the mouth, the axis along which it is reduced."""
_MOUTH_TOLERANCE = 0.05
"""Model units by which a capped measure may be exceeded, since neutral mouths are measured no better. Chosen by eye on
sheets of 20 portraits with 5 drivers (docs/log/training.md, "Smiles on smiles")."""


def retarget(
    source: FaceCoefficients,
    driver: Dynamics,
    model: MorphableModel,
    config: RetargetConfig,
    room: Room = UNLIMITED_ROOM,
    picture_side_px: int | None = None,
) -> Dynamics:
    """The driver's motion on the source's face, in the source's picture.

    `source` is one face, its pose in px of a picture whose longer side is `picture_side_px` (by default as
    long as the driver's). The result has the source's identity and the driver's length, rate and `valid`; it
    shifts no further than `room` allows. Where the driver shows no face, the source's own is held.
    Raises MorphableModelError when the driver belongs to another model, ConfigError when the reference frame does not
    exist.
    """
    model.require(driver.model_id, "the driving motion")
    if config.reference != "auto" and config.reference >= len(driver):
        raise ConfigError(
            f"reference frame {config.reference} does not exist: the driver has {len(driver)} frames"
        )
    rest = reference_face(driver, model, config.reference)
    presence = _presence(driver.valid, float(driver.frame_rate))
    head = config.head if "head" in _MOVING[config.parts] else 0.0
    expression = _retarget_expression(source, driver, rest, model, config)
    return Dynamics(
        identity=source.identity,
        expression=source.expression + presence[:, None] * (expression - source.expression),
        pose=retarget_pose(source.pose, driver.pose, rest.pose, presence, room, config, head),
        frame_rate=driver.frame_rate,
        valid=driver.valid,
        picture_side_px=picture_side_px or driver.picture_side_px,
        model_id=driver.model_id,
    )


def _presence(valid: Bool[np.ndarray, " T"], frame_rate: float) -> Float[np.ndarray, " T"]:
    """1 where the driver shows its face, and 0 far from there: the weight of its motion."""
    if not valid.any():
        return np.zeros(len(valid))
    frames = np.arange(len(valid))
    away_s = np.abs(nearest_valid(valid) - frames) / frame_rate
    return 1.0 - smoothstep(away_s / _EASE_S)


def _retarget_expression(
    source: FaceCoefficients,
    driver: Dynamics,
    rest: FaceCoefficients,
    model: MorphableModel,
    config: RetargetConfig,
) -> Float[np.ndarray, "T K_exp"]:
    base = rest.expression if config.motion == "relative" else source.expression
    moving = _MOVING[config.parts]
    is_eye = np.isin(model.part, EYES_AND_BROWS)
    strength = np.where(is_eye, config.eyes * ("eyes" in moving), config.lips * ("lips" in moving))
    expression = source.expression + strength * (driver.expression - base)
    if config.motion == "relative" and "eyes" in moving and config.eyes != 0.0:
        expression = _transfer_lids(source, driver, rest, expression, model, config)
    if config.rest and "lips" in moving:
        expression = expression - _portraits_own_opening(source, driver, rest, expression, model, config)
    if config.motion == "relative" and "lips" in moving:
        expression = _cap_mouth_measures(source, driver, rest, expression, model, config.lips)
    return np.asarray(expression)


def _portraits_own_opening(
    source: FaceCoefficients,
    driver: Dynamics,
    rest: FaceCoefficients,
    expression: Float[np.ndarray, "T K_exp"],
    model: MorphableModel,
    config: RetargetConfig,
) -> Float[np.ndarray, "*T K_exp"]:
    """The part of the expression by which lips are further open than the driver's, who opens and closes its mouth.

    Openings of lips, in distances of the outer eye corners, are the same in everybody: 0 where they touch. So they are
    transferred as they are, not as a departure, as far as the portrait's mouth is the more open one.
    """
    theirs = openings_along_lips(model, driver.identity, driver.expression)
    own = openings_along_lips(model, source.identity, source.expression)
    weight = min(config.lips, 1.0)
    if config.motion == "absolute":
        now = openings_along_lips(model, source.identity, expression)
        return weight * lips_opened_by(np.maximum(now - np.maximum(theirs, 0.0), 0.0), model)
    at_rest = openings_along_lips(model, driver.identity, rest.expression)
    excess = np.maximum(own - np.maximum(at_rest, 0.0), 0.0)
    widest = np.maximum(theirs.max(axis=-1)[driver.valid], 0.0)
    opened = float(np.ptp(widest)) if len(widest) else 0.0
    weight *= float(smoothstep(opened, *_LIPS.speaking))
    return weight * lips_opened_by(excess, model)


def _cap_mouth_measures(
    source: FaceCoefficients,
    driver: Dynamics,
    rest: FaceCoefficients,
    expression: Float[np.ndarray, "T K_exp"],
    model: MorphableModel,
    strength: float,
) -> Float[np.ndarray, "T K_exp"]:
    """Reduce opening and smile where they exceed the driver's and the source's own: two smiles must not add up.

    The driver's are those of its expression on the mean face. The source's include its identity: of a single picture, a
    part of a smile is taken for identity.
    """
    mean_face = np.zeros(model.identity_count)
    for axis_name, names in _MOUTH_MEASURES.items():
        axis = model.axis(axis_name)
        of_driver = sum_of_measures(names, model, mean_face, driver.expression)
        of_source, of_result = (
            sum_of_measures(names, model, source.identity, faces)
            for faces in (source.expression[None], expression)
        )
        at_rest = sum_of_measures(names, model, mean_face, rest.expression[None])
        reached = at_rest + strength * (of_driver - at_rest)
        excess = np.maximum(of_result - (np.maximum(of_source, reached) + _MOUTH_TOLERANCE), 0.0)
        zero_and_one = sum_of_measures(names, model, mean_face, np.stack([0.0 * axis, axis]))
        expression = expression - (excess / float(np.diff(zero_and_one)[0]))[:, None] * axis
    return np.asarray(expression)


def _transfer_lids(
    source: FaceCoefficients,
    driver: Dynamics,
    rest: FaceCoefficients,
    expression: Float[np.ndarray, "T K_exp"],
    model: MorphableModel,
    config: RetargetConfig,
) -> Float[np.ndarray, "T K_exp"]:
    """Open the source's lids by the same fraction as the driver's: a shut eye shuts eyes of any size.

    With `config.rest`, eyes that the source shows shut are open while the driver's are.
    """
    result = expression
    sides = ("right", "left")
    at_rest = [_lids_apart(side, driver.identity, rest.expression, model) for side in sides]
    own = [_lids_apart(side, source.identity, source.expression, model) for side in sides]
    if config.rest:
        own = _opened_if_shut(own, at_rest, model, config)
    for index, side in enumerate(sides):
        name = f"lids_apart_{side}"
        opening = measure_expressions(name, model, driver.identity, driver.expression)
        change = _lid_change(opening, at_rest[index], config.eyes)
        wanted = own[index] + change * max(own[index], 0.0)
        axis = model.axis(f"blink_{side}")
        per_unit = measure_landmarks(name, model.landmark_expression_basis @ axis, model.schema)
        missing = wanted - measure_expressions(name, model, source.identity, expression)
        result = result + (missing / per_unit)[:, None] * axis
    return np.asarray(result)


def _lids_apart(
    side: str,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, " K_exp"],
    model: MorphableModel,
) -> float:
    return float(measure_expressions(f"lids_apart_{side}", model, identity, expression))


def _opened_if_shut(
    own: list[float], drivers: list[float], model: MorphableModel, config: RetargetConfig
) -> list[float]:
    """The openings of the source's eyes at the driver's rest: its own ones, or the mean face's if one of them is shut.

    The usual opening of the source itself is not known: of one picture, a part of shut lids is taken for identity.
    """
    no_identity, no_expression = np.zeros(model.identity_count), np.zeros(model.expression_count)
    usual = _lids_apart("right", no_identity, no_expression, model)
    weight = smoothstep(min(own) / usual, *_LIDS.shut) * smoothstep(min(drivers), *_LIDS.driver_open)
    weight = min(config.eyes, 1.0) * float(weight)
    return [each + weight * max(usual - each, 0.0) for each in own]


def _lid_change(
    opening: Float[np.ndarray, " T"], reference_opening: float, strength: float
) -> Float[np.ndarray, " T"]:
    """The change of an opening as a fraction of the reference's: 0 at the reference, -1 where the eye is shut."""
    change = (opening - reference_opening) / np.maximum(reference_opening, LEAST_OPEN_EYE)
    below = (-(1.0 - _LIDS.ajar_below) - change) / (_LIDS.ajar_below - _LIDS.ajar)
    change = change - _LIDS.ajar * np.clip(below, 0.0, 1.0)
    return np.clip(strength * change, -1.0, _LIDS.widest)
