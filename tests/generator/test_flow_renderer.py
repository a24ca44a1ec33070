"""Repairing pictures: at rest and outside the gates every bit stays; the pipeline draws with it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from threadpoolctl import threadpool_info

from faceanime.core.errors import ConfigError, WeightsError
from faceanime.core.progress import SilentProgress
from faceanime.core.weights import bundled
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.generator.config import RendererConfig
from faceanime.generator.flow_guided import FAST, FlowGuided, FlowGuidedConfig
from faceanime.generator.flow_renderer import Repairer, WindowNetworks
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.generator.windows import WindowSizes
from faceanime.morphable.axes import sum_of_measures
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.output_options import OutputOptions
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.prior.sparse_texture import model_points, sparse_skin
from faceanime.render.head.sheet import hair_pose
from faceanime.render.mouth.layer import MouthLayer
from faceanime.runtime.engine import networks_of
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from faceanime.structures.portrait import Portrait
from faceanime.structures.raster import Box
from faceanime.workflows import animate_file
from heads import axes_of, fitted, pose_of

REGION = Box(10, 5, 235, 240)


@pytest.fixture(scope="module")
def network() -> FlowGuided:
    """One that paints."""
    torch.manual_seed(0)
    widths = (4, 6, 8, 8, 8)
    made = FlowGuided(FlowGuidedConfig(WindowSizes(64, 32, 64), widths, widths, widths, (4, 4, 4)))
    for net in made.nets.values():
        torch.nn.init.normal_(net.output_layer.weight, std=0.05)
        torch.nn.init.constant_(net.output_layer.bias, 0.3)
    return made.eval()


@pytest.fixture(scope="module")
def lamp() -> FlowGuided:
    """One that paints nothing and makes faces brighter."""
    made = FlowGuided(FlowGuidedConfig(WindowSizes(64, 32, 64)))
    assert made.light.output_layer.bias is not None
    made.light.output_layer.bias.data = torch.tensor([0.6])
    return made.eval()


@pytest.fixture(scope="module")
def repairer(
    picture: np.ndarray, face: FaceCoefficients, model: MorphableModel, network: FlowGuided
) -> Repairer:
    return repairer_of(picture, face, REGION, model, network)


def repairer_of(
    picture: np.ndarray, face: FaceCoefficients, region: Box, model: MorphableModel, network: FlowGuided
) -> Repairer:
    skin = sparse_skin(model, network.config.texture.interval)
    networks = WindowNetworks(networks_of(network.functions()), network.config.windows, skin)
    mouth = mouth_of(picture, face, model)
    return Repairer(picture, fitted(face, model), region, mouth, networks, model)


def mouth_of(picture: np.ndarray, face: FaceCoefficients, model: MorphableModel) -> MouthLayer:
    points = model_points(face, np.zeros(model.mean.shape), model)
    return MouthLayer(picture, fitted(face, model), model, points[:, :2])


def test_at_rest_every_bit_stays(repairer: Repairer, picture: np.ndarray, face: FaceCoefficients) -> None:
    canvas = picture[REGION.slices]
    np.testing.assert_array_equal(repairer.repair(canvas, face), canvas)


def test_mouth_and_lids_change_and_nothing_else(
    repairer: Repairer, picture: np.ndarray, talking: FaceCoefficients, model: MorphableModel
) -> None:
    canvas, target = picture[REGION.slices], talking
    before = canvas.copy()
    repaired = repairer.repair(canvas, target)
    np.testing.assert_array_equal(canvas, before)  # what is given is left alone
    changed = np.argwhere((repaired != canvas).any(axis=-1))[:, ::-1] + 0.5
    points = model_points(target, np.zeros(model.mean.shape), model)[:, :2] - (REGION.left, REGION.top)
    centers = points[[13, 159, 386]]
    near = np.linalg.norm(changed[:, None] - centers, axis=-1)
    assert (np.bincount(near.argmin(axis=1), minlength=3) > 100).all()
    assert near.min(axis=1).max() < 0.6 * float(target.pose.scale)


def test_threads_do_not_disturb_each_other(
    repairer: Repairer, picture: np.ndarray, face: FaceCoefficients, model: MorphableModel
) -> None:
    canvas = picture[REGION.slices]
    targets = [
        FaceCoefficients(face.identity, axes_of(model, jaw_open=0.1 * i, blink_left=0.1 * i), face.pose)
        for i in range(8)
    ]
    once = [repairer.repair(canvas, target) for target in targets]
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda target: repairer.repair(canvas, target), targets))
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("region", [Box(0, 0, 240, 240), REGION])
def test_skin_of_a_turned_head_is_lit(
    picture: np.ndarray, face: FaceCoefficients, model: MorphableModel, lamp: FlowGuided, region: Box
) -> None:
    """Wherever the region lies: all of the skin, by the gain, and neither mouth, eyes nor what is beside the face."""
    expression = axes_of(model, jaw_open=0.8)
    target = FaceCoefficients(face.identity, expression, pose_of(18, -3, 4, scale=70, at=(120, 110)))
    canvas = np.full_like(picture[region.slices], 100)
    repairer = repairer_of(picture, face, region, model, lamp)
    points = model_points(target, np.zeros(model.mean.shape), model)[:, :2] - (region.left, region.top)
    lit = repairer.repair(canvas, target).astype(int)

    def seen(landmark: int) -> list[int]:
        x, y = points[landmark].astype(int)
        return lit[y, x].tolist()

    brighter = np.rint(100.0 * np.exp(0.6 * 0.5 * np.tanh(0.6)))
    np.testing.assert_allclose(seen(195), brighter, atol=2.0)  # the middle of the face
    for landmark in (9, 4, 50, 280, 205, 425):  # forehead, tip of the nose, cheeks
        assert min(seen(landmark)) > 102
    for landmark in (468, 473):
        assert seen(landmark) == [100, 100, 100]
    inside = points[[13, 14]].mean(axis=0).astype(int)
    assert lit[inside[1], inside[0]].tolist() == [100, 100, 100]
    beyond = np.linalg.norm(points[MEDIAPIPE.oval] - points[4], axis=1).max() + 10
    y, x = np.mgrid[: lit.shape[0], : lit.shape[1]]
    assert (lit[np.hypot(x - points[4, 0], y - points[4, 1]) > beyond] == 100).all()
    np.testing.assert_array_equal(repairer.repair(canvas, face), canvas)


def test_a_grey_portrait_is_lit_in_grey(
    picture: np.ndarray, face: FaceCoefficients, model: MorphableModel, lamp: FlowGuided
) -> None:
    grey = np.repeat(picture.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    repairer = repairer_of(grey, face, REGION, model, lamp)
    turned = FaceCoefficients(face.identity, face.expression, pose_of(18, -3, 4, scale=70, at=(120, 110)))
    made = repairer.repair(np.ascontiguousarray(grey[REGION.slices]), turned)
    assert (made != grey[REGION.slices]).any()
    assert np.ptp(made.astype(int), axis=-1).max() == 0


def test_a_grey_portrait_stays_grey(
    picture: np.ndarray,
    face: FaceCoefficients,
    talking: FaceCoefficients,
    model: MorphableModel,
    network: FlowGuided,
) -> None:
    grey = np.repeat(picture.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    repairer = repairer_of(grey, face, REGION, model, network)
    made = repairer.repair(np.ascontiguousarray(grey[REGION.slices]), talking)
    assert (made != grey[REGION.slices]).any()
    assert np.ptp(made.astype(int), axis=-1).max() <= 1


def test_the_pipeline_repairs(
    tmp_path: Path, portrait: Portrait, motion: Dynamics, model: MorphableModel, network: FlowGuided
) -> None:
    path = tmp_path / "generator.safetensors"
    save_generator(path, network, model, {})
    plain, flow = (
        list(Animator(config, model).render(portrait, motion))
        for config in (
            AnimatorConfig(RendererConfig("geometric")),
            AnimatorConfig(RendererConfig("flow", generator=path)),
        )
    )
    np.testing.assert_array_equal(flow[0], portrait.pixels)
    assert 500 < (flow[1] != plain[1]).any(axis=-1).sum() < 0.25 * plain[1][..., 0].size


def test_a_dark_portrait_blinks_as_in_light(model: MorphableModel) -> None:
    """Its shut lids are as much darker than a bright portrait's as it is itself."""
    animator, light, frames = Animator(model=model), 0.25, []
    picture = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    for shown in (picture, (light * picture).astype(np.uint8)):
        portrait = animator.portrait(shown)
        motion = animator.retarget(portrait, bundled_motion("talk"))
        openings = sum_of_measures(
            ["lids_apart_left", "lids_apart_right"], model, motion.identity, motion.expression
        )
        frames.append(next(iter(animator.render(portrait, motion, [int(openings.argmin())]))))
        eye = portrait.landmarks.points_image[model.schema.eyes[0].opening, :2]
    (left, top), (right, bottom) = eye.min(axis=0).astype(int) - 4, eye.max(axis=0).astype(int) + 4
    bright, dark = (frame[top:bottom, left:right].astype(float) for frame in frames)
    assert np.abs(dark - light * bright).mean() < 2.0


