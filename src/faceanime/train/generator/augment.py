"""Light and cameras: what the clips that generators learn from do not show enough of."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from faceanime.core.errors import ConfigError
from faceanime.generator.windows import Window


@dataclass(frozen=True)
class AugmentConfig:
    """Light and cameras that the clips do not show. 0 switches one off."""

    exposure: float = 0.25
    """Brightness, natural logarithm of the factor, up and down."""
    tint: float = 0.08
    """The same for each colour by itself."""
    gamma: float = 0.25
    """Natural logarithm of the exponent, up and down."""
    blur: float = 0.15
    """Share of the samples that are blurred ..."""
    jpeg: float = 0.2
    """... and that are compressed."""
    zoom: float = 0.08
    """Natural logarithm of a window's magnification, up and down."""
    shift: float = 0.03
    """How far a window is off its place, right and down, in shares of its side."""
    roll_deg: float = 6.0
    """How far it is turned, either way ..."""
    stretch: float = 0.08
    """... and natural logarithm of how much wider than high its content becomes, or narrower: faces are few."""
    grey: float = 0.05
    """Share of the pictures that lose their colour, or some of it."""
    mirror: bool = True
    """Mouths and faces are mirrored; a left eye is a mirrored right one anyway."""
    background: float = 0.3
    """Share of the whole faces (those of the paper's generator) that stand before another clip."""

    def __post_init__(self) -> None:
        light = (self.exposure, self.tint, self.gamma, self.grey)
        camera = (self.blur, self.jpeg, self.zoom, self.shift, self.roll_deg, self.stretch)
        if min(*light, *camera, self.background) < 0:
            raise ConfigError("augment: numbers must be at least 0")


@dataclass(frozen=True, eq=False)
class Appearance:
    """One light and one camera, for all pictures of a pair."""

    gain: Float32[np.ndarray, "3"]
    exponent: float
    sigma: float
    quality: int | None
    mirrored: bool
    linear: Float64[np.ndarray, "2 2"] = field(default_factory=lambda: np.eye(2))
    shift: Float64[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    chroma: float = 1.0
    """Share of the colour that is kept."""

    @classmethod
    def drawn(cls, config: AugmentConfig, rng: np.random.Generator) -> Appearance:
        """At random."""
        exposure = rng.uniform(-config.exposure, config.exposure)
        gain = np.exp(exposure + rng.uniform(-config.tint, config.tint, 3)).astype(np.float32)
        exponent = float(np.exp(rng.uniform(-config.gamma, config.gamma)))
        sigma = float(rng.uniform(0.4, 1.2)) if rng.random() < config.blur else 0.0
        quality = int(rng.integers(40, 90)) if rng.random() < config.jpeg else None
        mirrored = config.mirror and bool(rng.random() < 0.5)
        zoom = np.exp(rng.uniform(-config.zoom, config.zoom))
        shift = rng.uniform(-config.shift, config.shift, 2)
        roll = np.radians(rng.uniform(-config.roll_deg, config.roll_deg))
        wider = np.exp(rng.uniform(-config.stretch, config.stretch) / 2.0)
        turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        linear = zoom * turn @ np.diag([wider, 1.0 / wider])
        chroma = float(rng.uniform(0.0, 0.5)) * (rng.random() < 0.5) if rng.random() < config.grey else 1.0
        return cls(gain, exponent, sigma, quality, mirrored, linear, shift, chroma)

    def placed(self, window: Window) -> Window:
        """The window as this camera is held."""
        return window.jittered(self.linear, self.shift)

    def lit(self, shares: Float32[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 3"]:
        """Colours, shares of white in [0, 1], in this light."""
        return self._coloured(np.asarray((self.gain * shares**self.exponent).clip(0.0, 1.0), np.float32))

    def seen(self, picture: UInt8[np.ndarray, "S S 3"]) -> UInt8[np.ndarray, "S S 3"]:
        """A picture in this light by this camera."""
        levels = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None]
        table = 255.0 * (self.gain * levels**self.exponent).clip(0.0, 1.0)
        lit = np.stack([table[picture[..., c], c] for c in range(3)], axis=-1)
        shown = np.rint(self._coloured(lit)).astype(np.uint8)
        if self.sigma:
            shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), self.sigma))
        if self.quality is not None:
            blue_first = np.ascontiguousarray(shown[..., ::-1])  # as OpenCV has colours
            _, code = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
            shown = np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
        return shown

    def _coloured(self, picture: Float32[np.ndarray, "*B 3"]) -> Float32[np.ndarray, "*B 3"]:
        if self.chroma == 1.0:
            return picture
        grey = picture.mean(axis=-1, keepdims=True)
        return np.asarray(grey + np.float32(self.chroma) * (picture - grey), np.float32)


PLAIN = Appearance(np.ones(3, np.float32), 1.0, 0.0, None, False)
"""As the clip shows it."""
