"""Perceptual metrics, run on tiny networks whose outputs are known."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from jaxtyping import TypeCheckError
from onnx import TensorProto, helper, numpy_helper
from scipy.linalg import sqrtm

from faceanime.core.errors import ShapeError, WeightsError
from faceanime.evaluate.perceptual_metrics import FidFeatures, FvdFeatures, Lpips, frechet_distance
from faceanime.runtime.network import Network
from faceanime.runtime.onnx_network import OnnxNetwork

Shape = list[int | str]


def written(
    path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, Shape], outputs: dict[str, Shape],
    numbers: dict[str, np.ndarray] | None = None, kind: int = TensorProto.FLOAT,
) -> Path:  # fmt: skip
    """A network file."""
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (numbers or {}).items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def mean_distance(path: Path, batch: int | str = "N", output: Shape | None = None) -> Path:
    """Two pictures' mean absolute difference, (N,1,1,1)."""
    nodes = [
        helper.make_node("Sub", ["a", "b"], ["c"]),
        helper.make_node("Abs", ["c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["e"], axes=[1, 2, 3], keepdims=1),
    ]
    shape: Shape = [batch, 3, "H", "W"]
    return written(path, nodes, {"a": shape, "b": shape}, {"e": output or [batch, 1, 1, 1]})


def mean_color(path: Path, *sizes: int) -> Path:
    """A picture's or clip's mean color, (N,3)."""
    axes = list(range(2, 2 + len(sizes)))
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=0)
    return written(path, [node], {"x": ["N", 3, *sizes]}, {"y": ["N", 3]})


@pytest.fixture
def pictures() -> np.ndarray:
    """More than go through a network at once."""
    return np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize("batch", ["N", 1])
def test_lpips_hands_pictures_over_as_numbers_from_minus_one_to_one(
    tmp_path: Path, pictures: np.ndarray, batch: int | str
) -> None:
    lpips = Lpips(mean_distance(tmp_path / "lpips.onnx", batch))
    others = pictures[::-1].copy()
    expected = np.abs(pictures.astype(float) - others).mean(axis=(1, 2, 3)) / 127.5
    np.testing.assert_allclose(lpips(pictures, others), expected, rtol=1e-5)
    assert (lpips(pictures, pictures) == 0).all()
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    np.testing.assert_allclose(lpips(black, white), 2.0)


def test_arrays_find_their_inputs_by_our_names(tmp_path: Path) -> None:
    shape: Shape = ["N", 2]
    node = helper.make_node("Sub", ["x", "y"], ["z"])
    path = written(tmp_path / "sub.onnx", [node], {"x": shape, "y": shape}, {"z": shape})
    network: Network = OnnxNetwork(path, {"first": (2,), "second": (2,)}, "difference")
    five, three = (np.full((1, 2), number, np.float32) for number in (5, 3))
    outputs = network(second=three, first=five)
    assert {name: array.tolist() for name, array in outputs.items()} == {"difference": [[2.0, 2.0]]}


def test_fid_features_are_of_the_resized_picture(tmp_path: Path, pictures: np.ndarray) -> None:
    features = FidFeatures(mean_color(tmp_path / "fid.onnx", 299, 299))
    flat = np.zeros((2, 40, 50, 3), np.uint8)
    flat[1] = (0, 51, 255)
    np.testing.assert_allclose(features(flat), [[-1, -1, -1], [-1, -0.6, 1]], atol=1e-3)
    expected = pictures.mean(axis=(1, 2)) / 127.5 - 1
    np.testing.assert_allclose(features(pictures), expected, atol=0.02)  # enlarging keeps the mean, about


def test_fvd_features_keep_time_and_color_apart(tmp_path: Path) -> None:
    clips = np.zeros((1, 16, 20, 20, 3), np.uint8)
    clips[0, :4, ..., 2] = 255  # blue in a quarter of the frames
    features = FvdFeatures(mean_color(tmp_path / "fvd.onnx", 16, 224, 224))
    np.testing.assert_allclose(features(clips), [[-1, -1, -0.5]], atol=1e-5)
    with pytest.raises((ShapeError, TypeCheckError)):  # the second where the tests' type checker comes first
        features(clips[:, :8])


def test_weights_in_the_file_are_used(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    weights = np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 3.0]], np.float32)
    path = written(tmp_path / "fid.onnx", nodes, {"x": ["N", 3, 299, 299]}, {"y": ["N", 2]}, {"w": weights})
    white = np.full((1, 299, 299, 3), 255, np.uint8)
    np.testing.assert_allclose(FidFeatures(path)(white), [[2.0, 3.0]], atol=1e-5)


