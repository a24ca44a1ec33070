"""Settings of the flow-guided generator's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from faceanime.core.errors import check_range
from faceanime.generator.discriminator import PatchCriticConfig
from faceanime.generator.flow_guided import FAST, FlowGuidedConfig
from faceanime.generator.windows import WindowPart
from faceanime.train.generator.augment import AugmentConfig
from faceanime.train.generator.pairs import PairOptions
from faceanime.train.generator.rendered_pairs import PairsConfig
from faceanime.train.precision import Precision

_AT_LEAST_1 = ("steps", "batch", "loaders", "validate_every", "validation_windows")
_AT_LEAST_0 = (
    *("learning_rate", "critic_learning_rate", "warm_up", "adversarial_from"),
    *("inside", "inside_adversarial", "synthesis", "laplacian", "detail", "mask", "adversarial", "matching"),
)


@dataclass(frozen=True)
class FlowTraining:
    """Settings of the flow-guided generator's training."""

    kind: Literal["flow-guided"] = "flow-guided"
    """The family of generators."""
    network: FlowGuidedConfig = FAST
    pairs: PairsConfig = field(default_factory=PairsConfig)
    registration: bool = True
    """Whether true mouths are aligned with the rendered ones for training; validation never aligns them."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    steps: int = 20_000
    """Number of training steps."""
    batch: int = 8
    """Pairs in a batch."""
    mouth_share: float = 1.0
    """Fraction of a batch's mouth windows that are trained on."""
    eye_share: float = 0.5
    """Fraction of a batch's eye windows that are trained on; every pair has two."""
    face_share: float = 0.25
    """Fraction of a batch's face windows that are trained on."""
    light_share: float = 0.5
    """Fraction of a batch's windows that the light network is trained on."""
    learning_rate: float = 1e-3
    """Highest learning rate of the networks."""
    warm_up: int = 100
    """Steps over which learning rates rise, before they fall as a cosine."""
    ema: float = 0.998
    """Fraction of the averaged weights that a step keeps; less in the first steps of a run with random weights."""
    inside: float = 4.0
    """Weight of the L1 loss inside the mouth and between the lids, against 1 in the rest of a gate."""
    inside_adversarial: float = 2.0
    """Weight that replaces `inside` once there are critics, since L1 alone turns teeth into one pale bar."""
    picture: float = 1.0
    """Weight of the L1 loss of the repaired picture."""
    synthesis: float = 0.5
    """Weight of the L1 loss of the synthesized picture before the mask, which also trains it where the mask is shut."""
    laplacian: float = 1.0
    """Weight of the L1 loss of a Laplacian pyramid."""
    mask: float = 0.02
    """Weight of the mask's sparsity."""
    adversarial_from: int = 4_000
    """First step with critics."""
    adversarial: float = 1.0
    """Length of the critics' gradient at the picture, relative to that of all other losses."""
    matching: float = 4.0
    """Weight of the matching of critics' features, relative to their score."""
    detail: float = 10.0
    """Weight, once there are critics, of the difference in the amount of detail."""
    foreign: float = 0.2
    """Fraction of the pairs, once there are critics, that another person drives; their truth is unknown."""
    critic: PatchCriticConfig = field(default_factory=PatchCriticConfig)
    critic_learning_rate: float = 6e-4
    """Highest learning rate of the critics."""
    teacher: Path | None = None
    """Weights of a flow-guided generator, with windows of any size, whose pictures are also learned from."""
    taught: float = 0.5
    """Fraction of the L1 loss that is taken against the teacher's pictures."""
    precision: Precision = "auto"
    """Precision of the networks; auto is bfloat16 where the processor has it."""
    loaders: int = 2
    """Threads that cut windows and draw their maps; a GPU wants as many as there are cores."""
    seed: int = 0
    """Seed of the weights and of all batches."""
    validate_every: int = 500
    """Steps between two validations."""
    validation_windows: int = 96
    """Largest number of pairs of the validation clips that are measured."""

    def __post_init__(self) -> None:
        check_range(self, "", *_AT_LEAST_1, least=1)
        check_range(self, "", *_AT_LEAST_0, least=0)
        check_range(self, "", "picture", above=0)
        check_range(self, "", "ema", "foreign", least=0, below=1)
        check_range(
            self, "", "taught", "mouth_share", "eye_share", "face_share", "light_share", least=0, most=1
        )

    @property
    def shares(self) -> dict[WindowPart, float]:
        """The fraction of each part's windows that are trained on."""
        return {
            "mouth": self.mouth_share,
            "eye": self.eye_share,
            "face": self.face_share,
            "light": self.light_share,
        }

    @property
    def pair_options(self) -> PairOptions:
        """The options with which the network sees the training pairs."""
        return PairOptions(self.network.windows, self.network.texture, self.registration)
