"""`faceanime prepare`: videos in, shards out; stopped and started again, the same bytes."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from program import Outcome, Program, fingerprint

from faceanime.core.config import load_config
from faceanime.core.errors import Cancelled, ConfigError, OutputError
from faceanime.core.progress import Progress, SilentProgress
from faceanime.dataset.shards import read_samples
from faceanime.face.detect import MediapipeDetector
from faceanime.geometry.similarity import warp_image
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import load_model
from faceanime.train.data.config import PrepareConfig
from faceanime.train.data.preparation import Prepared, prepare
from faceanime.train.data.videos import split_of

SIZE = 128
CONFIG = PrepareConfig(size=SIZE, min_s=0.4, shard_samples=2)
SHOTS = ((14, 1.0, False), (12, 1.2, True), (6, 1.0, False))
"""Segments of the video with cuts: frames, scale, and whether it is mirrored and darker. The last is too short."""


class Stopping(SilentProgress):
    """Stops the work when it asks for the n-th time whether it should: in the middle of a video."""

    def __init__(self, at: int | None = None, error: type[BaseException] | None = None) -> None:
        super().__init__()
        self.asked, self._at, self._error = 0, at, error

    @property
    def cancelled(self) -> bool:
        self.asked += 1
        if self.asked == self._at and self._error is not None:
            raise self._error
        return self.asked == self._at


def film(path: Path, astronaut: np.ndarray, shots: tuple[tuple[int, float, bool], ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, Fraction(CONFIG.frame_rate), 320, 320) as writer:
        for frames, scale, other in shots:
            picture = astronaut[:, ::-1] // 3 if other else astronaut
            for t in range(frames):
                place = np.array([[scale, 0.0, -30 * (scale - 1) + t], [0.0, scale, 0.0]])
                writer.write(warp_image(np.ascontiguousarray(picture), place, 320, 320))


def prepare_by_default(videos: list[Path], out: Path, config: PrepareConfig, progress: Progress) -> Prepared:
    """Prepare with the bundled detector and model."""
    return prepare(videos, out, config, MediapipeDetector(), load_model(), progress)


def table(out: Path) -> list[dict[str, str]]:
    with (out / "clips.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def videos(made: Path, astronaut: np.ndarray) -> Path:
    """Two people's folders, a video with cuts, one without a face, a damaged one and one that is none."""
    root = made / "videos"
    film(root / "ann" / "cuts.mp4", astronaut, SHOTS)
    film(root / "bob" / "one.mp4", astronaut, ((12, 1.1, False),))
    film(root / "bob" / "two.mkv", astronaut, ((12, 1.0, True),))
    film(root / "wall.mp4", np.full_like(astronaut, 90), ((12, 1.0, False),))
    (root / "damaged.mp4").write_bytes((root / "ann" / "cuts.mp4").read_bytes()[:4000])
    (root / "text.avi").write_text("no video")
    return root


@pytest.fixture(scope="session")
def watcher() -> Stopping:
    """Who watched `prepared` being made, and never stopped it."""
    return Stopping()


@pytest.fixture(scope="session")
def prepared(made: Path, videos: Path, watcher: Stopping) -> Path:
    done = prepare_by_default([videos], made / "prepared", CONFIG, watcher)
    assert sum(done.kept.values()) == 4
    assert done.dropped == {"too short": 1, "no face": 1, "cannot be read": 2}
    return made / "prepared"


def samples(out: Path) -> dict[str, list]:  # type: ignore[type-arg]
    return {
        split: list(read_samples(out, split))
        for split in ("train", "val", "test")
        if list(out.glob(f"{split}-*"))
    }


def test_a_video_with_a_cut_gives_a_clip_of_each_shot(prepared: Path) -> None:
    found = [sample for side in samples(prepared).values() for sample in side if "cuts" in sample.key]
    assert [sample.note["frames"] for sample in found] == [14, 12]
    assert [sample.note["start_s"] for sample in found] == [0.0, 0.56]
    for sample in found:
        motion, pictures = sample.motion(), sample.pictures()
        points, tracked = sample.landmarks()
        assert len(motion) == len(pictures) == len(points) == len(tracked) == sample.note["frames"]
        assert motion.picture_side_px == SIZE
        assert motion.frame_rate == 25
        assert pictures.shape[1:] == (SIZE, SIZE, 3)


def test_landmarks_and_motion_lie_on_the_clip(prepared: Path) -> None:
    detector = MediapipeDetector()
    for side in samples(prepared).values():
        for sample in side:
            points, _ = sample.landmarks()
            seen = detector.detect(sample.pictures()[5])[0].points_image
            assert np.linalg.norm(points[5, :, :2] - seen[:, :2], axis=1).mean() < 0.02 * SIZE
            nose = sample.motion().pose.translation_px[5]
            assert np.linalg.norm(nose - points[5, 168, :2]) < 0.2 * SIZE


