"""Pictures as callers have them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceanime.core.errors import MediaError, ShapeError
from faceanime.media.image import read_image, write_image
from faceanime.media.picture_source import check_picture, name_of, read_picture


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def test_a_path_a_name_an_array_and_an_image_give_the_same_picture(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    path = tmp_path / "a.png"
    write_image(str(path), pixels)
    for source in (path, str(path), pixels, Image.fromarray(pixels), Image.open(path)):
        np.testing.assert_array_equal(read_picture(source), pixels)
    np.testing.assert_array_equal(read_image(str(path)), pixels)


@pytest.mark.parametrize("name", ["a.heic", "cut.avif", "cut.gif"])
def test_a_picture_that_ffmpeg_opens_as_well_is_not_called_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    if name == "a.heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
        Image.fromarray(pixels).save(path)
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        words = r"HEIC needs an extra; pip install"
    else:
        Image.fromarray(pixels).save(path)
        path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
        words = "damaged|not a picture"
    with pytest.raises(MediaError, match=words):
        check_picture(path)
        read_picture(path)


def test_a_view_of_an_array_becomes_contiguous(pixels: np.ndarray) -> None:
    read = read_picture(pixels[:, ::-1])
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, pixels[:, ::-1])


def test_grey_and_transparent_arrays_become_rgb(pixels: np.ndarray) -> None:
    grey = pixels[..., 0]
    np.testing.assert_array_equal(read_picture(grey), np.repeat(grey[..., None], 3, axis=2))
    alpha = np.dstack([pixels, np.full(grey.shape, 255, np.uint8)])
    np.testing.assert_array_equal(read_picture(alpha), pixels)
    alpha[..., 3] = 0
    assert (read_picture(alpha) == 255).all()  # transparent: white, as in files


def test_an_image_is_turned_upright_like_a_file(pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = 3  # the camera was upside down
    np.testing.assert_array_equal(read_picture(image), pixels[::-1, ::-1])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "the portrait is an array of float32, expected uint8"),
        (np.zeros((3, 4, 4), np.uint8)[:, :, :2], r"shape \(3, 4, 2\), expected \(height, width, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
    ],
)
def test_other_arrays_are_refused_in_words(source: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        read_picture(source, "the portrait")


def test_an_image_that_is_refused_is_named() -> None:
    with pytest.raises(MediaError, match="the portrait: floating-point pixels"):
        read_picture(Image.fromarray(np.zeros((4, 4), np.float32)), "the portrait")


def test_names_in_messages() -> None:
    assert name_of("me.jpg") == "me.jpg"
    assert name_of(Path("me.jpg")) == "me.jpg"
    assert name_of(np.zeros((2, 2, 3), np.uint8), "the portrait") == "the portrait"
