"""`faceanime reconstruct`: a motion file of a video, the neutral face of a picture as a textured mesh."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import trimesh
from filmed import FRAMES, NTSC
from program import Outcome, Program

from coverings import cartoon, masked
from faceanime.core.weights import read_header
from faceanime.dynamics.motion_file import load_motion
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.media.image import read_image, write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics
from faceanime.structures.portrait import Portrait


def test_a_video_becomes_a_motion_that_can_drive(
    program: Program, driving_path: Path, motion: Dynamics, model: MorphableModel, tmp_path: Path
) -> None:
    out = program.makes(tmp_path / "a.motion.safetensors", "reconstruct", driving_path)
    found = load_motion(out)
    assert len(found) == FRAMES
    assert found.frame_rate == NTSC
    assert found.model_id == model.id
    assert found.valid.all()
    turned, told = (angles_from_rotation(each.pose.rotation)[:, 0] for each in (found, motion))
    assert np.corrcoef(turned, told)[0, 1] > 0.95  # the yaw that the video was made with
    assert read_header(out)["provenance"] == f"reconstructed from {driving_path.name}"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_the_same_command_gives_the_same_bytes(program: Program, driving_path: Path, tmp_path: Path) -> None:
    a, b = (
        program.makes(tmp_path / f"{name}.motion.safetensors", "reconstruct", driving_path) for name in "ab"
    )
    assert a.read_bytes() == b.read_bytes()


def test_a_picture_becomes_a_motion_of_one_frame(
    program: Program, portrait_path: Path, tmp_path: Path
) -> None:
    out = program.makes(tmp_path / "a.motion.safetensors", "reconstruct", portrait_path)
    assert len(load_motion(out)) == 1


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_a_picture_becomes_a_textured_face(
    program: Program,
    portrait: Portrait,
    portrait_path: Path,
    astronaut: np.ndarray,
    tmp_path: Path,
    suffix: str,
) -> None:
    out = program.makes(tmp_path / f"face{suffix}", "reconstruct", portrait_path)
    parts = {".obj": ["face.mtl", "face.obj", "face.png"], ".glb": ["face.glb"]}[suffix]
    assert sorted(path.name for path in tmp_path.iterdir()) == parts
    mesh = trimesh.load(out, force="mesh", process=False)
    assert len(mesh.faces) > 800
    assert mesh.vertices[:, 0].min() < 0 < mesh.vertices[:, 0].max()
    nose, chin = mesh.vertices[4], mesh.vertices[152]  # mediapipe's numbers
    assert nose[2] > chin[2], "the nose stands out of the face"
    assert nose[1] > chin[1], "the chin is below"
    assert mesh.face_normals[:, 2].mean() > 0.5, "the triangles look outward"
    material = mesh.visual.material
    texture = material.baseColorTexture if suffix == ".glb" else material.image
    np.testing.assert_array_equal(np.asarray(texture.convert("RGB")), astronaut)
    seen = portrait.landmarks.points_image[: len(mesh.vertices), :2] / astronaut.shape[1::-1]
    places = np.stack([mesh.visual.uv[:, 0], 1.0 - mesh.visual.uv[:, 1]], axis=-1)
    np.testing.assert_allclose(places, seen, atol=0.5 / 320)  # each vertex has the color of its landmark


def test_a_video_gives_the_face_of_its_first_frame(
    program: Program, driving_path: Path, tmp_path: Path
) -> None:
    out = program.makes(tmp_path / "face.glb", "reconstruct", driving_path)
    assert len(trimesh.load(out, force="mesh", process=False).faces) > 800


def test_a_video_that_begins_without_a_face_gives_the_first_face_it_shows(
    program: Program, astronaut: np.ndarray, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "late.mp4", Fraction(5), 320, 320) as writer:
        for pixels in (np.zeros_like(astronaut), np.zeros_like(astronaut), astronaut):
            writer.write(pixels)
    out = program.makes(tmp_path / "face.glb", "reconstruct", tmp_path / "late.mp4")
    assert len(trimesh.load(out, force="mesh", process=False).faces) > 800


def test_a_video_without_a_face_gives_no_mesh(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    with VideoWriter(path, Fraction(5), 64, 64) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    done = program("reconstruct", path, "-o", tmp_path / "face.glb")
    assert done.status == 2
    assert f"no face in the first 10 s of {path}; try " in done.err
    assert [each.name for each in tmp_path.iterdir()] == ["none.mp4"]


@pytest.mark.parametrize("name", ["a.motion.safetensors", "a.obj"])
@pytest.mark.parametrize("kind", ["picture", "video"])
def test_of_several_faces_the_largest_is_reconstructed_and_that_is_said(
    program: Program,
    pair_path: Path,
    tmp_path: Path,
    kind: str,
    name: str,
) -> None:
    source = pair_path if kind == "picture" else tmp_path / "pair.mp4"
    if kind == "video":
        with VideoWriter(source, Fraction(5), 640, 320) as writer:
            writer.write(read_image(pair_path))
    done = program("reconstruct", source, "-o", tmp_path / name)
    warning = f"{source} shows 2 faces: the largest is taken, on the left (--face 1 takes the other)\n"
    assert done == Outcome(0, f"{tmp_path / name}\n", warning)


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_a_face_that_is_covered_or_drawn_becomes_a_mesh_and_that_is_said(
    program: Program, portrait: Portrait, tmp_path: Path, kind: str
) -> None:
    cloth = masked(portrait.pixels, portrait.landmarks.points_image)
    lines = {}
    for name, pixels in {"masked": cloth, "drawn": cartoon()}.items():
        source = tmp_path / f"{name}.{'png' if kind == 'picture' else 'mp4'}"
        if kind == "picture":
            write_image(source, pixels)
        else:
            with VideoWriter(source, Fraction(5), *pixels.shape[1::-1]) as writer:
                writer.write(pixels)
        out = tmp_path / f"{name}.glb"
        done = program("reconstruct", source, "-o", out)
        assert (done.status, done.out) == (0, f"{out}\n")
        lines[name] = done.err.replace(str(source), "it")
    assert lines == {
        "masked": "something covers the mouth in it: the mesh shows it as part of the face\n",
        "drawn": "the face in it is not one that the face model fits: its eyes are larger than a person's; "
        "the mesh may be far from it\n",
    }


def test_the_chosen_face_is_reconstructed(program: Program, pair_path: Path, tmp_path: Path) -> None:
    places = []
    for face in ("0", "1"):
        out = program.makes(tmp_path / f"{face}.motion.safetensors", "reconstruct", pair_path, "--face", face)
        places.append(load_motion(out).pose.translation_px[0, 0])
    assert places[0] < 128 < places[1]  # left half, right half
