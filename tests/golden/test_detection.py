"""Faces are found where they were found before, and persons are separated from the background as before."""

import pytest
from comparison import Golden
from detection import check_detected
from studio import ASTRONAUTS, Studio


@pytest.mark.parametrize("subject", ASTRONAUTS)
def test_landmarks_and_mattes(subject: str, studio: Studio, golden: Golden) -> None:
    check_detected(subject, studio, golden)
