"""The golden files and the studio that draws what is compared with them, made once a session."""

from pathlib import Path

import pytest
from comparison import Golden
from detection import check_detected
from studio import ASTRONAUTS, Studio

DATA = Path(__file__).with_name("data")


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    failures = tmp_path_factory.getbasetemp() / "golden-failures"
    return Golden(DATA, failures, bool(request.config.getoption("--update-golden")))


@pytest.fixture(scope="session")
def studio(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    studio = Studio(tmp_path_factory.mktemp("studio"), DATA / "detected")
    if golden.update:  # all else is drawn from what was detected
        for subject in ASTRONAUTS:
            check_detected(subject, studio, golden)
    return studio
