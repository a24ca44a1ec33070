"""Picture metrics: known answers, independent implementations, and the right order of better and worse."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from jaxtyping import TypeCheckError
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from faceanime.core.errors import ShapeError
from faceanime.evaluate.image_metrics import (
    l1,
    laplacian_energy,
    ms_ssim,
    ms_ssim_by_region,
    psnr,
    ssim,
    ssim_by_region,
)

WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    picture: np.ndarray = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture[:256, 96:352])


def blurred(picture: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px))


def noisy(picture: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def changed(picture: np.ndarray) -> list[np.ndarray]:
    """Noise, blur, a shift, brightness, and another picture."""
    return [
        noisy(picture, 20), blurred(picture, 2), np.roll(picture, 3, axis=1),
        np.clip(picture.astype(int) + 30, 0, 255).astype(np.uint8), 255 - picture,
    ]  # fmt: skip


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.tensor(picture, dtype=torch.float64).permute(2, 0, 1)[None]


def test_the_same_picture_scores_perfect(face: np.ndarray) -> None:
    assert l1(face, face) == 0.0
    assert psnr(face, face) == np.inf
    assert ssim(face, face) == 1.0
    assert ms_ssim(face, face) == 1.0


def test_l1_and_psnr_of_a_mask(face: np.ndarray) -> None:
    other, mask = face.copy(), np.zeros((256, 256), bool)
    mask[10:20, 10:30] = True
    other[mask] = face[mask] ^ 8  # every value differs by 8
    assert l1(face, other, mask) == 8.0
    assert l1(face, other) == pytest.approx(8.0 * 200 / 256**2)
    assert l1(face, other, ~mask) == 0.0
    assert psnr(face, other, mask) == pytest.approx(20 * np.log10(255 / 8), rel=1e-6)
    assert np.isnan(l1(face, other, np.zeros((256, 256), bool)))


def test_psnr_is_that_of_scikit_image(face: np.ndarray) -> None:
    for other in changed(face):
        expected = peak_signal_noise_ratio(face, other)  # type: ignore[no-untyped-call]
        assert psnr(face, other) == pytest.approx(expected, abs=1e-4)


def test_ssim_is_that_of_scikit_image_and_torchmetrics(face: np.ndarray) -> None:
    for other in changed(face):
        mean, full = structural_similarity(  # type: ignore[no-untyped-call]
            face, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            channel_axis=-1, data_range=255, full=True,
        )  # fmt: skip
        assert ssim(face, other) == pytest.approx(mean, abs=1e-5)
        reference = structural_similarity_index_measure(as_tensor(other), as_tensor(face), data_range=255.0)
        whole = np.ones((256, 256), bool)  # torchmetrics counts windows beyond the edge, mirrored
        assert ssim(face, other, whole) == pytest.approx(float(reference), abs=1e-5)
        mask = np.zeros((256, 256), bool)
        mask[40:90, 100:180] = True
        assert ssim(face, other, mask) == pytest.approx(full[mask].mean(), abs=1e-5)


def slow_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The definition in double precision."""
    x, y = a.astype(float), b.astype(float)

    def windowed(values: np.ndarray) -> np.ndarray:
        means = gaussian_filter(values, (1.5, 1.5, 0), truncate=3.5)
        return np.asarray(means[5:-5, 5:-5])

    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if scale:
            rows, columns = x.shape[0] // 2, x.shape[1] // 2
            x, y = (
                v[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3)) for v in (x, y)
            )
        mean_x, mean_y = windowed(x), windowed(y)
        variances = windowed(x * x) - mean_x**2 + windowed(y * y) - mean_y**2
        similarity = (2 * (windowed(x * y) - mean_x * mean_y) + 58.5225) / (variances + 58.5225)
        if scale == 4:
            similarity *= (2 * mean_x * mean_y + 6.5025) / (mean_x**2 + mean_y**2 + 6.5025)
        result *= max(similarity.mean(), 0.0) ** weight
    return result


