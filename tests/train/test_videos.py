"""Laws of what there is to learn from: every video once, every person on one side."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from faceanime.core.errors import ConfigError, MediaError
from faceanime.train.data.videos import Source, find_sources, split_of


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_folder_is_searched_and_its_sub_folders_are_people(tmp_path: Path) -> None:
    names = (
        "id1/a/1.mp4",
        "id1/b/1.MKV",
        "id2/x.webm",
        "own.mov",
        "notes.txt",
        ".hidden/y.mp4",
        "id2/.z.mp4",
    )
    found = find_sources([put(tmp_path / "data", *names)])
    people = {source.name: source.person for source in found}
    assert people == {
        "data/id1/a/1.mp4": "id1",
        "data/id1/b/1.MKV": "id1",
        "data/id2/x.webm": "id2",
        "data/own.mov": "own",
    }
    assert {source.person for source in found if source.split == "train"} == {
        "own"
    }  # by the hash of the name
    assert len({source.key for source in found}) == len(found)
    assert not any("." in source.key or "/" in source.key for source in found)


def test_a_video_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    put(tmp_path / "data", "a.mp4")
    assert len(find_sources([tmp_path / "data" / "a.mp4", tmp_path / "data"])) == 1


def test_the_sides_are_shared_out_as_promised() -> None:
    sides = Counter(split_of(f"person {i}") for i in range(4000))
    assert sides["train"] / 4000 == pytest.approx(0.9, abs=0.02)
    assert sides["val"] / 4000 == pytest.approx(0.05, abs=0.02)
    assert sides["test"] / 4000 == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_few_people_can_be_trained_on(tmp_path: Path, count: int) -> None:
    """Somebody is in train and somebody in val, whatever their names; the others are where their hash says."""
    for number in range(12):
        people = [f"{number}-{index}" for index in range(count)]
        found = find_sources([put(tmp_path / str(number), *(f"{person}.mp4" for person in people))])
        splits = {source.person: source.split for source in found}
        assert {"train", "val"} <= set(splits.values())
        by_hash = [split_of(person) for person in people]
        moved = sum(splits[person] != split for person, split in zip(people, by_hash, strict=True))
        assert moved == 2 - len({"train", "val"} & set(by_hash))  # no more than it takes
        reversed_order = [tmp_path / str(number) / f"{person}.mp4" for person in people[::-1]]
        assert {s.person: s.split for s in find_sources(reversed_order)} == splits


def test_one_person_and_many_people_are_where_their_hash_says(tmp_path: Path) -> None:
    (alone,) = find_sources([put(tmp_path / "one", "ann.mp4")])
    assert alone.split == split_of("ann")
    found = find_sources([put(tmp_path / "many", *(f"{number}.mp4" for number in range(200)))])
    assert all(source.split == split_of(source.person) for source in found)


def test_a_table_says_all_about_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "data", "a.mp4", "unlisted.mp4")
    (tmp_path / "data" / "clips.csv").write_text(
        "file,split,person,licence,frames\na.mp4,test,Ann,CC-BY-4.0,9\nmissing.mp4,val,Bob,,3\n"
    )
    ann, bob = find_sources([tmp_path / "data"])
    rights = (("licence", "CC-BY-4.0"),)
    assert ann == Source(tmp_path / "data" / "a.mp4", "data/a.mp4", "Ann", "test", rights)
    assert (bob.person, bob.split, bob.rights) == ("Bob", "val", ())  # whether it can be read is told later


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,split,person\na.mp4,train,Ann\nb.mp4,test,Ann\n", "Ann would be in train"),
        ("file,split\na.mp4,train\n", "row 2 lacks a file or a person"),
        ("file,split,person\na.mp4,dev,Ann\n", "row 2 has split 'dev', expected train, val, test"),
        ("file,split,person\n", "no video in"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "clips.csv").write_text(table)
    with pytest.raises(ConfigError, match=message) as error:
        find_sources([tmp_path])
    assert "\n" not in str(error.value)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no video in"):
        find_sources([tmp_path])
    with pytest.raises(ConfigError, match="no video in no folder"):
        find_sources([])
    with pytest.raises(MediaError, match="does not exist"):
        find_sources([tmp_path / "nowhere"])


def test_two_videos_with_the_same_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.mp4", "b/1.mp4")
    with pytest.raises(ConfigError, match="have the same name; give the folder that holds both"):
        find_sources([tmp_path / "a" / "1.mp4", tmp_path / "b" / "1.mp4"])
