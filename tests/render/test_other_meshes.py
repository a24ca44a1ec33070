"""The same face on another mesh is fitted and drawn alike: nothing counts on the order or the number of the vertices.

`meshes.relabelled` numbers the vertices anew; `meshes.denser` splits triangles besides, and has landmarks between
vertices. Coefficients mean the same on each of them.
"""

import numpy as np
import pytest

from faceanime.dynamics.blinks import add_blinks
from faceanime.dynamics.gaze import hold_gaze
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.face.anchor import FaceView, pin_to_anchor
from faceanime.face.config import FitConfig
from faceanime.face.fit import fit_face
from faceanime.generator.conditions import WindowMaker
from faceanime.generator.face_window import PriorConfig, draw_prior, face_window
from faceanime.generator.windows import WINDOWS, WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import model_points, sample_texture, sparse_skin
from faceanime.render.clay import shade_face
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.render.head.hair_occlusion import pull_outline_to_hair
from faceanime.structures.coefficients import FaceCoefficients, FittedFace
from faceanime.structures.landmarks import Landmarks
from heads import axes_of, landmarks_of, pose_of
from heads_drawn import draw_portrait, drawn_face, head_matte
from meshes import denser, relabelled

FEW = 2e-3
"""Share of the values that may be rounded to the next level, or lie on the other side of a triangle's edge."""


@pytest.fixture(scope="module", params=[relabelled, denser], ids=["relabelled", "denser"])
def other(model: MorphableModel, request: pytest.FixtureRequest) -> MorphableModel:
    made: MorphableModel = request.param(model, np.random.default_rng(7))
    return made


@pytest.fixture(scope="module")
def picture(model: MorphableModel) -> np.ndarray:
    return draw_portrait(model)


@pytest.fixture(scope="module")
def points(model: MorphableModel) -> np.ndarray:
    """Landmarks of the drawn face as a detector would read them: not quite the model's."""
    exact = landmarks_of(drawn_face(model), model)
    return np.asarray(exact + np.random.default_rng(2).normal(0.0, 0.4, exact.shape))


def fitted_to(points: np.ndarray, picture: np.ndarray, model: MorphableModel) -> FittedFace:
    return pull_outline_to_hair(fit_face(points, model, FitConfig()), picture, head_matte(model), model)


def targets(face: FittedFace, model: MorphableModel) -> list[FaceCoefficients]:
    """The face turned, speaking and blinking; and with its mouth wide open."""
    own = face.coefficients
    speaking = axes_of(model, lips_part=1.0, smile=0.6, blink_left=0.8, blink_right=1.0, gaze_left=0.5)
    return [
        FaceCoefficients(
            own.identity, own.expression + speaking, pose_of(18, 6, -4, scale=98, at=(204, 166))
        ),
        FaceCoefficients(own.identity, own.expression + axes_of(model, jaw_open=0.9), own.pose),
    ]


def assert_alike(here: np.ndarray, there: np.ndarray, step: float) -> None:
    """The same but for roundings: nearly nothing differs by more than `step`."""
    assert here.shape == there.shape
    apart = np.abs(here.astype(np.float64) - there)
    assert (apart > step).mean() < FEW, f"{(apart > step).mean():.2%} differ by more than {step}"


def test_it_is_fitted_alike(
    points: np.ndarray, picture: np.ndarray, model: MorphableModel, other: MorphableModel
) -> None:
    here, there = (fitted_to(points, picture, m) for m in (model, other))
    np.testing.assert_allclose(there.coefficients.identity, here.coefficients.identity, atol=1e-4)
    np.testing.assert_allclose(there.coefficients.expression, here.coefficients.expression, atol=1e-4)
    np.testing.assert_allclose(there.coefficients.pose.rotation, here.coefficients.pose.rotation, atol=1e-6)
    np.testing.assert_allclose(other.landmarks_of(there.residual), here.residual, atol=1e-5)


def test_it_is_drawn_alike(
    points: np.ndarray, picture: np.ndarray, model: MorphableModel, other: MorphableModel
) -> None:
    matte = head_matte(model)
    drawn = []
    for m in (model, other):
        face = fitted_to(points, picture, m)
        renderer = PortraitLayers(picture, face, matte, m, GeometricConfig())
        drawn.append([renderer.render(target) for target in targets(face, m)])
    for here, there in zip(*drawn, strict=True):
        assert (here != picture[: len(here), : here.shape[1]]).any()
        assert_alike(here, there, 1.0)


def test_networks_are_shown_the_same(
    points: np.ndarray, picture: np.ndarray, model: MorphableModel, other: MorphableModel
) -> None:
    """Windows, conditioning maps, gates and heat maps; the texture of the first mesh alone keeps the same vertices."""
    shown = []
    for m in (model, other):
        face, maker = fitted_to(points, picture, m), WindowMaker(m, WindowSizes())
        own = face.coefficients
        target = targets(face, m)[0]
        before, after = (model_points(each, face.residual, m) for each in (own, target))
        texture = sample_texture(picture, face, m, sparse_skin(m, 1))
        window = face_window(after, target.pose, 128, m)
        shown.append([draw_prior(PriorConfig("heat-maps"), window, texture, after, m)])
        old, new = maker.windows(before, own.pose), maker.windows(after, target.pose)
        for name in WINDOWS:
            made = maker.conditions(name, (old[name], before), (new[name], after))
            shown[-1] += [new[name].window_from_picture, made.maps, made.gate]
    for here, there in zip(*shown, strict=True):
        assert_alike(here, there, 2e-3)


def test_clay_is_lit_alike(model: MorphableModel) -> None:
    """Only with the same triangles: finer ones would change the normals."""
    other = relabelled(model, np.random.default_rng(7))
    clay = []
    for m in (model, other):
        face = drawn_face(m)
        clay.append(shade_face(model_points(face, np.zeros_like(m.mean), m), m, 200, 240))
    assert_alike(*clay, 1.0)


def test_a_motion_is_edited_and_retargeted_alike(
    points: np.ndarray, picture: np.ndarray, model: MorphableModel, other: MorphableModel
) -> None:
    made = []
    for m in (model, other):
        motion = add_blinks(hold_gaze(bundled_motion("talk"), m), m, per_minute=20.0)
        made.append(retarget(fitted_to(points, picture, m).coefficients, motion, m, RetargetConfig()))
    np.testing.assert_allclose(made[1].expression, made[0].expression, atol=1e-3)
    np.testing.assert_allclose(made[1].pose.translation_px, made[0].pose.translation_px, atol=1e-3)


def test_landmarks_are_pinned_alike(
    points: np.ndarray, picture: np.ndarray, model: MorphableModel, other: MorphableModel
) -> None:
    rng = np.random.default_rng(5)
    seen = [Landmarks((points + rng.normal(0.0, 1.0, (1, 3))).astype(np.float32), 1.0) for _ in range(3)]
    views = [FaceView.of(picture, landmarks, model.schema) for landmarks in seen]
    here, there = (list(pin_to_anchor(views, m)) for m in (model, other))
    for a, b in zip(here, there, strict=True):
        assert a is not None
        assert b is not None
        assert a.pinned == b.pinned
        np.testing.assert_allclose(b.points_image, a.points_image, atol=0.02)
