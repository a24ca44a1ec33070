"""People differ in how lively they are, and stay so: the style of a motion varies from window to window, no more."""

import numpy as np
import pytest
import torch

from faceanime.dynamics.rollout_config import Style
from faceanime.dynamics.style_process import STYLES, StyleProcess

SEEDS, WINDOWS, FRAMES = 600, 6, 80


def drawn(style: Style = "any", frames: int = FRAMES) -> np.ndarray:
    """The styles of the windows of many motions, (SEEDS, WINDOWS, STYLES)."""
    processes = [
        StyleProcess(torch.eye(STYLES), style, torch.Generator().manual_seed(seed)) for seed in range(SEEDS)
    ]
    return np.array([[process.next(frames).numpy() for _ in range(WINDOWS)] for process in processes])


@pytest.mark.parametrize("frames", [8, FRAMES, 400])
def test_late_windows_are_as_varied_as_the_first(frames: int) -> None:
    """The process is stationary: a long motion neither settles on the mean person nor wanders off."""
    deviation = drawn(frames=frames).std(axis=(0, 2))
    np.testing.assert_allclose(deviation, 1.0, atol=0.12)


def test_the_longer_the_time_the_less_a_style_is_remembered() -> None:
    def kept(frames: int) -> float:
        styles = drawn(frames=frames)
        return float(np.corrcoef(styles[:, 0].ravel(), styles[:, 1].ravel())[0, 1])

    assert kept(8) > kept(FRAMES) + 0.1 > kept(400) + 0.3
    assert kept(2 * FRAMES) == pytest.approx(kept(FRAMES) ** 2, abs=0.1)


def test_a_named_style_varies_around_itself() -> None:
    """Less than people do: whoever asks for a talk gets one."""
    talk, idle = drawn("talk"), drawn("idle")
    assert talk.std(axis=0).max() < 0.5
    assert (talk.mean(axis=(0, 1)) > idle.mean(axis=(0, 1))).all()
    assert (talk[..., 0] > idle[..., 0]).all(), "its mouth is always the livelier one"
