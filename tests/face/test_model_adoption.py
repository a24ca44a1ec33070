"""A foreign model becomes one of ours: its landmarks lie where the face has them, and coefficients mean what they did.

The foreign model is the bundled face on other vertices in another unit, so that the truth is known; ICT-FaceKit and the
Surrey model are read with --data.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from faceanime.core.errors import MorphableModelError
from faceanime.face.config import FitConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.fit import fit_coefficients
from faceanime.face.model_adoption import adopt
from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.formats.kinds import read_raw_model
from faceanime.morphable.formats.raw_model import RawModel
from faceanime.morphable.model import MorphableModel, Part, Region, load_model, save_model
from faceanime.prior.sparse_texture import sparse_skin
from faceanime.structures.coefficients import HeadPose
from foreign_models import NAMES, foreign, without_expressions

EXACT = FitConfig(iterations=60, identity_ridge=1e-9, expression_ridge=1e-9, depth_weight=1.0)


@pytest.fixture(scope="module")
def detector() -> MediapipeDetector:
    return MediapipeDetector()


@pytest.fixture(scope="module")
def raw(model: MorphableModel) -> RawModel:
    return foreign(model)


@pytest.fixture(scope="module")
def adopted(raw: RawModel, detector: MediapipeDetector, model: MorphableModel) -> MorphableModel:
    return adopt(raw, detector, model)


def test_landmarks_are_found_where_the_face_has_them(adopted: MorphableModel, model: MorphableModel) -> None:
    """To 7 % of the eye distance on average: a mask of clay has no brows, no red of lips and no whites of eyes."""
    apart = np.linalg.norm(adopted.landmark_mean - model.landmark_mean, axis=1)
    assert apart.mean() < 0.07
    assert apart[model.schema.lids].mean() < 0.06
    assert apart[model.schema.nose].mean() < 0.07


def test_it_is_in_model_space(adopted: MorphableModel) -> None:
    schema = adopted.schema
    right, left = (adopted.landmark_mean[eye.outer_corner] for eye in schema.eyes)
    assert np.linalg.norm(left - right) == pytest.approx(1.0, abs=1e-6)
    assert left[0] > right[0]
    np.testing.assert_allclose(adopted.landmark_mean[schema.rigid].mean(axis=0), 0.0, atol=1e-6)


def test_lips_of_a_closed_mouth_meet_and_open_eyes_are_open(adopted: MorphableModel) -> None:
    lips, right, left = (
        measure_landmarks(name, adopted.landmark_mean, adopted.schema)
        for name in ("lips_apart", "lids_apart_right", "lids_apart_left")
    )
    assert lips == pytest.approx(0.0, abs=1e-6)
    assert min(right, left) > 0.03


def test_its_vertices_lie_on_the_surface(adopted: MorphableModel, model: MorphableModel) -> None:
    """To 2 % of the eye distance; not the mouth's, whose lips were closed, nor the eyes', which are strips."""
    at_mouth = np.isin(model.triangles, model.schema.mouth).any(axis=1)
    skin = np.unique(adopted.triangles[(adopted.region == Region.SKIN)])
    dense = model.mean[model.triangles].astype(np.float64)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=60)
    cloud = np.einsum("pc,fcx->fpx", weights, dense).reshape(-1, 3)
    mouth = np.einsum("pc,fcx->fpx", weights, dense[at_mouth]).reshape(-1, 3)
    points = adopted.mean[skin].astype(np.float64)
    far_from_mouth = KDTree(mouth).query(points)[0] > 0.1
    assert KDTree(cloud).query(points[far_from_mouth])[0].mean() < 0.02


def test_its_expressions_move_it_as_they_did(adopted: MorphableModel, model: MorphableModel) -> None:
    """The named shapes are axes by their own names, and change the face's measures as the bundled axes do."""
    shapes = {
        "jawOpen": ("jaw_open", "lips_apart"),
        "eyeBlink_L": ("blink_left", "lids_apart_left"),
        "eyeBlink_R": ("blink_right", "lids_apart_right"),
    }
    for named, (axis, measure) in shapes.items():
        here, there = (
            measure_landmarks(measure, m.landmark_expression_basis @ m.axis(name), m.schema)
            for m, name in ((adopted, named), (model, axis))
        )
        assert 0.4 < here / there < 1.6
    assert set(NAMES) <= set(adopted.axis_names)


def test_what_its_own_expressions_cannot_move_is_borrowed(
    adopted: MorphableModel, model: MorphableModel
) -> None:
    """Four shapes open the mouth, but move neither gaze nor brows; the mouth's directions are its own."""
    own = {part: int((adopted.part == part).sum()) for part in Part}
    theirs = {part: int((model.part == part).sum()) for part in Part}
    assert own[Part.RIGHT_BROW] == theirs[Part.RIGHT_BROW]
    assert own[Part.RIGHT_EYE] == theirs[Part.RIGHT_EYE] + 1
    assert own[Part.MOUTH] == 2
    for name in ("gaze_left", "brow_raise", "blink_left"):
        assert np.isfinite(adopted.axis(name)).all()


