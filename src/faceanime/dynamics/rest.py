"""The rest of a motion: the face from which its departures are measured.

It is a frame of the motion (`reference_frame`), unless an edit has moved every frame: a head that is turned throughout
departs from a rest that no frame shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faceanime.dynamics.retarget import Room, retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_frame
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose


def rest_of(motion: Dynamics, model: MorphableModel) -> FaceCoefficients:
    """The face from which a motion's departures are measured: its own `rest`, else that of its reference frame."""
    return motion[reference_frame(motion, model)] if motion.rest is None else motion.rest


def retarget_from_rest(
    source: FaceCoefficients,
    driver: Dynamics,
    model: MorphableModel,
    config: RetargetConfig,
    room: Room,
    picture_side_px: int,
) -> Dynamics:
    """Retarget as `retarget` does, from the driver's own `rest` if it has one and no frame is chosen instead."""
    if driver.rest is None or config.reference != "auto" or config.motion != "relative":
        return retarget(source, driver, model, config, room, picture_side_px)
    last, rest = len(driver), driver.rest
    longer = driver.replaced(
        expression=np.concatenate([driver.expression, rest.expression[None]]),
        pose=HeadPose.concatenate([driver.pose, _sequence(rest.pose)]),
        valid=np.append(driver.valid, driver.valid[-1]),
    )
    config = replace(config, reference=last)
    result = retarget(source, longer, model, config, room, picture_side_px)
    return result.replaced(
        expression=result.expression[:last], pose=result.pose[:last], valid=result.valid[:last]
    )


def _sequence(pose: HeadPose) -> HeadPose:
    """A pose as a sequence of one."""
    return HeadPose(pose.rotation[None], pose.scale[None], pose.translation_px[None])
