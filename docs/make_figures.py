"""Make the pictures of the README and of the documentation.

    python docs/make_figures.py MONA_LISA [NAME...]    # hero gallery stages repair limits axes; all without a name

The portraits are in the public domain; docs/figures/README.md says where each comes from. Needs the extra `demo`, and
matplotlib, which carries one of the portraits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import matplotlib
import numpy as np
import skimage.data
from PIL import Image

from faceanime import Animator, AnimatorConfig, Dynamics, Portrait, read_image
from faceanime.dynamics.axis_table import AXIS_TEXTS
from faceanime.dynamics.editing import ease_between, with_axes
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.dynamics.rollout_config import FutureConfig
from faceanime.face.crop import CropConfig, crop_around, crop_pixels
from faceanime.generator.conditions import WindowMaker
from faceanime.generator.config import RendererConfig
from faceanime.generator.windows import WindowName, WindowSizes
from faceanime.geometry.resize import resized
from faceanime.media.contact_sheet import contact_sheet, tile_row
from faceanime.prior.sparse_texture import (
    TextureConfig,
    model_points,
    render_texture,
    sample_texture,
    sparse_skin,
)
from faceanime.render.clay import shade_face
from faceanime.structures.frames import Pixels

FIGURES = Path(__file__).parent / "figures"
HERO = {
    "astronaut": (("look-around", 42), ("talk", 62), ("wink", 21)),
    "hopper": (("look-around", 40), ("nod", 13), ("shake", 13)),
    "mona-lisa": (("smile", 32), ("surprise", 22), ("nod", 13)),
}
"""Moments of bundled motions that each portrait is shown in: motion, frame."""
GALLERY = {
    "astronaut": ("imagined", RetargetConfig()),
    "hopper": ("shake", RetargetConfig(parts="head")),
    "mona-lisa": ("smile", RetargetConfig(eyes=0.0)),
}
"""The motion of each looping picture, and what of it is used."""
IMAGINED = FutureConfig(seconds=4.0, seed=1, style="talk", loop=True, temperature=0.8)
LIMIT_PX = 256
AXIS_PX, AXIS_COLUMNS = 168, 6
"""Side of the pictures of the named axes, and how many are beside each other."""


def main(mona_lisa: Path, names: Sequence[str]) -> None:
    """Make the named figures. Raises SystemExit for a name that is none of `MAKERS`."""
    unknown = [name for name in names if name not in MAKERS]
    if unknown:
        sys.exit(f"no figure is called {unknown[0]}; there are {', '.join(MAKERS)}")
    studio = Studio(Animator(), mona_lisa)
    for name in names or MAKERS:
        MAKERS[name](studio)


@dataclass(frozen=True)
class Studio:
    """An animator and the portraits that we may show."""

    animator: Animator
    mona_lisa: Path
    """The painting; docs/figures/README.md says where to find it."""

    @cached_property
    def portraits(self) -> dict[str, Portrait]:
        """Return the portraits by name, with their faces fitted."""
        sample_data = Path(matplotlib.get_data_path()) / "sample_data"
        pictures = {
            "astronaut": resized(skimage.data.astronaut(), 1024),
            "hopper": read_image(sample_data / "grace_hopper.jpg"),
            "mona-lisa": read_image(self.mona_lisa),
        }
        return {name: self.animator.portrait(pixels, name) for name, pixels in pictures.items()}

    def moment(
        self, portrait: Portrait, motion: Dynamics, frame: int, config: RetargetConfig | None = None
    ) -> Pixels:
        """Return one frame of a motion on a portrait."""
        dynamics = self.animator.retarget(portrait, motion, config)
        return next(self.animator.render(portrait, dynamics, [frame]))


def hero(studio: Studio) -> None:
    """Show each portrait, its 3D face, and three moments of it animated."""
    rows = []
    for name, moments in HERO.items():
        portrait = studio.portraits[name]
        crop = crop_around(portrait.landmarks, CropConfig(size_px=256))
        pictures = [portrait.pixels, clay(studio, portrait, *moments[0])]
        pictures += [studio.moment(portrait, bundled_motion(motion), t) for motion, t in moments]
        rows.append(tile_row([crop_pixels(picture, crop) for picture in pictures], crop.size_px))
    gap = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    save("hero.jpg", np.concatenate([rows[0], gap, rows[1], gap, rows[2]]))


def clay(studio: Studio, portrait: Portrait, motion: str, frame: int) -> Pixels:
    """Return the 3D face of a moment, shaded without texture."""
    model = studio.animator.model
    face = studio.animator.retarget(portrait, bundled_motion(motion))[frame]
    points = model_points(face, portrait.face.residual, model)
    return shade_face(points, model, *portrait.pixels.shape[:2])


def gallery(studio: Studio) -> None:
    """Write a looping WebP of each portrait."""
    animator = studio.animator
    (FIGURES / "gallery").mkdir(parents=True, exist_ok=True)
    for name, (motion, config) in GALLERY.items():
        portrait = studio.portraits[name]
        if motion == "imagined":
            dynamics = animator.clamp(portrait, animator.imagine(portrait, IMAGINED))
        else:
            dynamics = animator.retarget(portrait, bundled_motion(motion), config)
        crop = crop_around(portrait.landmarks, CropConfig(size_px=256))
        frames = [Image.fromarray(crop_pixels(p, crop)) for p in animator.render(portrait, dynamics)]
        first, *others = frames
        first.save(
            FIGURES / "gallery" / f"{name}.webp",
            save_all=True,
            append_images=others,
            duration=round(1000 / dynamics.frame_rate),
            loop=0,
            quality=75,
            method=6,
        )


def stages(studio: Studio) -> None:
    """Show the source, the 3D face, the sparse texture prior and the result: at rest and moved."""
    animator, portrait = studio.animator, studio.portraits["astronaut"]
    skin = sparse_skin(animator.model, TextureConfig().interval)
    texture = sample_texture(portrait.pixels, portrait.face, animator.model, skin)
    crop = crop_around(portrait.landmarks, CropConfig(size_px=240))
    height, width = portrait.pixels.shape[:2]
    motion = bundled_motion("look-around")
    dynamics = animator.retarget(portrait, motion)
    rows = []
    for frame in (0, 42, 90):
        points = model_points(dynamics[frame], portrait.face.residual, animator.model)
        prior = np.rint((render_texture(texture, points, height, width) + 1.0) * 127.5).astype(np.uint8)
        pictures = (
            portrait.pixels,
            clay(studio, portrait, "look-around", frame),
            prior,
            studio.moment(portrait, motion, frame),
        )
        rows.append([crop_pixels(picture, crop) for picture in pictures])
    columns = [list(column) for column in zip(*rows, strict=True)]
    kept = len(texture.vertex)
    labels = ("source", "3D face of the motion", f"prior: the source's skin at {kept} vertices", "result")
    save("stages.jpg", contact_sheet(columns, labels, tile_px=240))


def repair(studio: Studio) -> None:
    """Show mouth and eyes, enlarged, as the geometric renderer draws them and as the networks leave them."""
    portrait = studio.portraits["astronaut"]
    geometric = Studio(Animator(AnimatorConfig(draw=RendererConfig("geometric"))))
    model = studio.animator.model
    maker = WindowMaker(model, WindowSizes(mouth_px=256, eye_px=256))
    shown: tuple[tuple[str, int, WindowName], ...] = (
        ("surprise", 22, "mouth"),
        ("talk", 62, "mouth"),
        ("smile", 24, "mouth"),
        ("wink", 21, "right_eye"),
        ("wink", 21, "left_eye"),
    )
    rows: list[list[Pixels]] = [[], []]
    for name, frame, window in shown:
        motion = bundled_motion(name)
        face = studio.animator.retarget(portrait, motion)[frame]
        points = model_points(face, portrait.face.residual, model)
        seen = replace(maker.windows(points, face.pose)[window], mirrored=False)
        for row, each in zip(rows, (geometric, studio), strict=True):
            row.append(seen.cut(each.moment(portrait, motion, frame)))
    save("repair.jpg", contact_sheet(rows, ("geometric", "flow"), tile_px=200))


@dataclass(frozen=True)
class Limit:
    """A moment that shows a weakness; `side` and `place` are the square that is shown, in sides of the head crop."""

    portrait: str
    motion: str
    frame: int
    config: RetargetConfig = field(default_factory=RetargetConfig)
    side: float = 1.0
    place: tuple[float, float] = (0.5, 0.5)


LIMITS = {
    "far-turn": Limit("astronaut", "look-around", 42, RetargetConfig(head=1.6, yaw_limit_deg=60.0)),
    "hair-on-cheek": Limit("mona-lisa", "look-around", 38),
    "background": Limit("hopper", "look-around", 92, RetargetConfig(head=1.4)),
    "glasses": Limit("hopper", "wink", 22, side=0.5, place=(0.45, 0.45)),
    "drawn-teeth": Limit("hopper", "surprise", 25, RetargetConfig(lips=1.3), 0.4, (0.47, 0.75)),
}


def limits(studio: Studio) -> None:
    """Show portrait and result of each weakness, beside each other."""
    (FIGURES / "limits").mkdir(parents=True, exist_ok=True)
    for name, limit in LIMITS.items():
        portrait = studio.portraits[limit.portrait]
        result = studio.moment(portrait, bundled_motion(limit.motion), limit.frame, limit.config)
        crop = crop_around(portrait.landmarks, CropConfig(size_px=round(LIMIT_PX / limit.side)))
        left, top = (round(crop.size_px * (c - limit.side / 2)) for c in limit.place)
        shown = [
            crop_pixels(picture, crop)[top : top + LIMIT_PX, left : left + LIMIT_PX]
            for picture in (portrait.pixels, result)
        ]
        save(f"limits/{name}.jpg", tile_row(shown, LIMIT_PX))
    portrait = studio.portraits["astronaut"]
    left, top, right, bottom = (round(edge) for edge in portrait.landmarks.box_px)
    cut = np.ascontiguousarray(portrait.pixels[top - 10 : bottom + 170, left - 160 : right + 20])
    tight = studio.animator.portrait(cut)
    result = studio.moment(tight, bundled_motion("look-around"), 42, RetargetConfig(head=1.5))
    save("limits/cut-head.jpg", tile_row([cut, result], LIMIT_PX))


def axes(studio: Studio) -> None:
    """Show a portrait at the upper end of each named axis, and at the lower end of those that have two sides."""
    animator = studio.animator
    portrait = animator.portrait(resized(skimage.data.astronaut(), 640), "astronaut")
    face, model = portrait.face.coefficients, animator.model
    at_rest = ease_between(face, face, Fraction(25), 1, portrait.side_px, model)
    crop = crop_around(portrait.landmarks, CropConfig(enlarge=1.3, raised=0.0, size_px=AXIS_PX))
    shown = [("at rest", portrait.pixels)]
    for name, text in AXIS_TEXTS.items():
        for value in (text.low, text.high) if text.low else (text.high,):
            moved = with_axes(at_rest, model, {name: [(0.0, value)]})
            shown.append((f"{name} {value:g}", next(animator.render(portrait, moved))))
    tiles = [contact_sheet([[crop_pixels(each, crop)]], (label,), tile_px=AXIS_PX) for label, each in shown]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % AXIS_COLUMNS)
    rows = [
        np.concatenate(tiles[first : first + AXIS_COLUMNS], axis=1)
        for first in range(0, len(tiles), AXIS_COLUMNS)
    ]
    save("axes.jpg", np.concatenate(rows))


def save(name: str, pixels: Pixels) -> None:
    """Write a picture as a JPEG that is small enough for a repository."""
    Image.fromarray(pixels).save(FIGURES / name, quality=85, optimize=True)


MAKERS: dict[str, Callable[[Studio], None]] = {
    "hero": hero,
    "gallery": gallery,
    "stages": stages,
    "repair": repair,
    "limits": limits,
    "axes": axes,
}

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(
            "usage: make_figures.py MONA_LISA [NAME...]; docs/figures/README.md says where to find the painting"
        )
    main(Path(sys.argv[1]), sys.argv[2:])
