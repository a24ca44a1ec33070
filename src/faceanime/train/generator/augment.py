"""Augmentation: lights and cameras that the training clips do not show enough of."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from faceanime.core.errors import ConfigError
from faceanime.generator.windows import Window


@dataclass(frozen=True)
class AugmentConfig:
    """Lights and cameras that the clips do not show. 0 switches one off.

    Rotation and stretch of windows were measured (docs/log/training.md, below "More people for mouths"); the rest was
    chosen by eye.
    """

    exposure: float = 0.25
    """Largest natural logarithm of the brightness factor, up and down."""
    tint: float = 0.08
    """Largest natural logarithm of the factor of each color by itself, up and down."""
    gamma: float = 0.25
    """Largest natural logarithm of the gamma exponent, up and down."""
    blur: float = 0.15
    """Fraction of the samples that are blurred."""
    jpeg: float = 0.2
    """Fraction of the samples that are compressed as JPEG."""
    zoom: float = 0.08
    """Largest natural logarithm of a window's magnification, up and down."""
    shift: float = 0.03
    """Largest shift of a window along each axis, as a fraction of its side."""
    roll_deg: float = 6.0
    """Largest rotation of a window either way, degrees."""
    stretch: float = 0.08
    """Largest natural logarithm of a window's change of aspect ratio, so that few faces look like more."""
    grey: float = 0.05
    """Fraction of the samples that lose their color, or some of it."""
    mirror: bool = True
    """Whether half of the mouths and faces are mirrored; a left eye is always a mirrored right one."""
    background: float = 0.3
    """Fraction of the whole faces, those of the paper's generator, that are put before another clip's picture."""

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0:
            raise ConfigError("augment: numbers must be at least 0")


@dataclass(frozen=True)
class _CameraLimits:
    """Ranges of the random camera; chosen by eye."""

    blur_sigma_px: tuple[float, float] = (0.4, 1.2)
    """Standard deviation of the blur, px."""
    jpeg_quality: tuple[int, int] = (40, 90)
    """Quality of the compression, on Pillow's scale."""
    kept_chroma: tuple[float, float] = (0.0, 0.5)
    """Fraction of the chroma that a faded picture keeps; half of the faded pictures keep none."""


_LIMITS = _CameraLimits()


@dataclass(frozen=True, eq=False)
class Appearance:
    """One light and one camera, shared by all pictures of a pair."""

    gain: Float32[np.ndarray, "3"]
    exponent: float
    blur_sigma_px: float
    jpeg_quality: int | None
    mirrored: bool
    linear: Float64[np.ndarray, "2 2"] = field(default_factory=lambda: np.eye(2))
    """Zoom, rotation and stretch of windows about their center."""
    shift: Float64[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """Shift of windows, in sides."""
    chroma: float = 1.0
    """Fraction of the color that is kept."""

    @classmethod
    def random(cls, config: AugmentConfig, rng: np.random.Generator) -> Appearance:
        """Draw a light and a camera."""
        exposure = rng.uniform(-config.exposure, config.exposure)
        gain = np.exp(exposure + rng.uniform(-config.tint, config.tint, 3)).astype(np.float32)
        exponent = float(np.exp(rng.uniform(-config.gamma, config.gamma)))
        sigma = float(rng.uniform(*_LIMITS.blur_sigma_px)) if rng.random() < config.blur else 0.0
        quality = int(rng.integers(*_LIMITS.jpeg_quality)) if rng.random() < config.jpeg else None
        mirrored = config.mirror and bool(rng.random() < 0.5)
        zoom = np.exp(rng.uniform(-config.zoom, config.zoom))
        shift = rng.uniform(-config.shift, config.shift, 2)
        roll = np.radians(rng.uniform(-config.roll_deg, config.roll_deg))
        widen = np.exp(rng.uniform(-config.stretch, config.stretch) / 2.0)
        turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        linear = zoom * turn @ np.diag([widen, 1.0 / widen])
        chroma = (
            float(rng.uniform(*_LIMITS.kept_chroma)) * (rng.random() < 0.5)
            if rng.random() < config.grey
            else 1.0
        )
        return cls(gain, exponent, sigma, quality, mirrored, linear, shift, chroma)

    def place(self, window: Window) -> Window:
        """The window as this camera is held."""
        return window.jittered(self.linear, self.shift)

    def relight(self, colors: Float32[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 3"]:
        """Colors in [0, 1] under this light."""
        return self._faded(np.asarray((self.gain * colors**self.exponent).clip(0.0, 1.0), np.float32))

    def photograph(self, picture: UInt8[np.ndarray, "S S 3"]) -> UInt8[np.ndarray, "S S 3"]:
        """A picture under this light, taken by this camera."""
        levels = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None]
        table = 255.0 * (self.gain * levels**self.exponent).clip(0.0, 1.0)
        lit = np.stack([table[picture[..., c], c] for c in range(3)], axis=-1)
        taken = np.rint(self._faded(lit)).astype(np.uint8)
        if self.blur_sigma_px:
            taken = np.asarray(cv2.GaussianBlur(taken, (0, 0), self.blur_sigma_px))
        if self.jpeg_quality is not None:
            blue_first = np.ascontiguousarray(taken[..., ::-1])  # OpenCV's order of colors
            _, code = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
            taken = np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
        return taken

    def _faded(self, picture: Float32[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 3"]:
        if self.chroma == 1.0:
            return picture
        grey = picture.mean(axis=-1, keepdims=True)
        return np.asarray(grey + np.float32(self.chroma) * (picture - grey), np.float32)


PLAIN = Appearance(np.ones(3, np.float32), 1.0, 0.0, None, False)
"""The light and the camera of the clip itself."""
