"""Export of textured 3D faces: Wavefront .obj and binary glTF .glb."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from PIL import Image

from faceanime.core.errors import OutputError, ShapeError, check_shape
from faceanime.core.files import atomic_output
from faceanime.structures.frames import Pixels

MATERIAL = "newmtl face\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n"
"""The .mtl file: a matt material with a texture."""


def write_mesh(
    path: Path,
    vertices: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    triangles: Integer[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "V 2"],
    texture: Pixels,
) -> None:
    """Write a textured mesh with normals as .obj (with .mtl and .png beside it) or .glb, completely or not at all.

    `vertices` (V,3) in model space; `normals` (V,3), of unit length, point outward; `triangles` (F,3) indices,
    counter-clockwise seen from outside; `uv` (V,2) in [0, 1] with v up; `texture` (H,W,3) uint8 sRGB, its first row at
    v = 1.

    Raises: OutputError when the suffix is unknown, the file cannot be written, or the extra is missing;
    ShapeError.
    """
    check_shape("vertices", vertices, None, 3)
    check_shape("normals", normals, len(vertices), 3)
    check_shape("triangles", triangles, None, 3)
    check_shape("uv", uv, len(vertices), 2)
    check_shape("texture", texture, None, None, 3)
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(vertices)):
        raise ShapeError(f"triangles must index {len(vertices)} vertices")
    suffix = path.suffix.lower()
    if suffix == ".obj":
        _write_obj(path, vertices, normals, triangles, uv, texture)
    elif suffix == ".glb":
        _write_glb(path, vertices, normals, triangles, uv, texture)
    else:
        raise OutputError(f"cannot write {path}: unknown mesh suffix; use one of .obj, .glb")


def mesh_files(path: Path) -> tuple[Path, ...]:
    """All files that `write_mesh` writes for `path`."""
    if path.suffix.lower() == ".obj":
        return path, path.with_suffix(".mtl"), path.with_suffix(".png")
    return (path,)


def _write_obj(
    path: Path,
    vertices: np.ndarray,
    normals: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    texture: Pixels,
) -> None:
    _, material_path, texture_path = mesh_files(path)
    with ExitStack() as outputs:  # closed in reverse order, so the .obj appears last, after its parts
        obj = outputs.enter_context(atomic_output(path))
        material = outputs.enter_context(atomic_output(material_path))
        picture = outputs.enter_context(atomic_output(texture_path))
        Image.fromarray(texture).save(picture)
        material.write_text(MATERIAL.format(texture=texture_path.name), encoding="utf-8")
        with obj.open("w", encoding="utf-8") as file:
            file.write(f"mtllib {material_path.name}\nusemtl face\n")
            np.savetxt(file, vertices, fmt="v %.7g %.7g %.7g")
            np.savetxt(file, uv, fmt="vt %.7g %.7g")
            np.savetxt(file, normals, fmt="vn %.7g %.7g %.7g")
            corners = np.repeat(triangles + 1, 3, axis=1)  # .obj counts from 1; all three share an index
            np.savetxt(file, corners, fmt="f %d/%d/%d %d/%d/%d %d/%d/%d")


def _write_glb(
    path: Path,
    vertices: np.ndarray,
    normals: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    texture: Pixels,
) -> None:
    try:
        import trimesh
    except ImportError as error:
        raise OutputError(
            f'cannot write {path}: .glb needs an extra; pip install "faceanime[export]"'
        ) from error
    png = io.BytesIO()
    Image.fromarray(texture).save(png, format="PNG")
    material = trimesh.visual.material.PBRMaterial(  # type: ignore[no-untyped-call]  # trimesh is partly untyped
        name="face", baseColorTexture=Image.open(png), metallicFactor=0.0, roughnessFactor=1.0
    )
    mesh = trimesh.Trimesh(
        vertices,
        triangles,
        vertex_normals=normals,
        visual=trimesh.visual.TextureVisuals(  # type: ignore[no-untyped-call]  # as above
            uv=uv, material=material
        ),
        process=False,
    )
    with atomic_output(path) as temporary:
        mesh.export(temporary, file_type="glb", include_normals=True)