def test_a_wrong_file_gives_one_line(tmp_path: Path, pictures: np.ndarray) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(mean_distance(tmp_path / "whole.onnx").read_bytes()[:100])
    one_input = mean_color(tmp_path / "one.onnx", 299, 299)
    small = mean_color(tmp_path / "small.onnx", 64, 64)
    two_inputs = mean_distance(tmp_path / "two.onnx")
    whole_batch = mean_distance(tmp_path / "batch.onnx", 8)
    double = written(
        tmp_path / "double.onnx",
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)],
        {"x": ["N", 3, 299, 299]}, {"y": ["N", 3]}, kind=TensorProto.DOUBLE,
    )  # fmt: skip
    outputs = written(
        tmp_path / "outputs.onnx",
        [helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])],
        {"x": ["N", 3, 299, 299]}, {"y": ["N", 3, 299, 299], "z": ["N", 3, 299, 299]},
    )  # fmt: skip
    for kind, path, words in (
        (Lpips, tmp_path / "none.onnx", "cannot read .*none.onnx: no such file"),
        (Lpips, tmp_path, "is a directory"),
        (Lpips, damaged, "is damaged or not an ONNX network"),
        (Lpips, one_input, r"takes \(N, 3, 299, 299\).*, expected \(N, 3, any, any\) and"),
        (Lpips, whole_batch, r"takes \(8, 3"),
        (FidFeatures, small, r"takes \(N, 3, 64, 64\).*, expected \(N, 3, 299, 299\)"),
        (FidFeatures, two_inputs, "takes .* and .*, expected"),
        (FidFeatures, double, r"tensor\(double\), expected"),
        (FidFeatures, outputs, r"has 2 outputs \(y, z\), expected one"),
        (FvdFeatures, one_input, r"expected \(N, 3, 16, 224, 224\)"),
    ):
        with pytest.raises(WeightsError, match=words) as caught:
            kind(path)
        assert "\n" not in str(caught.value)


def test_a_wrong_answer_gives_one_line(tmp_path: Path, pictures: np.ndarray) -> None:
    x: dict[str, Shape] = {"x": ["N", 3, 299, 299]}
    maps = written(tmp_path / "maps.onnx", [helper.make_node("Abs", ["x"], ["y"])], x, {"y": x["x"]})
    logarithm = [
        helper.make_node("Log", ["x"], ["l"]),
        helper.make_node("ReduceMean", ["l"], ["y"], axes=[2, 3], keepdims=0),
    ]
    not_finite = written(tmp_path / "nan.onnx", logarithm, x, {"y": ["N", 3]})
    whole = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0, 2, 3], keepdims=0)]
    pooled = written(tmp_path / "pooled.onnx", whole, x, {"y": [3]})
    for path, words in (
        (maps, "expected one vector for each sample"),
        (not_finite, "gave NaN or infinity"),
        (pooled, "for 2 samples, expected float32, one row each"),
    ):
        with pytest.raises(WeightsError, match=words):
            FidFeatures(path)(pictures[:2])
    pair: dict[str, Shape] = {"a": ["N", 3, "H", "W"], "b": ["N", 3, "H", "W"]}
    difference = written(
        tmp_path / "lpips.onnx", [helper.make_node("Sub", ["a", "b"], ["c"])], pair, {"c": pair["a"]}
    )
    with pytest.raises(WeightsError, match="expected one number for each picture"):
        Lpips(difference)(pictures[:2], pictures[:2])


def test_a_network_that_fails_on_a_picture_gives_one_line(tmp_path: Path, pictures: np.ndarray) -> None:
    shape: Shape = ["N", 3, "H", "W"]
    nodes = [
        helper.make_node("Sub", ["a", "b"], ["c"]),
        helper.make_node("Add", ["c", "w"], ["d"]),  # for pictures of 5 px alone
        helper.make_node("ReduceMean", ["d"], ["e"], axes=[1, 2, 3], keepdims=0),
    ]
    path = written(
        tmp_path / "five.onnx",
        nodes,
        {"a": shape, "b": shape},
        {"e": ["N"]},
        {"w": np.zeros((5, 5), np.float32)},
    )
    with pytest.raises(WeightsError, match="cannot be run") as caught:
        Lpips(path)(pictures, pictures)
    assert "\n" not in str(caught.value)


def test_frechet_distance_is_that_of_the_matrix_root() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    b = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 1.0
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = np.real(sqrtm(cov_a @ cov_b))
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_known_gaussians() -> None:
    """A shift counts its square; of variances s^2 and t^2, (s - t)^2 in each direction."""
    rng = np.random.default_rng(2)
    a = rng.normal(size=(400, 8))
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(a, a + 2.0) == pytest.approx(8 * 4.0)
    spread = np.cov(a.T).trace()
    assert frechet_distance(a - a.mean(0), 3.0 * (a - a.mean(0))) == pytest.approx(4.0 * spread)


def test_frechet_distance_of_few_samples_is_finite_and_biased_upward() -> None:
    rng = np.random.default_rng(3)
    few = [frechet_distance(rng.normal(size=(10, 64)), rng.normal(size=(10, 64))) for _ in range(5)]
    many = frechet_distance(rng.normal(size=(2000, 64)), rng.normal(size=(2000, 64)))
    assert np.isfinite(few).all()
    assert min(few) > 10 * many > 0
    with pytest.raises(ShapeError, match="2 or more"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mean_distance(tmp_path / "lpips.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what Python itself writes to forbid an import
    with pytest.raises(WeightsError, match=r'pip install "faceanime\[eval\]"'):
        Lpips(path)
