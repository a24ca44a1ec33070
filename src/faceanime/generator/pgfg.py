"""The paper's generator (PGFG; arXiv 2105.14678, sec. III): G(I_s, E(p_t) - E(p_s)).

In the paper the generator draws the target picture from the source I_s and the difference of two encoded priors: p_s,
drawn at the source's geometry, and p_t, drawn at the target's with the source's colors. Skip connections carry the
features of all encodings.

There are two architectures. The article has dense blocks in encoder and decoder, without widths: `blocks` "dense". The
authors' release does not contain the networks, but it calls them as FRGAN does (Zhao et al., ECCV 2018: a picture and
the priors of source and target in, a picture and a mask out), at 128x128 with a latent of 128: `blocks` "residual" is
FRGAN's, with a plain residual encoder and a decoder whose dense connections run from scale to scale.

Our choices: all widths but the release's, sizes other than 128 px (blocks are added down to 4x4), folding, and
PyTorch's default initial weights (with FRGAN's N(0, 0.02), signals vanish in thin layers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from faceanime.core.errors import RangeError, check_range, check_shape
from faceanime.generator.blocks import (
    DenseDecoder,
    Encoder,
    GeneratedFace,
    equal_subpixels,
    widths_by_scale,
)
from faceanime.generator.dense_blocks import DenseBlockDecoder, DenseBlockEncoder
from faceanime.generator.face_window import PriorConfig
from faceanime.generator.generator import Generator
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.runtime.torch_network import TorchFunction


@dataclass(frozen=True)
class PgfgConfig:
    """Size of the paper's generator."""

    size_px: int = 128
    """Side of the pictures in px, a power of two."""
    width: int = 64
    """Channels of the finest features; each halving of the resolution doubles them."""
    widest: int = 512
    """Upper limit on the channels."""
    latent: int = 128
    """Length of the latent vector."""
    blocks: Literal["residual", "dense"] = "residual"
    """dense: dense blocks in encoder and decoder, as in the article; residual: the architecture of the release."""
    layers: int = 2
    """Layers of each dense block."""
    fold: int = 1
    """Squares of `fold` x `fold` pixels become the channels of one place, a power of two (Shi et al., arXiv
    1609.05158): all layers and the priors have size_px / fold places a side, which makes large pictures affordable."""
    prior: PriorConfig = field(default_factory=PriorConfig)
    """The prior that conditions the generator on the geometry."""

    def __post_init__(self) -> None:
        check_range(self, "", "latent", "layers", "fold", least=1)
        if self.size_px % self.fold:
            raise RangeError("fold", self.fold, f"a divisor of size_px, which is {self.size_px}")
        self.widths()

    @property
    def prior_px(self) -> int:
        """Side of the priors in px."""
        return self.size_px // self.fold

    def widths(self) -> tuple[int, ...]:
        """Channels of the features, finest first. Raises ConfigError."""
        return widths_by_scale(self.prior_px, self.width, self.widest)


PAPER_FULL = PgfgConfig()
"""The release's size: 115 M parameters; 172 GFLOP per frame (the release: 265; see `blocks.doubled_convolution`)."""
PAPER_SMALL = PgfgConfig(
    size_px=256, width=12, widest=96, blocks="dense", fold=2, prior=PriorConfig(interval=1)
)
"""Dense blocks at a size that learns on one core of a CPU: 1.7 M parameters, 1.3 GFLOP per frame."""
HEAT_MAPS = replace(PAPER_SMALL, prior=PriorConfig("heat-maps"))
"""The baseline of the paper's comparison: `PAPER_SMALL` conditioned on landmarks only."""


class Pgfg(Generator):
    """The generator: an encoder for the picture, one shared by both priors, and a dense decoder."""

    network: ClassVar[str] = "pgfg"
    """Name in weights files."""

    def __init__(self, config: PgfgConfig = PAPER_FULL, schema: LandmarkSchema = MEDIAPIPE) -> None:
        """`schema`: that of the face model, whose landmarks the heat maps show; by default the bundled one's."""
        super().__init__()
        self.config = config
        self.prior_channels = config.prior.channels(schema)
        widths, latent, pixels = config.widths(), config.latent, config.fold**2
        self.image_encoder, self.prior_encoder = (
            DenseBlockEncoder(channels, widths, latent, config.layers)
            if config.blocks == "dense"
            else Encoder(channels, widths, latent)
            for channels in (3 * pixels, self.prior_channels)
        )
        self.decoder = (
            DenseBlockDecoder(3, widths, latent, config.layers, pixels)
            if config.blocks == "dense"
            else DenseDecoder(3, widths, latent, pixels)
        )
        for layer in (self.decoder.out, self.decoder.mask):
            equal_subpixels(layer, pixels)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules that are trained separately, by name: a single one, for the whole face."""
        return {"face": self}

    def forward(
        self,
        source: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B P R R"],
        target_prior: Float[Tensor, "B P R R"],
    ) -> GeneratedFace:
        """The source's face (in [-1, 1]) with the geometry of the target prior; R = S / fold. Raises ShapeError."""
        size_px, prior_px, fold = self.config.size_px, self.config.prior_px, self.config.fold
        check_shape("source", source, None, 3, size_px, size_px)
        for name, prior in (("source_prior", source_prior), ("target_prior", target_prior)):
            check_shape(name, prior, len(source), self.prior_channels, prior_px, prior_px)
        image, h = self.image_encoder(pixel_unshuffle(source, fold))
        before, e_s = self.prior_encoder(source_prior)
        after, e_t = self.prior_encoder(target_prior)
        out, mask = (
            pixel_shuffle(made, fold) for made in self.decoder(h + (e_t - e_s), [image, before, after])
        )
        return GeneratedFace.over(source, out, mask)

    def functions(self) -> dict[str, TorchFunction]:
        """The network for inference, `face`: takes the arguments of `forward` and returns `out` and `mask`."""

        def run(**given: Tensor) -> Mapping[str, Tensor]:
            made = self(**given)
            return {"out": made.out, "mask": made.mask}

        return {"face": run}
