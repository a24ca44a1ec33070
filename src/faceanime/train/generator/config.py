"""Settings of the flow-guided generator's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from faceanime.core.errors import ConfigError
from faceanime.generator.discriminator import PatchCriticConfig
from faceanime.generator.flow_guided import FAST, FlowGuidedConfig
from faceanime.generator.windows import WindowPart
from faceanime.train.generator.augment import AugmentConfig
from faceanime.train.generator.rendered_pairs import PairsConfig
from faceanime.train.stepping import Precision

_AT_LEAST_0 = (
    *("learning_rate", "critic_learning_rate", "warm_up", "adversarial_from", "landmarks_from"),
    *("inside", "inside_adversarial", "synthesis", "laplacian", "detail", "mask", "adversarial", "matching"),
    *("temporal", "landmarks", "identity", "perceptual"),
)


@dataclass(frozen=True)
class GeneratorConfig:
    """How the flow-guided generator is trained."""

    kind: Literal["flow-guided"] = "flow-guided"
    network: FlowGuidedConfig = FAST
    pairs: PairsConfig = field(default_factory=PairsConfig)
    registration: bool = True
    """True mouths to learn from are laid on what was drawn; those to be measured by are left alone. Not with
    `temporal`: two neighbours would be laid a little apart, which is a flicker of its own."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    steps: int = 20_000
    batch: int = 8
    """Pairs whose windows are seen at once ..."""
    mouth_share: float = 1.0
    """... as far as they are drawn: mouths are what is hardest, ..."""
    eye_share: float = 0.5
    """... every pair has two eyes, ..."""
    face_share: float = 0.25
    """... far cheeks are skin, ..."""
    light_share: float = 0.5
    """... and light is small and smooth."""
    accumulate: int = 1
    """Such batches to a step."""
    learning_rate: float = 1e-3
    warm_up: int = 100
    """Steps over which the learning rate rises; after them it falls as a cosine."""
    ema: float = 0.998
    """Share of the running average of the weights, batch norm's statistics too, that a step keeps; less at first (at
    step n at most (1 + n) / (10 + n)), unless the run begins with weights."""
    inside: float = 4.0
    """Weight of the L1 loss inside the mouth and between the lids, against 1 in the rest of a gate ..."""
    inside_adversarial: float = 2.0
    """... and once there is a critic: L1 alone makes teeth one pale bar."""
    synthesis: float = 0.5
    """Weight of the L1 loss of the synthesis by itself, which learns where the mask is still shut too."""
    laplacian: float = 1.0
    mask: float = 0.02
    adversarial_from: int = 4_000
    """The step from which on there are critics."""
    adversarial: float = 1.0
    """Length of the critics' gradient with respect to the picture, in lengths of that of all other losses."""
    matching: float = 4.0
    """Weight of the critics' features against their scores."""
    detail: float = 10.0
    """Weight, once there are critics, of how much detail there is, wherever it lies: L1 makes it less, and critics say
    whether it looks real."""
    foreign: float = 0.2
    """Share of the pairs, once there are critics, that another person drives: no truth is known of them."""
    critic: PatchCriticConfig = field(default_factory=PatchCriticConfig)
    critic_learning_rate: float = 6e-4
    temporal: float = 0.0
    """Weight of the flicker between neighbouring frames; with it, half of a batch are the neighbours of the other."""
    landmarks: float = 0.0
    """Weight of the distance, in shares of a window's side, of the landmarks read in it from where they belong ..."""
    landmarks_from: int = 500
    """... from this step on: the reader begins with the run."""
    teacher: Path | None = None
    """Flow-guided weights, of windows of any size, that are learned from, too ..."""
    taught: float = 0.5
    """... by this share of the L1 loss: against what they make of the same windows, those without a truth too."""
    identity: float = 0.0
    """Weight of the identity loss; it wants the extra `identity`."""
    identity_faces: int = 2
    """Whole faces on which it is measured at each step."""
    perceptual: float = 0.0
    """Weight of the distance in VGG-19's features, in mouths and eyes ..."""
    vgg19: Path | None = None
    """... whose weights a user brings: safetensors with torchvision's names."""
    precision: Precision = "auto"
    loaders: int = 2
    """Threads that cut windows and draw their maps; a GPU wants as many as there are cores."""
    seed: int = 0
    validate_every: int = 500
    validation_windows: int = 96
    """Pairs of the validation clips that are measured, at most."""

    def __post_init__(self) -> None:
        counts = (
            "steps",
            "batch",
            "accumulate",
            "loaders",
            "validate_every",
            "validation_windows",
            "identity_faces",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"ema is {self.ema}, expected 0 to 1")
        for name in _AT_LEAST_0:
            if not 0.0 <= getattr(self, name) < inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a finite number of at least 0")
        if bool(self.perceptual) != (self.vgg19 is not None):
            raise ConfigError(
                f"perceptual is {self.perceptual} and vgg19 {self.vgg19}, expected a weight and a file, or neither"
            )
        if not 0.0 <= self.taught <= 1.0:
            raise ConfigError(f"taught is {self.taught}, expected 0 to 1")
        if not 0.0 <= self.foreign < 1.0:
            raise ConfigError(f"foreign is {self.foreign}, expected 0 to 1, and not 1")
        if self.temporal and self.batch % 2:
            raise ConfigError(f"batch is {self.batch}, expected an even number with the temporal loss")
        if not all(0.0 <= share <= 1.0 for share in self.shares.values()):
            raise ConfigError(
                f"mouth_share, eye_share, face_share and light_share are {self.shares}, expected 0 to 1"
            )

    @property
    def shares(self) -> dict[WindowPart, float]:
        """Of each part's windows, how many are looked at."""
        return {
            "mouth": self.mouth_share,
            "eye": self.eye_share,
            "face": self.face_share,
            "light": self.light_share,
        }
