"""Options and fixtures for all tests."""

import os
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

if "PYTEST_XDIST_WORKER" in os.environ:
    # There are as many workers as cores: torch and BLAS compute in one thread of each, also in programs that it starts.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    threadpool_limits(1)  # a plugin of pytest has loaded NumPy already


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of recorded clips; without it, tests marked `data` are skipped",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files of tests/golden that no longer agree, or are missing, anew",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--data") is None:
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason="needs --data=DIR"))


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder given with --data; only for tests marked `data`."""
    folder: Path | None = request.config.getoption("--data")
    assert folder is not None, "mark this test with pytest.mark.data"
    assert folder.is_dir(), f"--data {folder} is no folder"
    return folder


@pytest.fixture(scope="session")
def model():  # type: ignore[no-untyped-def]  # imported late: the tests' type checker must come first
    """The bundled morphable model."""
    from faceanime.morphable.model import load_model

    return load_model()


@pytest.fixture(scope="session")
def circling_lstm(model, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """Weights of an LSTM that has learned to go round and round (`lstms.circling`)."""
    from lstms import circling, trained_lstm

    return trained_lstm(
        [circling(model, phase) for phase in range(7)], model, tmp_path_factory.mktemp("lstm"), steps=400
    )


@pytest.fixture(scope="session")
def wandering_lstm(model, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """Weights of an LSTM that has learned to go where a target is (`lstms.wandering`)."""
    from lstms import trained_lstm, wandering

    return trained_lstm(
        [wandering(model, seed) for seed in range(13)], model, tmp_path_factory.mktemp("lstm")
    )
