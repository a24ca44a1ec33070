"""The paper's generator (PGFG; arXiv 2105.14678, sec. III): G(I_s, E(p_t) - E(p_s)).

In the paper the generator draws the target picture from the source I_s and the difference of two encoded priors: p_s,
drawn at the source's geometry, and p_t, drawn at the target's with the source's colors. Skip connections carry the
features of all encodings. The authors' release does not contain the networks, but it calls them as FRGAN does (Zhao et
al., ECCV 2018: a picture and the priors of source and target in, a picture and a mask out). So the architecture here is
FRGAN's, at 128x128 with a latent of 128, which those calls imply.

Our choices: the widths of `PAPER_SMALL`, sizes other than 128 px (blocks are added down to 4x4), and PyTorch's default
initial weights (with FRGAN's N(0, 0.02), signals vanish in thin layers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from faceanime.core.errors import check_range, check_shape
from faceanime.generator.blocks import DenseDecoder, Encoder, GeneratedFace, widths_by_scale
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
    """Channels at full resolution; each halving of the resolution doubles them."""
    widest: int = 512
    """Upper limit on the channels."""
    latent: int = 128
    """Length of the latent vector."""
    prior: PriorConfig = field(default_factory=PriorConfig)
    """The prior that conditions the generator on the geometry."""

    def __post_init__(self) -> None:
        widths_by_scale(self.size_px, self.width, self.widest)
        check_range(self, "", "latent", least=1)


PAPER_FULL = PgfgConfig()
"""The release's size: 115 M parameters; 172 GFLOP per frame (the release: 265; see `blocks.doubled_convolution`)."""
PAPER_SMALL = PgfgConfig(width=8, widest=64)
"""An eighth of the release's width: 2.1 M parameters, 2.7 GFLOP per frame."""
HEAT_MAPS = PgfgConfig(width=8, widest=64, prior=PriorConfig("heat-maps"))
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
        widths = widths_by_scale(config.size_px, config.width, config.widest)
        self.image_encoder = Encoder(3, widths, config.latent)
        self.prior_encoder = Encoder(self.prior_channels, widths, config.latent)
        self.decoder = DenseDecoder(3, widths, config.latent)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules that are trained separately, by name: a single one, for the whole face."""
        return {"face": self}

    def forward(
        self,
        source: Float[Tensor, "B 3 S S"],
        source_prior: Float[Tensor, "B P S S"],
        target_prior: Float[Tensor, "B P S S"],
    ) -> GeneratedFace:
        """The source's face (in [-1, 1]) with the geometry of the target prior. Raises ShapeError."""
        size_px, channels = self.config.size_px, self.prior_channels
        check_shape("source", source, None, 3, size_px, size_px)
        check_shape("source_prior", source_prior, len(source), channels, size_px, size_px)
        check_shape("target_prior", target_prior, len(source), channels, size_px, size_px)
        image, h = self.image_encoder(source)
        before, e_s = self.prior_encoder(source_prior)
        after, e_t = self.prior_encoder(target_prior)
        out, mask = self.decoder(h + (e_t - e_s), [image, before, after])
        return GeneratedFace.over(source, out, mask)

    def functions(self) -> dict[str, TorchFunction]:
        """The network for inference, `face`: takes the arguments of `forward` and returns `out` and `mask`."""

        def run(**given: Tensor) -> Mapping[str, Tensor]:
            made = self(**given)
            return {"out": made.out, "mask": made.mask}

        return {"face": run}