def test_some_frames_are_drawn_as_in_the_whole_film(portrait: Portrait, model: MorphableModel) -> None:
    """With their hair, which follows neighboring frames."""
    animator = Animator(AnimatorConfig(RendererConfig("geometric")), model)
    dynamics = animator.retarget(portrait, bundled_motion("shake"))
    whole, some = (
        list(animator.render(portrait, dynamics)),
        list(animator.render(portrait, dynamics, [12, 3])),
    )
    np.testing.assert_array_equal(some, [whole[12], whole[3]])
    drawer, hair = animator.renderer.prepare(portrait), hair_pose(dynamics.pose, dynamics.frame_rate)
    np.testing.assert_array_equal(drawer.draw(dynamics[12], hair[12]), whole[12])
    stiff = drawer.draw(dynamics[12], dynamics[12].pose)
    assert (stiff != whole[12]).any()


def test_the_bundled_weights_belong_to_the_bundled_model(model: MorphableModel) -> None:
    network, header = load_generator(bundled("generator_fast.safetensors"), model)
    assert isinstance(network, FlowGuided)
    assert network.config == FAST
    assert header["step"] > 0


def test_a_generator_that_repairs_nothing_is_refused(
    tmp_path: Path, portrait: Portrait, motion: Dynamics, model: MorphableModel
) -> None:
    path = tmp_path / "generator.safetensors"
    save_generator(path, Pgfg(PgfgConfig(size_px=8, width=2, widest=2, latent=2)), model, {})
    animator = Animator(AnimatorConfig(RendererConfig("flow", generator=path)), model)
    with pytest.raises(WeightsError, match="holds a generator of renderer pgfg, not of flow"):
        next(animator.render(portrait, motion))