def test_people_are_never_on_two_sides(prepared: Path) -> None:
    for split, side in samples(prepared).items():
        assert {split_of(sample.person) for sample in side} == {split}
    assert {row["person"] for row in table(prepared)} == {"ann", "bob", "wall", "damaged", "text"}


def test_every_run_is_listed_and_the_dropped_ones_say_why(prepared: Path) -> None:
    rows = table(prepared)
    kept = {row["key"] for row in rows if row["kept"] == "yes"}
    assert kept == {sample.key for side in samples(prepared).values() for sample in side}
    why = {row["source"]: row["why"] for row in rows if row["kept"] == "no"}
    assert why["videos/ann/cuts.mp4"] == "too short: 0.24 s, need 0.4"
    assert why["videos/wall.mp4"].startswith("no face")
    assert why["videos/damaged.mp4"].startswith("cannot be read: ")
    assert why["videos/text.avi"].startswith("cannot be read: ")
    assert str(prepared.parent) not in why["videos/text.avi"]  # where the data lie is nobody's business
    assert sum(row["kept"] == "no" for row in rows) == 4


def test_all_that_is_promised_is_there_and_nothing_else(prepared: Path) -> None:
    names = {path.name for path in prepared.iterdir()}
    assert {name for name in names if not name.endswith(".tar")} == {
        "clips.csv", "config.json", "dropped.png", "kept.png"
    }  # fmt: skip
    assert load_config(PrepareConfig, prepared / "config.json") == CONFIG


@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_stopped_and_started_again_gives_the_same_bytes(
    error: type[BaseException] | None, prepared: Path, watcher: Stopping, videos: Path, tmp_path: Path
) -> None:
    out, second = tmp_path / "out", Stopping()
    with pytest.raises(error or Cancelled):
        prepare_by_default([videos], out, CONFIG, Stopping(90, error))
    done = [path for path in (out / ".work").iterdir() if path.is_dir()]
    assert done  # the first video
    (out / ".work" / ".faceanime-killed").mkdir()  # what a kill without warning leaves
    prepare_by_default([videos], out, CONFIG, second)
    assert fingerprint(out) == fingerprint(prepared)
    assert second.asked < watcher.asked  # what was done was not done again


def test_an_unfinished_folder_keeps_its_settings_and_a_finished_one_is_left_alone(
    prepared: Path, videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        prepare_by_default([videos], out, CONFIG, Stopping(5))
    other = PrepareConfig(size=64, min_s=0.4, shard_samples=2)
    with pytest.raises(ConfigError, match=r'begun with other settings \("size": 128, now 64\)'):
        prepare_by_default([videos], out, other, SilentProgress())
    before = fingerprint(prepared)
    with pytest.raises(OutputError, match="is prepared already"):
        prepare_by_default([videos], prepared, CONFIG, SilentProgress())
    assert fingerprint(prepared) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(OutputError, match="is not an empty folder"):
        prepare_by_default([videos], tmp_path / "mine", CONFIG, SilentProgress())


def test_a_video_that_has_changed_is_done_again(videos: Path, tmp_path: Path, astronaut: np.ndarray) -> None:
    mine = tmp_path / "mine"
    for name in ("one.mp4", "two.mkv"):
        mine.mkdir(exist_ok=True)
        shutil.copy(videos / "bob" / name, mine)
    with pytest.raises(KeyboardInterrupt):
        prepare_by_default([mine], tmp_path / "out", CONFIG, Stopping(30, KeyboardInterrupt))
    film(mine / "one.mp4", astronaut, ((20, 1.1, False),))
    prepare_by_default([mine], tmp_path / "out", CONFIG, SilentProgress())
    assert [row["frames"] for row in table(tmp_path / "out")] == ["20", "12"]


def test_two_faces_in_one_crop_are_no_clip(tmp_path: Path, astronaut: np.ndarray) -> None:
    pair = np.concatenate([astronaut[:, :214], astronaut[:, 110:]], axis=1)
    with VideoWriter(tmp_path / "pair.mp4", Fraction(25), pair.shape[1], 320) as writer:
        for _ in range(12):
            writer.write(pair)
    done = prepare_by_default([tmp_path / "pair.mp4"], tmp_path / "out", CONFIG, SilentProgress())
    assert done.dropped == {"more than one face in the crop": 1}
    assert list((tmp_path / "out").glob("*.tar")) == []


def test_the_command_tells_what_it_kept(program: Program, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = program("prepare", videos / "bob" / "one.mp4", "-o", out, "--size", "64", "--min-s", "0.4")
    assert outcome == Outcome(0, f"{out}: kept 1 ({split_of('one')} 1); dropped 0\n", "")
    outcome = program("prepare", tmp_path / "nowhere", "-o", tmp_path / "b")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "b").exists()
