"""Fixtures that several tests of evaluation share."""

import pytest


@pytest.fixture(scope="package")
def benchmark(model):  # type: ignore[no-untyped-def]  # imported late: the tests' type checker must come first
    """Sixteen waving clips of eight people, and a predictor that was never trained."""
    from faceanime.dynamics.flow_predictor import FlowConfig, FlowPredictor
    from faceanime.dynamics.state import HEAD_NUMBERS
    from faceanime.evaluate.motion_benchmark import FilmedMotion, MotionBenchmark
    from waves import waving

    numbers = model.expression_count + HEAD_NUMBERS
    untrained = FlowPredictor(numbers, FlowConfig(width=8, layers=1, heads=1)).eval()
    clips = [FilmedMotion(f"clip {k}", f"person {k // 2}", waving(model, k, 120)) for k in range(16)]
    return MotionBenchmark(model, clips[:4], clips, untrained, None)
