"""What covers a face, and what is no person's face, is told; nothing is told of people."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import astronaut, moved

from coverings import BLACK, BLUE, WHITE, behind_glasses, behind_hand, cartoon, masked
from faceanime.core.errors import UnfitFaceError
from faceanime.dynamics.motion_file import bundled_motion
from faceanime.face.cover import check_face
from faceanime.media.image import read_image
from faceanime.morphable.model import EYES_AND_BROWS, MorphableModel
from faceanime.pipeline import Animator
from faceanime.structures.portrait import Portrait


@pytest.fixture(scope="module")
def animator(model: MorphableModel) -> Animator:
    return Animator(model=model)


@pytest.fixture(scope="module")
def face(animator: Animator) -> Portrait:
    return animator.portrait(astronaut())


@pytest.mark.parametrize("color", [BLUE, WHITE, BLACK], ids=["blue", "white", "black"])
@pytest.mark.parametrize("light", [1.0, 0.45])
def test_a_mask_covers_the_mouth(
    animator: Animator, face: Portrait, color: tuple[int, int, int], light: float
) -> None:
    picture = masked(face.pixels, face.landmarks.points_image, color)
    assert animator.portrait((light * picture).astype(np.uint8)).covered == {"mouth"}


@pytest.mark.parametrize("degrees", [0.0, 50.0, 90.0])
@pytest.mark.parametrize("light", [1.0, 0.45])
def test_a_hand_covers_the_mouth(animator: Animator, face: Portrait, degrees: float, light: float) -> None:
    picture = behind_hand(face.pixels, face.landmarks.points_image, degrees)
    assert animator.portrait((light * picture).astype(np.uint8)).covered == {"mouth"}


def test_lips_less_red_than_the_skin_around_them_are_no_lips(animator: Animator, face: Portrait) -> None:
    """Knuckles in the light before a face in the shade: lighter than it, and less red."""
    lips, pixels = np.zeros(face.pixels.shape[:2], np.uint8), face.pixels.copy()
    outline = face.landmarks.points_image[animator.model.schema.outer_lips, :2]
    cv2.fillPoly(lips, [outline.round().astype(np.int32)], 1)
    pixels[lips > 0] = (226, 208, 190)
    assert animator.portrait(pixels).covered == {"mouth"}


@pytest.mark.parametrize("opacity", [0.8, 0.96])
def test_dark_glasses_cover_the_eyes(animator: Animator, face: Portrait, opacity: float) -> None:
    assert animator.portrait(behind_glasses(face.pixels, face.landmarks.points_image, opacity)).covered == {
        "eyes"
    }


def test_nothing_covers_a_bare_face(
    animator: Animator, face: Portrait, caplog: pytest.LogCaptureFixture
) -> None:
    """In any light, size, sharpness and color that a picture may have."""
    pixels = face.pixels
    grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    sepia = (grey * np.array([1.0, 0.85, 0.65])).astype(np.uint8)
    dim, soft = (0.3 * pixels).astype(np.uint8), cv2.GaussianBlur(pixels, (0, 0), 2.5)
    night = (0.12 * grey).astype(np.uint8)
    for picture in (
        pixels,
        grey,
        sepia,
        dim,
        night,
        soft,
        moved(pixels, 0.5),
        moved(pixels, 1.6, -250.0, -60.0),
    ):
        portrait = animator.portrait(picture)
        assert not portrait.covered
        check_face(portrait, animator.model, "a picture")
    assert not caplog.records


def test_what_is_covered_is_held_still_and_said(
    animator: Animator, face: Portrait, caplog: pytest.LogCaptureFixture
) -> None:
    portrait = animator.portrait(masked(face.pixels, face.landmarks.points_image), "me.jpg")
    assert [r.getMessage() for r in caplog.records] == ["something covers the mouth in me.jpg: held still"]
    moved, whole = (
        animator.retarget(each, bundled_motion("talk"))
        for each in (portrait, replace(portrait, covered=frozenset()))
    )
    own, eyes = portrait.face.coefficients.expression, np.isin(animator.model.part, EYES_AND_BROWS)
    assert (moved.expression[:, ~eyes] == own[~eyes]).all()
    assert np.abs(moved.expression[:, eyes] - own[eyes]).max() > 1.0, "eyes still blink"
    assert np.abs(whole.expression[:, ~eyes] - own[~eyes]).max() > 1.0
    np.testing.assert_array_equal(moved.pose.rotation, whole.pose.rotation)
    glasses = replace(portrait, covered=frozenset({"eyes"}))
    assert (animator.retarget(glasses, bundled_motion("talk")).expression[:, eyes] == own[eyes]).all()


def test_a_cartoon_with_large_eyes_is_refused(animator: Animator) -> None:
    with pytest.raises(UnfitFaceError, match=r"the face in it\.png .* eyes are larger .*; try force"):
        animator.portrait(cartoon(), "it.png")
    assert not animator.portrait(cartoon(), "it.png", force=True).covered


def test_a_face_that_is_hardly_one_is_doubted(
    animator: Animator, face: Portrait, caplog: pytest.LogCaptureFixture
) -> None:
    doubtful = replace(face, landmarks=replace(face.landmarks, score=0.7))
    check_face(doubtful, animator.model, "it.png")
    assert "found with a low score (0.70)" in caplog.text


@pytest.mark.data
def test_given_faults_are_told(animator: Animator, data_dir: Path) -> None:
    mask = animator.portrait(read_image(data_dir / "faults/surgical_mask.png"))
    assert mask.covered == {"mouth"}
    with pytest.raises(UnfitFaceError):
        animator.portrait(data_dir / "faults/large_eyed_cartoon.png")
