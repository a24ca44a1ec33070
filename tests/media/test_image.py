import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from PIL import Image, ImageCms
from recordings import record

from faceanime.core.errors import MediaError, OutputError, ShapeError
from faceanime.media.image import is_image_file, read_image, write_image

WRONG_SHAPE = (ShapeError, TypeCheckError)  # the second where the tests' type checker comes first


def corners(height: int = 24, width: int = 32) -> np.ndarray:
    """Four flat quarters, all different: any turn or flip shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = 200, 40, 90
    pixels[: height // 2, width // 2 :] = 20, 180, 60
    pixels[height // 2 :, : width // 2] = 40, 60, 220
    pixels[height // 2 :, width // 2 :] = 128
    return pixels


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max())


def one_line(error: pytest.ExceptionInfo[MediaError], path: Path) -> bool:
    return "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    ("suffix", "loss"),
    [(".png", 0), (".bmp", 0), (".tif", 0), (".webp", 0), (".jpg", 6), (".avif", 8), (".heic", 8)],
)
def test_reads_common_formats(tmp_path: Path, suffix: str, loss: int) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    lossless = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(corners()).save(path, **lossless)
    pixels = read_image(path)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (24, 32, 3))
    assert np.abs(pixels.astype(int) - corners()).mean() <= loss


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".JPG"])
def test_written_pictures_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, corners())
    assert np.abs(read_image(path).astype(int) - corners()).mean() < 6
    if suffix == ".png":
        np.testing.assert_array_equal(read_image(path), corners())
    if suffix == ".jpg":
        with Image.open(path) as image:
            assert image.layer[0][1:3] == (1, 1), "color at full resolution"


def test_first_frame_of_a_gif(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(tmp_path: Path, orientation: int) -> None:
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a[::-1], 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](corners())
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), corners())


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.dstack([corners(), np.full((24, 32), 255, np.uint8)])
    rgba[:4, :, 3], rgba[4:8, :, 3] = 0, 128
    Image.fromarray(rgba).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert (pixels[:4] == 255).all()
    assert difference(pixels[5, 2], np.array([227, 147, 172])) <= 1
    np.testing.assert_array_equal(pixels[8:], corners()[8:])


def test_palette_with_a_transparent_color(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    pixels = read_image(tmp_path / "a.png")
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [200, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey(tmp_path: Path, mode: str) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    if mode == "I;16":
        Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "a.png")
    else:
        Image.fromarray(ramp).convert(mode, dither=Image.Dither.NONE).save(tmp_path / "a.png")
    expected = np.where(ramp > 127, 255, 0) if mode == "1" else ramp
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.dstack([expected] * 3))


def test_deep_grey_tiff_of_either_byte_order(tmp_path: Path) -> None:
    deep = (np.arange(256).reshape(16, 16) * 257).astype(np.uint16)
    for mode, dtype in (("I;16", "<u2"), ("I;16B", ">u2")):
        image = Image.frombytes(mode, (16, 16), deep.astype(dtype).tobytes())
        image.save(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], deep // 257)


def test_deep_color_png(tmp_path: Path) -> None:
    deep = corners().astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", 32, 24, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert difference(read_image(path), corners()) <= 1


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.fromarray(corners()).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - corners()).mean() < 4


def swapped_profile() -> bytes:
    """An RGB profile that, against sRGB, has the primaries of red and green exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    for index in range(count):
        at = 132 + 12 * index
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("transparent", [False, True])
def test_color_profile_is_converted(tmp_path: Path, transparent: bool) -> None:
    image = Image.fromarray(corners())
    if transparent:
        image.putalpha(255)
    image.save(tmp_path / "a.png", icc_profile=swapped_profile())
    assert difference(read_image(tmp_path / "a.png"), corners()[..., [1, 0, 2]]) <= 2


def test_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(corners()).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), corners())


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_profile_of_another_kind_or_damaged_is_ignored(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(corners()).convert(mode)
    image.save(tmp_path / "plain.tif")
    for profile in (b"nonsense" * 40, swapped_profile()[:300]):
        image.save(tmp_path / "a.tif", icc_profile=profile)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), read_image(tmp_path / "plain.tif"))


def test_grey_picture_with_an_rgb_profile(tmp_path: Path) -> None:
    Image.fromarray(corners()).convert("L").save(tmp_path / "a.png", icc_profile=swapped_profile())
    pixels = read_image(tmp_path / "a.png")
    assert difference(pixels[..., 0], np.array(Image.fromarray(corners()).convert("L"))) <= 2


def test_too_large_is_refused_before_decoding(tmp_path: Path) -> None:
    for name, (width, height) in {"large.png": (12000, 9000), "bomb.png": (60000, 60000)}.items():
        path = tmp_path / name
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
        with pytest.raises(MediaError, match="at most 100 megapixels") as caught:
            read_image(path)
        assert one_line(caught, path)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    for name, words in {
        "empty.jpg": "the file is empty",
        "text.png": "not a picture",
        "folder.jpg": "it is a folder",
        "none.jpg": "no such file",
        "b.heic": r"pip install|not a picture|damaged",
    }.items():
        with pytest.raises(MediaError, match=words) as caught:
            read_image(tmp_path / name)
        assert one_line(caught, tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about TIFF tags
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif", ".bmp", ".avif"])
def test_damaged_pictures_give_a_media_error_or_a_picture(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format=Image.registered_extensions()[suffix])
    whole, path = buffer.getvalue(), tmp_path / f"a{suffix}"
    for cut in (0.02, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * cut)])
        with pytest.raises(MediaError) as caught:
            read_image(path)
        assert one_line(caught, path)
    rng = np.random.default_rng(2)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 200), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(MediaError):  # which it may be, and nothing else
            read_image(path)


def test_unknown_suffix_and_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"use one of \.png"):
        write_image(tmp_path / "a.xyz", corners())
    with pytest.raises(WRONG_SHAPE):
        write_image(tmp_path / "a.png", corners()[..., 0])
    assert not list(tmp_path.iterdir())


def test_kinds_of_files(tmp_path: Path) -> None:
    still = Image.fromarray(corners())
    for name in ("a.png", "a.jpg", "a.gif", "a.webp"):
        still.save(tmp_path / name)
        assert is_image_file(tmp_path / name)
    for name in ("b.gif", "b.webp", "b.png"):
        still.save(tmp_path / name, save_all=True, append_images=[still.rotate(180)])
        assert not is_image_file(tmp_path / name)
    record(tmp_path / "a.mp4")
    assert not is_image_file(tmp_path / "a.mp4")
    (tmp_path / "a.txt").write_text("x")
    assert not is_image_file(tmp_path / "a.txt")
    assert not is_image_file(tmp_path / "none.png")
