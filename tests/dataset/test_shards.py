"""Laws of shards: samples survive a round trip, equal samples give equal bytes, a damaged shard is reported."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from faceanime.core.errors import ConfigError, MediaError, WeightsError
from faceanime.core.weights import save_weights
from faceanime.dataset.shards import read_samples, write_shards
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import save_motion
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics

FRAMES = 5


@pytest.fixture
def motion(model: MorphableModel) -> Dynamics:
    return motion_from_keyframes({"jaw_open": [(0.0, 0.0), (0.2, 1.0)]}, FRAMES / 25, Fraction(25), model)


@pytest.fixture
def files(tmp_path: Path, motion: Dynamics) -> list[Path]:
    """Five samples of four files each, whose names come in no order."""
    folder = tmp_path / "files"
    folder.mkdir()
    for key in ("c", "a-b", "a", "d", "b"):
        note = {"key": key, "person": f"person {key}", "split": "val", "rights": {"licence": "CC-BY-4.0"}}
        (folder / f"{key}.json").write_text(json.dumps(note))
        save_motion(motion, folder / f"{key}.motion.safetensors")
        points = np.full((FRAMES, 478, 3), len(key), np.float32)
        tracked = np.array([1, 1, 0, 1, 1], np.uint8)
        tensors = {"points": points, "tracked": tracked}
        save_weights(folder / f"{key}.landmarks.safetensors", tensors, "landmarks", {})
        with VideoWriter(folder / f"{key}.mp4", Fraction(25), 32, 32) as writer:
            for level in range(FRAMES):
                writer.write(np.full((32, 32, 3), 40 * level, np.uint8))
    return list(folder.iterdir())


def test_what_is_written_is_read(tmp_path: Path, files: list[Path], motion: Dynamics) -> None:
    shards = write_shards(tmp_path, "val", files, 2)
    assert [shard.name for shard in shards] == [f"val-00000{i}.tar" for i in range(3)]
    samples = list(read_samples(tmp_path, "val"))
    assert [sample.key for sample in samples] == ["a", "a-b", "b", "c", "d"]
    for sample in samples:
        assert (sample.person, sample.split) == (f"person {sample.key}", "val")
        assert sample.note["rights"] == {"licence": "CC-BY-4.0"}
        found = {f"{sample.key}.{name}": content for name, content in sample.members.items()}
        assert found == {f.name: f.read_bytes() for f in files if f.name.split(".")[0] == sample.key}
        assert np.array_equal(sample.motion().expression, motion.expression)
        points, tracked = sample.landmarks()
        assert (points == len(sample.key)).all()
        assert tracked.tolist() == [True, True, False, True, True]
        levels = sample.pictures().mean(axis=(1, 2, 3))
        assert levels == pytest.approx(40 * np.arange(FRAMES), abs=3)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path, files: list[Path]) -> None:
    (first,) = write_shards(tmp_path, "val", files, 10)
    before = first.read_bytes()
    for file in files:
        os.utime(file, (1, 1))
        file.chmod(0o600)
    (second,) = write_shards(tmp_path, "val", files[::-1], 10)
    assert second.read_bytes() == before


def test_a_split_without_shards_says_how_to_make_them(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(ConfigError, match=r"no shard of split train .*faceanime prepare"):
        read_samples(tmp_path, "train")  # at once, not at the first sample
    write_shards(tmp_path, "val", files, 10)
    with pytest.raises(
        ConfigError, match=r"holds no split tset, only val; try one of those with split or videos"
    ):
        read_samples(tmp_path, "tset")


def test_a_damaged_shard_is_told(tmp_path: Path, files: list[Path]) -> None:
    (shard,) = write_shards(tmp_path, "val", files, 10)
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(MediaError, match=r"val-000000\.tar: damaged or cut short"):
        list(read_samples(tmp_path, "val"))


def test_a_sample_without_a_note_or_a_motion_is_told(tmp_path: Path, files: list[Path]) -> None:
    write_shards(tmp_path, "val", [file for file in files if file.suffix == ".json"], 10)
    with pytest.raises(WeightsError, match=r"sample a has no motion\.safetensors; it has json"):
        next(read_samples(tmp_path, "val")).motion()
    write_shards(tmp_path, "test", [file for file in files if file.suffix == ".mp4"], 10)
    with pytest.raises(MediaError, match="sample a has no valid json"):
        next(read_samples(tmp_path, "test"))


def test_the_tar_is_plain(tmp_path: Path, files: list[Path]) -> None:
    (shard,) = write_shards(tmp_path, "val", files, 10)
    with tarfile.open(shard) as tar:
        entries = tar.getmembers()
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {(0, 0, 0, "", "", 0o644)}
    assert len(entries) == len(files)


def test_a_machine_that_only_trains_needs_neither_mediapipe_nor_pyav() -> None:
    code = "import sys; sys.modules.update(dict.fromkeys(['mediapipe', 'av', 'cv2'])); import faceanime.dataset.shards"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["/etc/x.json", "../x.json", "a/b.json", "a\\b.json", "c:x.json", ".json"])
def test_a_member_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """A key becomes a file's name: it must not lead anywhere."""
    content = json.dumps({"person": "p", "split": "train"}).encode()
    with tarfile.open(tmp_path / "train-000000.tar", "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    with pytest.raises(MediaError, match="is not a plain file name") as caught:
        list(read_samples(tmp_path, "train"))
    assert "\n" not in str(caught.value)
