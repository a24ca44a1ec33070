"""The model is a linear face on a closed, symmetric mesh, and survives its file."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from faceanime.core.errors import MorphableModelError, ShapeError, WeightsError
from faceanime.core.weights import bundled, load_weights, read_header, save_weights
from faceanime.morphable import topology
from faceanime.morphable.model import BUNDLED, KIND, MorphableModel, Region, load_model, save_model

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
    save_weights(path, {"mean": model.mean}, kind=KIND, header={"axis_names": []})
    with pytest.raises(MorphableModelError, match=f"^{path} lacks identity_basis"):
        load_model()
    tensors, header = _saved(model, path)
    save_weights(path, tensors | {"triangles": tensors["triangles"] + 9}, kind=KIND, header=header)
    with pytest.raises(MorphableModelError, match=f"^{path} is damaged: .* outside its "):
        load_model()


def _saved(model: MorphableModel, path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    save_model(model, path)
    return load_weights(path, KIND)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(WeightsError, match="does not exist"):
        load_model(path)
    save_weights(path, {"mean": np.zeros((3, 3))}, kind="motion", header={})
    with pytest.raises(WeightsError, match="expected morphable"):
        load_model(path)
    save_weights(path, {"mean": np.zeros((3, 3))}, kind=KIND, header={"axis_names": []})
    with pytest.raises(MorphableModelError, match="lacks identity_basis"):
        load_model(path)


def test_the_unit_is_the_distance_of_the_outer_eye_corners(model: MorphableModel) -> None:
    assert np.linalg.norm(model.mean[263] - model.mean[33]) == pytest.approx(1.0, abs=5e-3)
    np.testing.assert_allclose(model.mean[list(topology.RIGID)].mean(axis=0), 0.0, atol=5e-3)


def test_the_mirror_map_undoes_itself_and_mirrors_the_mean(model: MorphableModel) -> None:
    np.testing.assert_array_equal(model.mirror[model.mirror], np.arange(len(model.mean)))
    np.testing.assert_allclose(model.mean[model.mirror] * MIRROR_X, model.mean, atol=1e-5)


def test_the_strips_close_the_holes(model: MorphableModel) -> None:
    edges = Counter(
        frozenset((int(t[i]), int(t[i - 1])))
        for t in model.triangles[model.region != Region.RING]
        for i in (0, 1, 2)
    )
    oval = {frozenset((topology.OVAL[i], topology.OVAL[i - 1])) for i in range(len(topology.OVAL))}
    assert {edge for edge, count in edges.items() if count == 1} == oval
    assert max(edges.values()) == 2


def test_the_ring_goes_on_from_the_oval(model: MorphableModel) -> None:
    ring = model.triangles[model.region == Region.RING]
    beyond = set(range(model.landmark_count, len(model.mean)))
    assert set(ring.ravel().tolist()) == beyond | set(topology.OVAL)


def test_every_landmark_of_the_skin_is_used(model: MorphableModel) -> None:
    skin = set(model.triangles[model.region == Region.SKIN].ravel().tolist())
    irises = {*topology.RIGHT_IRIS, *topology.LEFT_IRIS}
    assert skin == set(range(model.landmark_count)) - irises


def test_the_mean_faces_the_viewer(model: MorphableModel) -> None:
    a, b, c = (model.mean[model.triangles[:, i], :2] for i in range(3))
    assert (np.cross(b - a, c - a) >= 0).all()
    assert model.mean[4, 2] > model.mean[33, 2] > model.mean[model.landmark_count :, 2].max()


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


def test_the_ring_is_rigid_under_expressions(model: MorphableModel) -> None:
    assert not model.expression_basis[model.landmark_count :].any()


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
