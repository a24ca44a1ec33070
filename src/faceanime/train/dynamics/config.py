"""Settings of the predictors' training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from faceanime.core.errors import check_range
from faceanime.dynamics.flow_predictor import FlowConfig
from faceanime.dynamics.lstm_predictor import LstmConfig


@dataclass(frozen=True)
class DynamicsConfig:
    """Settings of a predictor's training."""

    kind: Literal["flow", "lstm"] = "flow"
    """The predictor: flow samples one of many futures; lstm is the paper's and predicts a single one."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    lstm: LstmConfig = field(default_factory=LstmConfig)
    steps: int = 3000
    """Number of training steps."""
    batch: int = 64
    """Excerpts in a batch."""
    learning_rate: float = 5e-4
    """Highest learning rate."""
    warm_up: int = 200
    """Steps over which the learning rate rises, before it falls as a cosine."""
    weight_decay: float = 0.02
    """Decoupled weight decay of AdamW."""
    ema: float = 0.998
    """Fraction of the averaged weights that a step keeps."""
    vertex_weight: float = 0.2
    """Weight of the squared distance of the posed vertices, in (0.1 model units)^2."""
    speed_weight: float = 0.25
    """Weight of the squared error of the change from frame to frame, in its own deviations; flow only."""
    observed: int = 25
    """Largest number of frames that are given at the start; at least one is."""
    future: int = 50
    """Frames that the lstm rolls out."""
    slowest: float = 0.8
    """Clips are slowed down and sped up by at most this factor."""
    mixed: float = 0.3
    """Fraction of the excerpts whose mouth is taken from another clip; flow only."""
    seed: int = 0
    """Seed of the weights and of all batches."""
    validate_every: int = 250
    """Steps between two validations."""

    def __post_init__(self) -> None:
        check_range(self, "", "steps", "batch", "observed", "future", "validate_every", least=1)
        check_range(self, "", "slowest", above=0, most=1)
        check_range(self, "", "ema", least=0, below=1)
        check_range(self, "", "mixed", least=0, most=1)


PAPER_DYNAMICS = DynamicsConfig(
    kind="lstm",
    steps=750,
    batch=32,
    vertex_weight=20.0,
    speed_weight=0.0,
    slowest=1.0,
    mixed=0.0,
    validate_every=75,
)
"""The paper's training: an LSTM with squared coefficient and vertex distances (arXiv 2105.14678, sec. III-B).

With this weight both losses are of one size.
"""