def test_a_model_without_expressions_gets_all_of_ours(
    raw: RawModel, detector: MediapipeDetector, model: MorphableModel
) -> None:
    shape_only = adopt(without_expressions(raw), detector, model)
    np.testing.assert_array_equal(shape_only.part, model.part)
    np.testing.assert_allclose(
        shape_only.landmark_expression_basis, model.landmark_expression_basis, atol=1e-6
    )


def test_a_blink_of_strength_one_closes_its_eye(adopted: MorphableModel) -> None:
    shut = adopted.landmark_mean + adopted.landmark_expression_basis @ adopted.axis("blink_left")
    assert measure_landmarks("lids_apart_left", shut, adopted.schema) == pytest.approx(0.0, abs=0.02)


def test_synthesize_project_fit_returns_the_coefficients(adopted: MorphableModel) -> None:
    assert_round_trip(adopted)


def assert_round_trip(model: MorphableModel) -> None:
    rng = np.random.default_rng(0)
    identity = rng.normal(0.0, 1.0, model.identity_count)
    expression = rng.normal(0.0, 0.5, (10, model.expression_count))
    pose = HeadPose(
        rotation_from_angles(*np.radians(rng.uniform(-25.0, 25.0, (3, 10)))),
        rng.uniform(80.0, 120.0, 10),
        rng.uniform(100.0, 150.0, (10, 2)),
    )
    landmarks = model.landmarks_of(model.vertices(identity, expression)).astype(np.float64)
    points = project(landmarks, pose)
    fitted = fit_coefficients(points, model, EXACT, pinned=np.ones(10, bool))
    np.testing.assert_allclose(fitted.identity[0], identity, atol=0.3)
    np.testing.assert_allclose(fitted.expression, expression, atol=0.4)
    again = model.landmarks_of(model.vertices(fitted.identity, fitted.expression)).astype(np.float64)
    apart = np.linalg.norm((project(again, fitted.pose) - points)[..., :2], axis=-1) / pose.scale[:, None]
    assert apart.mean() < 1e-3
    assert apart.max() < 1e-2


def test_it_survives_its_file(adopted: MorphableModel, tmp_path: Path) -> None:
    save_model(adopted, tmp_path / "x.safetensors", licence="made by a test")
    again = load_model(tmp_path / "x.safetensors")
    assert again.id == adopted.id
    np.testing.assert_array_equal(again.axes, adopted.axes)


def test_skin_mirrors_skin_and_the_sparse_skin_is_chosen(adopted: MorphableModel) -> None:
    skin = np.unique(adopted.triangles[adopted.region == Region.SKIN])
    assert np.isin(adopted.mirror[skin], skin).all()
    sparse = sparse_skin(adopted, 8)
    assert len(sparse.vertex) == pytest.approx(len(skin) / 8, abs=2)


def test_a_mesh_that_is_no_face_is_refused(
    raw: RawModel, detector: MediapipeDetector, model: MorphableModel
) -> None:
    turned = replace(raw, mean=np.ascontiguousarray(raw.mean * [1.0, -1.0, -1.0]))
    with pytest.raises(MorphableModelError, match="no face is seen on the mean of this face model"):
        adopt(turned, detector, model)


@pytest.mark.data
def test_the_surrey_model_agrees_with_its_own_landmark_table(
    data_dir: Path, detector: MediapipeDetector, model: MorphableModel
) -> None:
    """The table maps 68 landmarks; distances between those that both schemas define alike differ by less than 3 %."""
    folder = data_dir / "morphable" / "surrey"
    raw = read_raw_model("surrey", folder)
    adopted = adopt(raw, detector, model)
    assert_round_trip(adopted)
    lines = (line.split("#")[0].split("=") for line in (folder / "ibug_to_sfm.txt").read_text().splitlines())
    table = {int(a): int(b) for a, b in (pair for pair in lines if len(pair) == 2) if a.strip().isdigit()}
    alike = {9: 152, 28: 168, 30: 5, 37: 33, 40: 133, 43: 362, 46: 263, 49: 61, 52: 0, 55: 291, 58: 17}
    theirs = raw.mean[[table[ibug] for ibug in alike]]
    ours = adopted.landmark_mean[list(alike.values())].astype(np.float64)
    eyes = np.linalg.norm(raw.mean[table[37]] - raw.mean[table[46]])
    apart = [
        abs(np.linalg.norm(theirs[i] - theirs[j]) / eyes - np.linalg.norm(ours[i] - ours[j]))
        for i in range(len(ours))
        for j in range(i)
    ]
    assert np.mean(apart) < 0.03


@pytest.mark.data
def test_ict_facekit_as_the_few_files_that_are_there(
    data_dir: Path, detector: MediapipeDetector, model: MorphableModel, caplog: pytest.LogCaptureFixture
) -> None:
    raw = read_raw_model("ict", data_dir / "morphable" / "ict_facekit")
    assert "holds 7 of ICT-FaceKit's 155 shapes" in caplog.text
    adopted = adopt(raw, detector, model)
    assert {"jawOpen", "eyeBlink_L", "eyeBlink_R", "mouthSmile_L"} <= set(adopted.axis_names)
    assert_round_trip(adopted)
    opened = adopted.landmark_expression_basis @ adopted.axis("jawOpen")
    assert measure_landmarks("lips_apart", opened, adopted.schema) > 0.2
