"""First steps in Python: animate a portrait, look at the 3D face in between, write what you made.

Run it as a script, or cell by cell in an editor that knows `# %%` (VS Code, PyCharm, Spyder, Jupytext). It writes to
`out/first-steps` and takes half a minute. The portrait is NASA's of Eileen Collins, in the public domain, which comes
with scikit-image (`pip install "faceanime[demo]"`).
"""

# %% A portrait: a path, an array or a Pillow image
from pathlib import Path

import numpy as np
import skimage.data

import faceanime

OUT = Path("out/first-steps")
OUT.mkdir(parents=True, exist_ok=True)
astronaut = skimage.data.astronaut()[:320, 64:384]  # head and shoulders, (320, 320, 3) uint8

# %% One line: a portrait, a bundled motion, a file. The options are those of the command.
print(faceanime.animate(astronaut, "nod", OUT / "nod.mp4", head=0.7, size=256))

# %% Step by step. The animator loads its networks once; keep it for all portraits.
animator = faceanime.Animator(faceanime.AnimatorConfig(draw=faceanime.RendererConfig("geometric")))
portrait = animator.portrait(astronaut)
motion = faceanime.motion("talk")
print(portrait)
print(motion)

# %% Retarget the motion to this face; what comes out is arrays, to be changed before they are drawn.
dynamics = animator.retarget(portrait, motion, faceanime.RetargetConfig(lips=1.2))
first = np.zeros(len(dynamics), int)
still_head = dynamics.replaced(pose=dynamics.pose[first])  # the pose of the first frame in all of them

# %% Draw frames one at a time, in constant memory; here only those of the first second.
frames = list(animator.render(portrait, still_head, range(25)))
print(faceanime.write_video(frames, OUT / "talk.mp4", like=motion))
faceanime.write_image(OUT / "talk.png", frames[12])

# %% No driver at all: imagine a motion. Each seed gives another one.
future = faceanime.FutureConfig(seconds=1.0, style="talk", seed=7)
imagined = animator.clamp(portrait, animator.imagine(portrait, future))
print(faceanime.write_video(animator.render(portrait, imagined), OUT / "imagined.mp4", like=imagined))
