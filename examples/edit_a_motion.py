"""Motions as data: measure one, edit it, keyframe a face, and see it as clay without any portrait.

Run it as a script, or cell by cell in an editor that knows `# %%`. It writes to `out/edit-a-motion` and takes a few
seconds. Nothing in it shows a person.
"""

# %% A motion is arrays: coefficients of the 3D face and the pose of the head, frame by frame.
from fractions import Fraction
from pathlib import Path

import numpy as np

import faceanime
from faceanime.drivers.motion import clay_views
from faceanime.dynamics.editing import motion_from_keyframes, with_axes
from faceanime.morphable.model import load_model

OUT = Path("out/edit-a-motion")
OUT.mkdir(parents=True, exist_ok=True)
model = load_model()
talk = faceanime.motion("talk")
print(talk)
print(f"expression {talk.expression.shape}, rotation {talk.pose.rotation.shape}")

# %% How far is the mouth open? Lips are landmarks 13 and 14; the unit is the distance of the outer eye corners.
shapes = model.vertices(talk.identity, talk.expression)  # (T, V, 3)
lips = model.landmarks_of(shapes)[:, [13, 14], 1]
opening = lips[:, 0] - lips[:, 1]
print(f"the mouth opens up to {opening.max():.2f}, on average {opening.mean():.2f}")

# %% Edit files as `faceanime edit` does: the edits are made in the order of EditConfig's fields.
quick = faceanime.edit("talk", OUT / "quick.motion.safetensors", end=2.0, speed=1.5, blinks=20, seed=1)
print(faceanime.motion(quick))

# %% Or in memory, on named axes: a smile that grows, and the head that turns by 10 degrees.
smiling = with_axes(talk, model, {"smile": [(0, 0), (1, 0.8)], "yaw_deg": [(0, 0), (2, 10)]})
faceanime.save_motion(smiling, OUT / "smiling.motion.safetensors")

# %% Or from nothing: keyframes (time in s, value).
wink = motion_from_keyframes(
    {"blink_left": [(0, 0), (0.4, 1), (0.8, 0)], "smile": [(0, 0), (0.4, 0.5), (0.8, 0)]},
    seconds=1.0,
    frame_rate=Fraction(25),
    model=model,
)
print(wink)

# %% Look at it: the 3D face in clay, every fourth frame beside the one before.
clay = [view() for view in clay_views(wink, model)]
faceanime.write_image(OUT / "wink.png", np.concatenate(clay[::4], axis=1))
print(faceanime.write_video(clay, OUT / "wink.mp4", like=wink))
