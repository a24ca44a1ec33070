"""The bundled weights on a real face: small repairs of the mouth, and lids that close."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import skimage.data
import torch

from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.generator.conditions import EYE, LIDS, WindowMaker
from faceanime.generator.config import Quality, RendererConfig
from faceanime.generator.windows import WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.prior.sparse_texture import model_points
from faceanime.train.generator.window_errors import edge_strength


@pytest.mark.parametrize("quality", ["fast", "quality"])
def test_an_opened_mouth_and_closed_lids(quality: Quality, model: MorphableModel) -> None:
    """The geometric renderer leaves a white line between lids that meet; skin and teeth keep their light."""
    astronaut = np.ascontiguousarray(skimage.data.astronaut()[:400, 20:420])  # type: ignore[no-untyped-call]
    animators = [
        Animator(AnimatorConfig(draw), model)
        for draw in (RendererConfig("geometric"), RendererConfig(quality=quality))
    ]
    portrait = animators[0].portrait(astronaut)
    tracks = {name: [(0.0, 0.0), (1.0, 1.0)] for name in ("jaw_open", "blink_right", "blink_left")}
    motion = motion_from_keyframes(tracks, 1.0, Fraction(2), model)
    dynamics = animators[0].retarget(portrait, motion)
    plain, repaired = ([*animator.render(portrait, dynamics)][-1] for animator in animators)

    face, own = dynamics[len(dynamics) - 1], portrait.face
    after, before = (model_points(one, own.residual, model) for one in (face, own.coefficients))
    maker = WindowMaker(model, WindowSizes())
    windows, sources = maker.windows(after, face.pose), maker.windows(before, own.coefficients.pose)
    for name, most in (("mouth", 15.0), ("right_eye", 40.0), ("left_eye", 40.0)):
        conditions = maker.conditions(name, (sources[name], before), (windows[name], after))
        is_open, cuts = conditions.gate > 0.5, [windows[name].cut(picture) for picture in (plain, repaired)]
        old, new = (cut.astype(np.float32) for cut in cuts)
        assert 1.0 < np.abs(new - old)[is_open].mean() < most
        both = torch.from_numpy(np.stack([old, new]) / np.float32(127.5) - 1.0).permute(0, 3, 1, 2)
        edges = [strength[0].numpy()[is_open].sum() for strength in edge_strength(both)]
        assert 0.6 < edges[1] / edges[0] < 1.2
        if name != "mouth":
            eye, lids = (is_open & (conditions.maps[..., part] > 0.5) for part in (EYE, LIDS))
            assert new[eye].mean() < 0.85 * old[eye].mean()
            assert np.abs(new[lids].mean(axis=0) - old[lids].mean(axis=0)).max() < 16.0
