"""The scripts in examples/ run, cell by cell as they stand, and write what they say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from program import difference, pictures

from faceanime.dynamics.motion_file import load_motion

EXAMPLES = Path(__file__).parents[2] / "examples"
WRITTEN = {
    "first_steps": {"nod.mp4", "talk.mp4", "talk.png", "imagined.mp4"},
    "edit_a_motion": {
        "quick.motion.safetensors",
        "smiling.motion.safetensors",
        "wink.png",
        "wink.mp4",
    },
}
"""What each script writes."""


def test_every_example_is_listed() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert len(re.findall(r"^# %% ", text, flags=re.MULTILINE)) >= 5
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    out = tmp_path / "out" / name.replace("_", "-")
    assert {path.name for path in out.iterdir()} == WRITTEN[name]
    for video in out.glob("*.mp4"):
        frames = pictures(video)
        assert max(difference(frames[0], frame) for frame in frames[1:]) > 0.5, (
            f"nothing moves in {video.name}"
        )
    for motion in out.glob("*.motion.safetensors"):
        assert len(load_motion(motion)) > 25
