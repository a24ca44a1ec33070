"""The version of what the geometric renderer draws changes exactly when its golden pictures do."""

import numpy as np
import pytest
from comparison import Golden
from drawings import hashes_of, next_version, read_record, write_record
from PIL import Image
from studio import DRAWINGS_PATH


def test_the_packages_record_is_of_the_golden_pictures(golden: Golden) -> None:
    hashes = hashes_of(golden.folder / "geometric")
    version, recorded = read_record(DRAWINGS_PATH)
    if golden.update:
        write_record(DRAWINGS_PATH, next_version(version, recorded, hashes), hashes)
        recorded = read_record(DRAWINGS_PATH)[1]
    assert recorded == hashes, "run pytest tests/golden --update-golden, all of it"


def test_a_version_stays_until_a_picture_changes() -> None:
    before = {"a": "1", "b": "2"}
    assert next_version("7", before, before) == "7"
    assert next_version("7", before, before | {"c": "3"}) == "7"
    assert next_version("7", before, {"a": "1"}) == "7"
    changed = next_version("7", before, before | {"b": "3"})
    assert changed not in ("7", next_version("7", before, before | {"b": "4"}))


@pytest.mark.parametrize("level", [0, 1])
def test_a_hash_is_of_the_pixels(tmp_path_factory: pytest.TempPathFactory, level: int) -> None:
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    pixels = np.zeros((8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(one / "a.png", compress_level=0)
    pixels[4, 4, 1] += level
    Image.fromarray(pixels).save(other / "a.png", compress_level=9)
    assert (hashes_of(one) == hashes_of(other)) == (level == 0)
