"""Make the pictures of README and docs, all from the public-domain astronaut portrait and our own motions.

python docs/make_figures.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage.data

from faceanime.dynamics.motions import bundled_motion
from faceanime.face.crop import CropConfig, crop_around, crop_pixels
from faceanime.generator.conditions import WindowMaker
from faceanime.generator.windows import WindowName, WindowSizes
from faceanime.geometry.resize import resized
from faceanime.media.contact_sheet import contact_sheet, tile_row
from faceanime.media.image import write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.prior.sparse_texture import (
    TextureConfig,
    model_points,
    render_texture,
    sample_texture,
    sparse_skin,
)
from faceanime.render.clay import shade_face
from faceanime.render.renderer import RendererConfig
from faceanime.structures.frames import Pixels
from faceanime.structures.landmarks import CropTransform
from faceanime.structures.portrait import Portrait

FIGURES = Path(__file__).parent / "figures"
SIDE_PX = 320
HERO = (("talk", 62), ("look-around", 42), ("surprise", 22), ("wink", 21))


def main() -> None:
    """Write all figures."""
    FIGURES.mkdir(exist_ok=True)
    animator = Animator()
    portrait = animator.portrait(resized(skimage.data.astronaut(), 1024))
    crop = crop_around(portrait.landmarks, CropConfig(size_px=SIDE_PX))
    shots = [crop_pixels(shot(animator, portrait, name, t), crop) for name, t in HERO]
    write_image(FIGURES / "hero.png", tile_row([crop_pixels(portrait.pixels, crop), *shots], SIDE_PX))
    film(animator, portrait, crop_around(portrait.landmarks, CropConfig(size_px=256)))
    stages(animator, portrait, crop)
    repairs(portrait)


def shot(animator: Animator, portrait: Portrait, name: str, frame: int) -> Pixels:
    """One frame of a bundled motion."""
    dynamics = animator.retarget(portrait, bundled_motion(name))
    return next(animator.render(portrait, dynamics, [frame]))


def film(animator: Animator, portrait: Portrait, crop: CropTransform) -> None:
    """The talk, animated."""
    motion = bundled_motion("talk")
    with VideoWriter(FIGURES / "talk.webp", motion.frame_rate, crop.size_px, crop.size_px, crf=30) as writer:
        for pixels in animator.animate(portrait, motion):
            writer.write(crop_pixels(pixels, crop))


def stages(animator: Animator, portrait: Portrait, crop: CropTransform) -> None:
    """Source, its 3D face, the sparse texture prior, the result: at rest and moved."""
    model, face = animator.model, portrait.face
    texture = sample_texture(portrait.pixels, face, model, sparse_skin(model, TextureConfig().interval))
    height, width = portrait.pixels.shape[:2]
    dynamics = animator.retarget(portrait, bundled_motion("look-around"))
    rows = []
    for frame in (0, 42, 90):
        points = model_points(dynamics[frame], face.residual, model)
        clay = shade_face(points, model, height, width)
        prior = np.rint((render_texture(texture, points, height, width) + 1.0) * 127.5).astype(np.uint8)
        result = next(animator.render(portrait, dynamics, [frame]))
        rows.append([crop_pixels(picture, crop) for picture in (portrait.pixels, clay, prior, result)])
    columns = [list(column) for column in zip(*rows, strict=True)]
    labels = ("source", "3D face of the motion", "prior: the source's skin at 117 vertices", "result")
    write_image(FIGURES / "stages.png", contact_sheet(columns, labels, tile_px=240))


def repairs(portrait: Portrait) -> None:
    """Mouth and eyes, enlarged, by the geometric renderer and repaired."""
    animators = [Animator(AnimatorConfig(RendererConfig(renderer))) for renderer in ("geometric", "flow")]
    model = animators[0].model
    maker = WindowMaker(model, WindowSizes(mouth_px=256, eye_px=256))
    shots: tuple[tuple[str, int, WindowName], ...] = (
        ("surprise", 22, "mouth"),
        ("talk", 62, "mouth"),
        ("smile", 24, "mouth"),
        ("wink", 21, "right_eye"),
        ("wink", 21, "left_eye"),
    )
    rows: list[list[Pixels]] = [[], []]
    for name, frame, window in shots:
        face = animators[0].retarget(portrait, bundled_motion(name))[frame]
        points = model_points(face, portrait.face.residual, model)
        seen = replace(maker.windows(points, face.pose)[window], mirrored=False)
        for row, animator in zip(rows, animators, strict=True):
            row.append(seen.cut(shot(animator, portrait, name, frame)))
    write_image(FIGURES / "repair.png", contact_sheet(rows, ("geometric", "flow"), tile_px=240))


if __name__ == "__main__":
    main()