@pytest.mark.parametrize("size", [256, 177])
def test_ms_ssim_is_its_slow_twin_and_that_of_torchmetrics(face: np.ndarray, size: int) -> None:
    face = face[:size, :size]
    for other in changed(face):
        assert ms_ssim(face, other) == pytest.approx(slow_ms_ssim(face, other), abs=1e-5)
        reference = multiscale_structural_similarity_index_measure(
            as_tensor(other), as_tensor(face), data_range=255.0, normalize="relu"
        )  # which mirrors the edges of the last scale: less than 1/500 apart
        assert ms_ssim(face, other) == pytest.approx(float(reference), abs=2e-3)


def test_structure_by_region_sees_its_region_alone(face: np.ndarray) -> None:
    """Damage elsewhere does not count; damage inside counts as much as the region is small."""
    other = face.copy()
    other[150:220, 150:220] = noisy(face, 40)[150:220, 150:220]
    here, away, nowhere = np.zeros((3, *face.shape[:2]), bool)
    here[160:210, 160:210] = away[:70, :70] = True
    for by_region, whole in ((ssim_by_region, ssim), (ms_ssim_by_region, ms_ssim)):
        values = by_region(face, other, [None, here, away, nowhere])
        assert values[0] == whole(face, other)
        assert values[1] == whole(face, other, here) < values[0] < values[2]
        assert values[2] == pytest.approx(1.0, abs=1e-3)
        assert np.isnan(values[3])
        everywhere = whole(face, other, np.ones(face.shape[:2], bool))
        assert everywhere == pytest.approx(values[0], abs=0.02)  # the windows at the edge are mirrored


def test_flat_bright_pictures_keep_their_structure(face: np.ndarray) -> None:
    """Little contrast far from the middle grey is where single precision would fail first."""
    faint = (250 + face // 64).astype(np.uint8)
    other = (250 + blurred(face, 1) // 64).astype(np.uint8)
    expected = structural_similarity(  # type: ignore[no-untyped-call]
        faint, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        channel_axis=-1, data_range=255,
    )  # fmt: skip
    assert ssim(faint, other) == pytest.approx(expected, abs=1e-4)


def test_worse_pictures_score_worse(face: np.ndarray) -> None:
    for worsen in (noisy, blurred):
        little, much = worsen(face, 2), worsen(face, 6)
        assert 0 < l1(face, little) < l1(face, much)
        assert psnr(face, little) > psnr(face, much)
        assert 1 > ssim(face, little) > ssim(face, much)
        assert 1 > ms_ssim(face, little) > ms_ssim(face, much)


def test_sharpness_falls_with_blur_and_rises_with_noise(face: np.ndarray) -> None:
    sharp = laplacian_energy(face)
    assert laplacian_energy(blurred(face, 1)) < 0.6 * sharp
    assert laplacian_energy(noisy(face, 10)) > 1.2 * sharp


def test_laplacian_energy_of_a_known_picture() -> None:
    spike = np.zeros((9, 9, 3), np.uint8)
    spike[4, 4] = 100  # the Laplacian is -400 there and 100 at its four neighbors
    assert laplacian_energy(spike) == pytest.approx(800 / 81)
    middle = np.zeros((9, 9), bool)
    middle[4, 4] = True
    assert laplacian_energy(spike, middle) == 400.0


def test_pictures_must_fit(face: np.ndarray) -> None:
    for metric in (l1, psnr, ssim, ms_ssim):
        with pytest.raises(WRONG_SHAPE):
            metric(face, face[:200])
    with pytest.raises(WRONG_SHAPE):
        laplacian_energy(face, np.ones((3, 3), bool))
    with pytest.raises(ShapeError, match="176 at least"):
        ms_ssim(face[:175], face[:175])
    with pytest.raises(ShapeError, match="11 at least"):
        ssim(face[:, :10], face[:, :10])
