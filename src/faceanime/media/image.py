"""Still pictures: files of any common format, read as upright 8-bit sRGB, and written."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from faceanime.core.errors import MediaError, OutputError, check_shape, one_line
from faceanime.core.files import as_path, atomic_output, check_input, full_disk_named
from faceanime.structures.frames import Pixels

MAX_PIXELS = 100_000_000
"""Pixels of the largest picture that is decoded; a guard against decompression bombs, chosen by eye."""
JPEG_QUALITY = 95
"""Pillow's scale, 0 to 95 in practice; also used for WebP."""
DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    SyntaxError,
    EOFError,
    struct.error,
)
"""Exceptions of Pillow's decoders on damaged files, as found by truncating files and changing their bytes."""
MODES_OF_SPACE = {"RGB": {"RGB", "RGBA"}, "GRAY": {"L"}, "CMYK": {"CMYK"}}
"""For each color space of an ICC profile, Pillow's modes that the profile may describe."""
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
"""Brands of HEIF files with HEVC pictures (ISO/IEC 23008-12)."""
ANIMATED_FORMATS = {"GIF", "WEBP", "PNG", "AVIF"}
"""Pillow's formats whose further frames are an animation; those of MPO and TIFF are previews and pages."""
IMAGE_SUFFIXES = set(".jpg .jpeg .png .webp .avif .gif .tif .tiff .bmp .heic .heif".split())
WRITER_OPTIONS: dict[str, dict[str, int | bool | str]] = {
    ".png": {"format": "PNG"},
    ".jpg": {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": "4:4:4"},
    ".jpeg": {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": "4:4:4"},
    ".webp": {"format": "WEBP", "quality": JPEG_QUALITY},
}


def read_image(path: str | Path) -> Pixels:
    """Read a picture file as (H,W,3) uint8 sRGB, upright.

    EXIF rotation is applied, an embedded color profile converted to sRGB, 16 bits scaled to 8, and transparency
    composited over white. Of an animation, the first frame is read.

    Raises: MediaError, naming the file, when it is missing, not a picture, damaged or larger than `MAX_PIXELS`.
    """
    with _open_image(as_path(path, "path")) as image:
        return from_pillow(image, path)


def from_pillow(image: Image.Image, name: str | Path) -> Pixels:
    """Convert one of Pillow's images as `read_image` does; `name` names it in messages. Raises MediaError."""
    check_size(name, *image.size)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except DECODER_ERRORS as error:
        raise MediaError(f"cannot read {name}: the picture is damaged ({one_line(error)})") from error
    return np.array(flatten(_to_srgb(_to_8_bit(name, upright))))


def write_image(path: str | Path, pixels: Pixels) -> None:
    """Write (H,W,3) uint8 sRGB as .png, .jpg, .jpeg (quality 95, 4:4:4) or .webp, completely or not at all.

    Raises: OutputError when the suffix is unknown or the file cannot be written; ShapeError.
    """
    check_shape("pixels", pixels, None, None, 3)
    with picture_output(as_path(path, "path")) as write:
        write(pixels)


@contextmanager
def picture_output(path: Path) -> Iterator[Callable[[Pixels], None]]:
    """Yield a function that writes the picture; it appears at `path` when the block succeeds. See `write_image`."""
    options = WRITER_OPTIONS.get(path.suffix.lower())
    if options is None:
        known = ", ".join(WRITER_OPTIONS)
        raise OutputError(f"cannot write {path}: unknown picture suffix; use one of {known}")
    with atomic_output(path) as temporary:

        def write(pixels: Pixels) -> None:
            with full_disk_named(path):  # named here: the block of another output may be the inner one
                Image.fromarray(pixels).save(temporary, **options)  # type: ignore[arg-type]  # one type a key

        yield write


def check_size(path: str | Path, width_px: int, height_px: int) -> None:
    """Raise MediaError when a picture of this size is too large to be decoded."""
    if width_px * height_px > MAX_PIXELS:
        raise MediaError(
            f"cannot read {path}: {width_px}x{height_px} px, "
            f"at most {MAX_PIXELS // 1_000_000} megapixels are allowed; scale it down first"
        )


def check_image(path: Path) -> None:
    """Raise MediaError for a file that does not begin as a picture of a known format."""
    _open_image(path).close()


def is_image_file(path: Path) -> bool:
    """Whether `path` is a file that holds a still picture (by content, else by suffix)."""
    animated = _sniff_animation(path)
    if animated is None:
        return path.suffix.lower() in IMAGE_SUFFIXES and _may_be_read(path)
    return not animated


def _sniff_animation(path: Path) -> bool | None:
    """Whether Pillow recognizes an animation; None where it recognizes no picture."""
    try:
        with _open_image(path) as image:
            return image.format in ANIMATED_FORMATS and bool(getattr(image, "is_animated", False))
    except MediaError:
        return None


def _may_be_read(path: Path) -> bool:
    try:
        check_input(path)
    except MediaError:
        return False
    return True


def _open_image(path: Path) -> Image.Image:
    check_input(path)
    try:
        if _is_heic(path):
            _enable_heic(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `check_size` is stricter
            return Image.open(path)
    except UnidentifiedImageError as error:
        raise MediaError(f"cannot read {path}: not a picture of a known format") from error
    except Image.DecompressionBombError as error:
        megapixels = MAX_PIXELS // 1_000_000
        raise MediaError(
            f"cannot read {path}: at most {megapixels} megapixels are allowed; scale it down first"
        ) from error
    except DECODER_ERRORS as error:
        raise MediaError(f"cannot read {path}: {one_line(error)}") from error


def _is_heic(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS


def _enable_heic(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise MediaError(f'cannot read {path}: HEIC needs an extra; pip install "faceanime[heic]"') from error
    register_heif_opener()


def _to_8_bit(path: str | Path, image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, which Pillow would clip; it has scaled 16-bit color already."""
    if image.mode == "F":
        raise MediaError(f"cannot read {path}: floating-point pixels; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    deep = np.asarray(image).astype(np.int64).clip(0, 65535)
    grey = Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    grey.info = image.info
    return grey


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert by the embedded profile to RGB, or RGBA where there is transparency."""
    target = "RGBA" if image.has_transparency_data else "RGB"
    profile = _embedded_profile(image)
    if profile is None:
        return image.convert(target)
    space = profile.profile.xcolor_space.strip()
    mode = target if space == "RGB" and image.mode != "CMYK" else image.mode
    if mode not in MODES_OF_SPACE.get(space, ()):
        return image.convert(target)  # the profile is for another kind of picture
    try:
        converted = ImageCms.profileToProfile(
            image.convert(mode),
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode=target,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:
        return image.convert(target)  # the profile is damaged; browsers ignore it too
    return cast(Image.Image, converted)


def _embedded_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The picture's color profile; None when it has none, a damaged one, or sRGB."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        is_srgb = ImageCms.getProfileDescription(profile).startswith("sRGB")
    except (*DECODER_ERRORS, ImageCms.PyCMSError):
        return None
    return None if is_srgb else profile


def flatten(image: Image.Image) -> Image.Image:
    """Composite an RGB or RGBA picture over white."""
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
