"""dlib's recognizer in torch: the same numbers as dlib's own, and something to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from faceanime.core.errors import ShapeError, WeightsError
from faceanime.face.detect import MediapipeDetector
from faceanime.face.identity import DlibIdentity, dlib_alignment, dlib_weights_path
from faceanime.geometry.similarity import invert_affine, warp_image
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.train.generator.recogniser import DlibRecogniser, aligned, warped
from faceanime.train.losses import identity_loss


def astronaut() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def recogniser() -> DlibRecogniser:
    return DlibRecogniser()


def planes(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def unit(features: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(features).numpy()


def test_it_tells_what_dlib_tells(recogniser: DlibRecogniser) -> None:
    """On real faces (Labeled Faces in the Wild, 25 px), a sharp one, and noise."""
    own, landmarks = DlibIdentity(), MediapipeDetector().detect(astronaut())[0]
    grey = (255 * skimage.data.lfw_subset()[:100:10]).clip(0, 255).astype(np.uint8)
    warp = np.array([[6.0, 0.0, 0.0], [0.0, 6.0, 0.0]])
    faces = [warp_image(np.repeat(face[..., None], 3, axis=-1), warp, 150, 150) for face in grey]
    faces.append(own.align(astronaut(), landmarks))
    faces.append(np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8))
    told = unit(recogniser(planes(faces)))
    np.testing.assert_allclose(told, own.embed(faces), atol=2e-6)
    assert told.std(axis=0).max() > 0.02


def test_aligned_is_what_dlib_is_shown(recogniser: DlibRecogniser) -> None:
    picture, landmarks = astronaut(), MediapipeDetector().detect(astronaut())[0]
    to_aligned = dlib_alignment(landmarks.points_image[:, :2].astype(np.float64), MEDIAPIPE)
    seen = aligned(planes([picture]), torch.from_numpy(to_aligned)[None], 150)
    wanted = DlibIdentity().embed([DlibIdentity().align(picture, landmarks)])
    assert (unit(recogniser(seen)) * wanted).sum() > 0.999


def test_warped_is_a_warp_and_its_inverse_undoes_it() -> None:
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)  # (48, 64)
    turn = np.array([[0.8, 0.3, 4.0], [-0.3, 0.8, 9.0]])
    there = warped(planes([picture]), torch.from_numpy(turn)[None], 56)
    wanted = warp_image(picture, turn, 56, 56, "linear", border=(127, 127, 127))
    seen = 127.5 * (there[0].permute(1, 2, 0).numpy() + 1.0)
    assert np.abs(seen - wanted)[4:-4, 4:-4].mean() < 1.0
    back = warped(there, torch.from_numpy(invert_affine(turn))[None], 48)[0, :, 16:32, 16:32]
    assert (back - planes([picture])[0, :, 16:32, 16:32]).abs().mean() < 0.2


def test_the_loss_leads_to_the_face(recogniser: DlibRecogniser) -> None:
    face = DlibIdentity().align(astronaut(), MediapipeDetector().detect(astronaut())[0])
    real = planes([face])
    made = (0.6 * real).requires_grad_()
    losses = []
    for _ in range(20):
        loss = identity_loss(recogniser, made, real)
        (slope,) = torch.autograd.grad(loss, made)
        losses.append(float(loss.detach()))
        made = (made - 0.1 * losses[-1] / slope.norm() ** 2 * slope).detach().requires_grad_()
    assert losses[-1] < 0.7 * losses[0]
    assert not any(parameter.requires_grad for parameter in recogniser.parameters())


def test_other_files_and_shapes_are_told(tmp_path: Path, recogniser: DlibRecogniser) -> None:
    with pytest.raises(WeightsError, match="cannot read"):
        DlibRecogniser(tmp_path / "none.dat")
    (tmp_path / "other.dat").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="holds 0 layers"):
        DlibRecogniser(tmp_path / "other.dat")
    whole = dlib_weights_path().read_bytes()
    (tmp_path / "cut.dat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"cut\.dat"):
        DlibRecogniser(tmp_path / "cut.dat")
    with pytest.raises(ShapeError, match="faces"):
        recogniser(torch.zeros(1, 3, 112, 112))
