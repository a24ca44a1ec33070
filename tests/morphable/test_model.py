"""The model is a linear face on a closed, symmetric mesh, and survives its file."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from faceanime.core.errors import MorphableModelError, ShapeError, WeightsError
from faceanime.core.weights import bundled, load_weights, read_header, save_weights
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import (
    BUNDLED,
    MORPHABLE_KIND,
    MorphableModel,
    Region,
    fingerprint,
    load_model,
    save_model,
)

MIRROR_X = np.array([-1.0, 1.0, 1.0])
WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_file_keeps_every_bit(model: MorphableModel, tmp_path: Path) -> None:
    header = read_header(bundled(BUNDLED))
    notes = {key: header.get(key, "") for key in ("licence", "provenance")}
    save_model(model, tmp_path / "first.safetensors", **notes)
    again = load_model(tmp_path / "first.safetensors")
    save_model(again, tmp_path / "second.safetensors", **notes)
    assert again.id == model.id
    first, second = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("first", "second"))
    assert first == second == bundled(BUNDLED).read_bytes()


def test_a_file_says_whose_it_is_without_changing_the_model(model: MorphableModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(model, path, licence="CC BY 4.0", provenance="drawn, seed 0")
    assert read_header(path).items() >= {"licence": "CC BY 4.0", "provenance": "drawn, seed 0"}.items()
    assert load_model(path).id == model.id


def test_a_damaged_bundled_file_is_named(
    model: MorphableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "installed.safetensors"
    monkeypatch.setattr("faceanime.morphable.model.bundled", lambda name: path)
    save_weights(path, {"mean": model.mean}, kind=MORPHABLE_KIND, header={"axis_names": []})
    with pytest.raises(MorphableModelError, match=f"^{path} lacks identity_basis"):
        load_model()
    tensors, header = _saved(model, path)
    for name in ("triangles", "landmark_vertex"):
        save_weights(
            path, tensors | {name: tensors[name] + 99}, kind=MORPHABLE_KIND, header=header, version=2
        )
        with pytest.raises(MorphableModelError, match=f"^{path} is damaged: .* expected 0 to "):
            load_model()
    halved = {"landmark_weight": 0.5 * tensors["landmark_weight"]}
    save_weights(path, tensors | halved, kind=MORPHABLE_KIND, header=header, version=2)
    with pytest.raises(MorphableModelError, match=r"add up to 0\.5, expected 1"):
        load_model()


def test_a_file_of_layout_1_gives_the_face_without_its_rings(model: MorphableModel, tmp_path: Path) -> None:
    """There the landmarks were the first vertices, rings of a region of their own came last, and the id was a hash."""
    tensors, header = _saved(model, tmp_path / "model.safetensors")
    del tensors["landmark_vertex"], tensors["landmark_weight"], header["id"], header["landmarks"]
    count, oval = len(model.mean), MEDIAPIPE.oval
    ring = np.arange(count, count + len(oval), dtype=np.int32)
    for name in ("mean", "identity_basis"):
        tensors[name] = np.concatenate([tensors[name], 1.3 * tensors[name][oval]])
    tensors["expression_basis"] = np.concatenate(
        [tensors["expression_basis"], 0.0 * model.expression_basis[oval]]
    )
    tensors["mirror"] = np.concatenate([tensors["mirror"], ring])
    strip = np.stack([oval, np.roll(oval, 1), ring], axis=1).astype(np.int32)
    tensors["triangles"] = np.concatenate([tensors["triangles"], strip])
    tensors["region"] = np.concatenate([tensors["region"], np.full(len(strip), 4, np.int32)])
    save_weights(tmp_path / "old.safetensors", tensors, kind=MORPHABLE_KIND, header=header, version=1)
    read = load_model(tmp_path / "old.safetensors")
    for name in ("mean", "identity_basis", "expression_basis", "triangles", "region", "mirror", "axes"):
        np.testing.assert_array_equal(getattr(read, name), getattr(model, name))
    assert read.id == fingerprint(*(tensors[f] for f in ("mean", "identity_basis", "expression_basis")))
    np.testing.assert_array_equal(read.landmark_mean, model.landmark_mean)


def test_a_model_of_other_landmarks_is_refused(tmp_path: Path, model: MorphableModel) -> None:
    save_model(replace(model, schema=replace(MEDIAPIPE, name="others")), tmp_path / "model.safetensors")
    with pytest.raises(MorphableModelError, match="schema others, expected mediapipe-478"):
        load_model(tmp_path / "model.safetensors")


def _saved(model: MorphableModel, path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    save_model(model, path)
    return load_weights(path, MORPHABLE_KIND, newest=2)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(WeightsError, match="does not exist"):
        load_model(path)
    save_weights(path, {"mean": np.zeros((3, 3))}, kind="motion", header={})
    with pytest.raises(WeightsError, match="expected morphable"):
        load_model(path)
    save_weights(path, {"mean": np.zeros((3, 3))}, kind=MORPHABLE_KIND, header={"axis_names": []})
    with pytest.raises(MorphableModelError, match="lacks identity_basis"):
        load_model(path)


def test_the_unit_is_the_distance_of_the_outer_eye_corners(model: MorphableModel) -> None:
    assert np.linalg.norm(model.mean[263] - model.mean[33]) == pytest.approx(1.0, abs=5e-3)
    np.testing.assert_allclose(model.mean[MEDIAPIPE.rigid].mean(axis=0), 0.0, atol=5e-3)


def test_the_mirror_map_undoes_itself_and_mirrors_the_mean(model: MorphableModel) -> None:
    np.testing.assert_array_equal(model.mirror[model.mirror], np.arange(len(model.mean)))
    np.testing.assert_allclose(model.mean[model.mirror] * MIRROR_X, model.mean, atol=1e-5)


def test_the_strips_close_the_holes(model: MorphableModel) -> None:
    edges = Counter(frozenset((int(t[i]), int(t[i - 1]))) for t in model.triangles for i in (0, 1, 2))
    points = MEDIAPIPE.oval.tolist()
    oval = {frozenset((points[i], points[i - 1])) for i in range(len(points))}
    assert {edge for edge, count in edges.items() if count == 1} == oval
    assert max(edges.values()) == 2


def test_every_landmark_of_the_skin_is_used(model: MorphableModel) -> None:
    skin = set(model.triangles[model.region == Region.SKIN].ravel().tolist())
    irises = {*MEDIAPIPE.right_eye.iris, *MEDIAPIPE.left_eye.iris}
    assert skin == set(range(model.landmark_count)) - irises


def test_the_mean_faces_the_viewer(model: MorphableModel) -> None:
    a, b, c = (model.mean[model.triangles[:, i], :2] for i in range(3))
    assert (np.cross(b - a, c - a) >= 0).all()
    assert (
        model.mean[4, 2] > model.mean[33, 2] > model.mean[[127, 356], 2].max()
    )  # tip of the nose, eye, temples


def test_vertices_are_linear(model: MorphableModel, rng: np.random.Generator) -> None:
    k, e = model.identity_count, model.expression_count
    (a, b), (c, d) = rng.normal(size=(2, k)), rng.normal(size=(2, e))

    def moved(identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        return model.vertices(identity, expression) - model.mean

    np.testing.assert_array_equal(model.vertices(np.zeros(k), np.zeros(e)), model.mean)
    np.testing.assert_allclose(moved(a + 2 * b, c + 2 * d), moved(a, c) + 2 * moved(b, d), atol=2e-6)


def test_vertices_of_many_faces_are_those_of_each(model: MorphableModel, rng: np.random.Generator) -> None:
    identity = rng.normal(size=(3, 4, model.identity_count))
    expression = rng.normal(size=(3, 4, model.expression_count))
    many = model.vertices(identity, expression)
    assert many.shape == (3, 4, *model.mean.shape)
    np.testing.assert_allclose(many[2, 1], model.vertices(identity[2, 1], expression[2, 1]), atol=1e-6)
    shared = model.vertices(identity[0, 0], expression[0])
    np.testing.assert_allclose(shared[3], model.vertices(identity[0, 0], expression[0, 3]), atol=1e-6)


def test_an_unknown_axis_is_named(model: MorphableModel) -> None:
    with pytest.raises(MorphableModelError, match=r"'grin'.*smile"):
        model.axis("grin")


def test_coefficients_of_another_count_are_refused(model: MorphableModel) -> None:
    with pytest.raises(WRONG_SHAPE):
        model.vertices(np.zeros(model.identity_count + 1), np.zeros(model.expression_count))


def test_another_models_numbers_are_refused(model: MorphableModel) -> None:
    model.require(model.id, "the motion")
    with pytest.raises(MorphableModelError, match=r"the motion .* 0123"):
        model.require("0123", "the motion")
