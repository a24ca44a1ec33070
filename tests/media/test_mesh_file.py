import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from PIL import Image

from faceanime.core.errors import OutputError, ShapeError
from faceanime.geometry.surface import vertex_normals
from faceanime.media.image import read_image
from faceanime.media.mesh_file import write_mesh

trimesh = pytest.importorskip("trimesh")

WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first
VERTICES = np.array([[0, 0, 0], [1, 0, 0.5], [1, 1, 0], [0, 1, 0.25]], np.float64)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
NORMALS = vertex_normals(VERTICES, TRIANGLES)
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
TEXTURE = np.zeros((8, 16, 3), np.uint8)
TEXTURE[:4], TEXTURE[4:] = (250, 10, 20), (5, 200, 100)  # red above, green below


def normals_in(path: Path) -> np.ndarray:
    """The normals as the file holds them: trimesh computes its own when it reads."""
    if path.suffix == ".obj":
        return np.array(
            [line.split()[1:] for line in path.read_text().splitlines() if line[:3] == "vn "], float
        )
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    content, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    accessor = content["accessors"][content["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]]
    offset = content["bufferViews"][accessor["bufferView"]]["byteOffset"] + accessor.get("byteOffset", 0)
    return np.frombuffer(binary, np.float32, 3 * accessor["count"], offset).reshape(-1, 3)


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_mesh_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"face{suffix}"
    write_mesh(path, VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)
    mesh = trimesh.load(path, force="mesh", process=False)
    np.testing.assert_allclose(mesh.vertices, VERTICES, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)
    np.testing.assert_allclose(mesh.visual.uv, UV, atol=1e-6)
    np.testing.assert_allclose(normals_in(path), NORMALS, atol=1e-5)
    material = mesh.visual.material
    image = material.baseColorTexture if suffix == ".glb" else material.image
    np.testing.assert_array_equal(np.array(image.convert("RGB")), TEXTURE)
    colors = mesh.visual.to_color().vertex_colors[:, :3]
    assert colors[0].tolist() == [5, 200, 100], "v = 0 is the picture's bottom"
    assert colors[2].tolist() == [250, 10, 20]


def test_obj_names_its_parts_without_a_folder(tmp_path: Path) -> None:
    write_mesh(tmp_path / "face.obj", VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.mtl", "face.obj", "face.png"]
    assert "mtllib face.mtl\n" in (tmp_path / "face.obj").read_text()
    assert "map_Kd face.png\n" in (tmp_path / "face.mtl").read_text()
    np.testing.assert_array_equal(read_image(tmp_path / "face.png"), TEXTURE)


def test_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "face.png").mkdir()
    with pytest.raises(OutputError, match=r"face\.png"):
        write_mesh(tmp_path / "face.obj", VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)
    assert [p.name for p in tmp_path.iterdir()] == ["face.png"]


def test_missing_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(OutputError, match=r'pip install "faceanime\[export\]"'):
        write_mesh(tmp_path / "face.glb", VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)
    write_mesh(tmp_path / "face.obj", VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"use one of \.obj, \.glb"):
        write_mesh(tmp_path / "face.stl", VERTICES, NORMALS, TRIANGLES, UV, TEXTURE)
    with pytest.raises(WRONG_SHAPE):
        write_mesh(tmp_path / "face.obj", VERTICES, NORMALS, TRIANGLES + 1, UV, TEXTURE)
    with pytest.raises(WRONG_SHAPE):
        write_mesh(tmp_path / "face.obj", VERTICES, NORMALS, TRIANGLES, UV[:3], TEXTURE)
    assert not list(tmp_path.iterdir())


def test_large_texture_is_embedded(tmp_path: Path) -> None:
    texture = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    write_mesh(tmp_path / "face.glb", VERTICES, NORMALS, TRIANGLES, UV, texture)
    data = (tmp_path / "face.glb").read_bytes()
    assert data[:4] == b"glTF"
    assert (
        Image.open(tmp_path.joinpath("face.glb").open("rb")) if data[:4] == b"\x89PNG" else b"\x89PNG" in data
    )
