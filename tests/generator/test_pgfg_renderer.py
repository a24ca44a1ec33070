"""The paper's generator in the pipeline: the portrait stays itself outside of what is painted."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faceanime.core.errors import ConfigError, WeightsError
from faceanime.generator.config import RendererConfig
from faceanime.generator.face_window import face_window
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.generator.pgfg_renderer import PgfgDrawer, PgfgRenderer
from faceanime.geometry.flow import identity_flow
from faceanime.geometry.similarity import apply_affine
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.prior.sparse_texture import model_points
from faceanime.runtime.engine import networks_of
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait

SMALL = PgfgConfig(size_px=64, width=4, widest=8, latent=6)


def network(mask: float, color: float = 0.0) -> Pgfg:
    """One whose mask has these logits everywhere and which paints one grey."""
    torch.manual_seed(0)
    network = Pgfg(SMALL).eval()
    for layer, bias in ((network.decoder.mask, mask), (network.decoder.out, color)):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, bias)
    return network


def drawer_of(portrait: Portrait, model: MorphableModel, network: Pgfg) -> PgfgDrawer:
    drawn_by = networks_of(network.functions())["face"]
    return PgfgRenderer(drawn_by, SMALL.size_px, SMALL.prior_px, SMALL.prior, model).prepare(portrait)


@pytest.fixture(scope="module")
def inside(portrait: Portrait, model: MorphableModel) -> np.ndarray:
    """Mask (H,W) of the portrait's pixels that the window shows."""
    face = portrait.face
    points = model_points(face.coefficients, face.residual, model)
    window = face_window(points, face.coefficients.pose, SMALL.size_px, model)
    places = apply_affine(window.window_from_picture, identity_flow(*portrait.pixels.shape[:2]))
    return ((places > 0) & (places < SMALL.size_px)).all(axis=-1)


def test_outside_the_window_the_portrait_stays_bit_for_bit(
    portrait: Portrait, motion: Dynamics, model: MorphableModel, inside: np.ndarray
) -> None:
    painted = drawer_of(portrait, model, network(200.0)).draw(motion[0], motion.pose[0])
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(painted[~inside], portrait.pixels[~inside])
    middle = painted[inside].reshape(-1, 3)
    assert (np.abs(middle.astype(int) - 128) <= 1).all(axis=1).mean() > 0.7  # the grey that it paints


def test_a_shut_mask_leaves_the_portrait_its_own_pixels(
    portrait: Portrait, motion: Dynamics, model: MorphableModel
) -> None:
    painted = drawer_of(portrait, model, network(-200.0)).draw(motion[0], motion.pose[0])
    np.testing.assert_array_equal(painted, portrait.pixels)


def test_the_target_is_heard(portrait: Portrait, motion: Dynamics, model: MorphableModel) -> None:
    torch.manual_seed(1)
    painter = drawer_of(portrait, model, Pgfg(SMALL).eval())
    one, other = (painter.draw(motion[t], motion.pose[t]) for t in (0, len(motion) // 2))
    assert (one != other).any()
    np.testing.assert_array_equal(one, painter.draw(motion[0], motion.pose[0]))


def test_the_renderer_pgfg_paints(
    tmp_path: Path, portrait: Portrait, motion: Dynamics, model: MorphableModel
) -> None:
    path = tmp_path / "mine.safetensors"
    save_generator(path, network(200.0), model, {})
    animator = Animator(AnimatorConfig(RendererConfig("pgfg", generator=path)), model)
    first = next(animator.render(portrait, motion))
    np.testing.assert_array_equal(
        first, drawer_of(portrait, model, network(200.0)).draw(motion[0], motion.pose[0])
    )


def test_weights_that_are_not_there_or_of_another_kind_are_told(
    tmp_path: Path, portrait: Portrait, motion: Dynamics, model: MorphableModel
) -> None:
    with pytest.raises(ConfigError, match="no weights of renderer pgfg are bundled"):
        next(Animator(AnimatorConfig(RendererConfig("pgfg")), model).render(portrait, motion))
    path = tmp_path / "flow.safetensors"
    save_generator(path, FlowGuided(), model, {})
    with pytest.raises(WeightsError, match="holds a generator of renderer flow, not of pgfg"):
        next(Animator(AnimatorConfig(RendererConfig("pgfg", generator=path)), model).render(portrait, motion))