def test_two_renderings_that_overlap_give_their_threads_back(
    portrait: Portrait, motion: Dynamics, model: MorphableModel
) -> None:
    """Opened A, B, closed A, B: numpy has as many threads as before."""

    def threads() -> list[int]:
        blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        return [torch.get_num_threads(), *blas]

    torch.set_num_threads(2)
    before = threads()
    animator = Animator(AnimatorConfig(RendererConfig("geometric")), model)
    one, other = animator.render(portrait, motion), animator.render(portrait, motion)
    next(one), next(other)
    one.close()
    assert set(threads()) == {1}
    other.close()
    assert threads() == before


def test_weights_that_do_not_fit_are_told_before_the_driver_is_followed(
    tmp_path: Path, model: MorphableModel
) -> None:
    for name in ("portrait.png", "driving.mp4"):
        (tmp_path / name).write_bytes(b"neither")
    given = tmp_path / "portrait.png", tmp_path / "driving.mp4", tmp_path / "out.mp4"
    missing = Animator(AnimatorConfig(RendererConfig(generator=tmp_path / "none.safetensors")), model)
    with pytest.raises(WeightsError, match=r"none\.safetensors does not exist"):
        animate_file(missing, *given, OutputOptions(), SilentProgress())
    useless = Animator(
        AnimatorConfig(RendererConfig("geometric", generator=bundled("generator_fast.safetensors"))), model
    )
    with pytest.raises(ConfigError, match="the geometric renderer has no networks"):
        animate_file(useless, *given, OutputOptions(), SilentProgress())
