"""Recognizers: faces are aligned as each network needs them, and people are distinguished."""

import csv
import itertools
import sys
from collections import defaultdict
from pathlib import Path

import dlib
import numpy as np
import onnx
import pytest
from faces import astronaut, moved
from jaxtyping import TypeCheckError
from onnx import TensorProto, helper

from faceanime.core.errors import ShapeError, WeightsError
from faceanime.face.detect import MediapipeDetector
from faceanime.face.found import FoundFaces
from faceanime.face.identity import (
    DlibIdentity,
    IdentityNetwork,
    OnnxIdentity,
    cosine_similarity,
    is_same_person,
)
from faceanime.media.image import read_image
from faceanime.structures.landmarks import Landmarks

DLIB_POINTS = [263, 362, 33, 133, 2]


@pytest.fixture(scope="module")
def recogniser() -> DlibIdentity:
    return DlibIdentity()


@pytest.fixture(scope="module")
def detector() -> MediapipeDetector:
    return MediapipeDetector()


@pytest.fixture(scope="module")
def landmarks(detector: MediapipeDetector) -> Landmarks:
    return detector.detect(astronaut())[0]


def five_of(path: Path) -> Path:
    """A network whose vector is the color of the five pixels where ArcFace has its points."""
    rows, columns = np.array([[51, 38], [51, 73], [71, 56], [92, 41], [92, 70]]).T
    places = np.stack([rows, columns], axis=-1)[None].astype(np.int64)
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[2, 3, 0, 1]),  # H W N C
        helper.make_node("GatherND", ["t", "places"], ["g"]),  # 1 5 N C
        helper.make_node("Transpose", ["g"], ["p"], perm=[2, 0, 1, 3]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "five",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 15])],
        [onnx.numpy_helper.from_array(places, "places")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def dotted(points: np.ndarray) -> np.ndarray:
    """A black picture with a spot of its own color at each of five points."""
    picture = np.zeros((480, 480, 3), np.uint8)
    y, x = np.mgrid[:480, :480] + 0.5
    for i, point in enumerate(points):
        near = np.hypot(x - point[0], y - point[1]) < 14
        picture[near] = (50 * i + 50, 255 - 50 * i, 10 * i)
    return picture


def test_both_are_identity_networks(tmp_path: Path, recogniser: DlibIdentity) -> None:
    assert isinstance(recogniser, IdentityNetwork)
    assert isinstance(OnnxIdentity(five_of(tmp_path / "five.onnx")), IdentityNetwork)


def test_the_chip_is_that_of_dlib(recogniser: DlibIdentity, landmarks: Landmarks) -> None:
    picture = astronaut()
    whole = np.rint(landmarks.points_image)  # dlib's points are whole numbers
    corners = [dlib.point(int(x), int(y)) for x, y in whole[DLIB_POINTS, :2]]
    shape = dlib.full_object_detection(dlib.rectangle(0, 0, 511, 511), corners)
    expected = dlib.get_face_chip(picture, shape, size=150, padding=0.25).astype(int)
    centered = Landmarks((whole + 0.5).astype(np.float32), 1.0)  # and its px centers, too
    found = recogniser.align(picture, centered)
    assert found.shape == (150, 150, 3)
    assert np.abs(found - expected).mean() < 3.0  # dlib's chip ends at the last px's center, ours at its edge
    vectors = recogniser.embed([found, expected.astype(np.uint8)])
    assert float(cosine_similarity(*vectors)) > 0.998


def test_vectors_are_units_and_one_by_one_the_same(
    recogniser: DlibIdentity, detector: MediapipeDetector, landmarks: Landmarks
) -> None:
    faces = [recogniser.align(p, landmarks) for p in (astronaut(), astronaut()[:, ::-1].copy())]
    vectors = recogniser.embed(faces)
    assert vectors.shape == (2, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(recogniser.embed(faces[:1])[0], vectors[0], atol=1e-5)
    assert cosine_similarity(vectors, vectors).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_the_same_face_elsewhere_is_the_same_person(
    recogniser: DlibIdentity, detector: MediapipeDetector, landmarks: Landmarks
) -> None:
    elsewhere = moved(astronaut(), scale=0.8, x=60.0, y=30.0)
    there = detector.detect(elsewhere)[0]
    a, b = recogniser.embed([recogniser.align(astronaut(), landmarks), recogniser.align(elsewhere, there)])
    assert float(cosine_similarity(a, b)) > 0.98


def test_arcface_points_land_on_its_template(tmp_path: Path) -> None:
    """Right eye, left eye, tip of the nose, right and left corner of the mouth."""
    network = OnnxIdentity(five_of(tmp_path / "five.onnx"))
    spots = np.array(
        [[38.7946, 52.1963], [74.0318, 52.0014], [56.5252, 72.2366], [42.0493, 92.8655], [71.2299, 92.7041]]
    )
    places = 3.0 * spots + [40.0, 60.0]
    points = np.zeros((478, 3), np.float32)
    for group, place in zip(([33, 133], [362, 263], [4], [61], [291]), places, strict=True):
        points[group, :2] = place
    points[[33, 362], 0] -= 12.0  # the corners lie to both sides of the eye's middle
    points[[133, 263], 0] += 12.0
    face = network.align(dotted(places), Landmarks(points, 1.0))
    assert face.shape == (112, 112, 3)
    colors = np.array([[50 * i + 50, 255 - 50 * i, 10 * i] for i in range(5)]) / 127.5 - 1.0
    for channels, expected in (("rgb", colors), ("bgr", colors[:, ::-1])):
        (vector,) = OnnxIdentity(tmp_path / "five.onnx", channels).embed([face])  # type: ignore[arg-type]
        np.testing.assert_allclose(vector, expected.ravel() / np.linalg.norm(expected), atol=1e-3)


def test_a_network_of_another_size_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph(
        [node], "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 96, 96])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    )  # fmt: skip
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    with pytest.raises(WeightsError, match=r"takes \(N, 3, 96, 96\).*, expected \(N, 3, 112, 112\)"):
        OnnxIdentity(path)


def test_faces_must_be_aligned(recogniser: DlibIdentity) -> None:
    with pytest.raises((ShapeError, TypeCheckError)):  # the second where the tests' type checker comes first
        recogniser.embed([np.zeros((112, 112, 3), np.uint8)])


def test_cosine_similarity_of_known_vectors() -> None:
    a = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    b = np.array([[1.0, 0.0], [0.0, -1.0], [0.8, -0.6]])
    np.testing.assert_allclose(cosine_similarity(a, b), [1.0, -1.0, 0.0], atol=1e-12)


@pytest.mark.data
def test_people_are_told_apart(data_dir: Path, recogniser: DlibIdentity, detector: MediapipeDetector) -> None:
    """Two pictures, neutral and smiling, of each of twelve people."""
    pictures: dict[str, list[str]] = defaultdict(list)
    with (data_dir / "portraits.csv").open() as table:
        for row in csv.DictReader(table):
            if row["person"].startswith("london_"):
                pictures[row["person"]].append(row["file"])
    pairs = [files[:2] for files in pictures.values() if len(files) >= 2][:12]
    assert len(pairs) == 12
    faces = []
    for file in itertools.chain(*pairs):
        picture = read_image(data_dir / file)
        faces.append(recogniser.align(picture, detector.detect(picture)[0]))
    vectors = recogniser.embed(faces).reshape(12, 2, 128)
    alike = np.einsum("id,jd->ij", vectors[:, 0], vectors[:, 1])
    same, different = np.diag(alike), alike[~np.eye(12, dtype=bool)]
    assert same.min() > 0.96
    assert different.max() < same.min()
    assert np.median(same) > 0.98
    assert np.median(different) < 0.87


@pytest.mark.parametrize("missing", ["dlib", "face_recognition_models"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # what Python itself writes to forbid an import
    with pytest.raises(WeightsError, match=r'pip install "faceanime\[identity\]"'):
        DlibIdentity()


def test_one_person_is_recognized_in_two_pictures(detector: MediapipeDetector) -> None:
    pictures = [astronaut(), (0.7 * moved(astronaut(), 0.8, 20.0, 10.0)).astype(np.uint8)]
    one, other = (FoundFaces(pixels, tuple(detector.detect(pixels))) for pixels in pictures)
    assert is_same_person(one, other)
    below = one.landmarks.points_image + np.array([0.0, 150.0, 0.0], np.float32)
    elsewhere = FoundFaces(one.pixels, (Landmarks(below, 1.0),))
    assert not is_same_person(one, elsewhere)
