"""Shards hold examples as they were, and refuse what is not theirs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from codemtl.errors import DataError
from codemtl.tasks.example import CONTINUES, Example, Ragged
from codemtl.training.shards import Shard, Shards, write_shard


def assert_same(one: Example, other: Example) -> None:
    for item in fields(Example):
        if item.name in ("sites", "name_texts", "siblings"):
            continue
        left, right = getattr(one, item.name), getattr(other, item.name)
        if isinstance(left, Ragged):
            assert np.array_equal(left.values, right.values), item.name
            assert np.array_equal(left.offsets, right.offsets), item.name
        else:
            assert np.array_equal(left, right), item.name


def test_what_is_written_is_read(shards: Shards, tmp_path: Path) -> None:
    examples = [shards[index] for index in (0, 5, 17, len(shards) - 1)]
    path = tmp_path / "train-00000.safetensors.xz"
    write_shard(path, examples)
    assert path.stat().st_mode & 0o044, "others may read it"
    assert list(tmp_path.iterdir()) == [path]
    again = Shard(path)
    assert len(again) == 4
    for index, example in enumerate(examples):
        assert_same(again[index], example)
        begun = [(pieces < CONTINUES).sum() for pieces in (example.pieces, example.context)]
        assert again.lengths[index] == sum(begun) + 2
        assert again.site_counts[index] == len(example.site_family)


def test_shards_are_one_sequence(shards: Shards, tmp_path: Path) -> None:
    for number, rows in enumerate(((0, 1), (2,), (3, 4))):
        write_shard(tmp_path / f"train-{number:05d}.safetensors.xz", [shards[row] for row in rows])
    together = Shards(tmp_path, "train")
    assert len(together) == 5
    for row in range(5):
        assert_same(together[row], shards[row])
    with pytest.raises(DataError, match="no validation-"):
        Shards(tmp_path, "validation")


@pytest.mark.parametrize("data", [b"", b"12345", b"\x00" * 64, b"\xff" * 64, b"{}" * 50])
def test_a_file_that_is_no_shard_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "train-00000.safetensors.xz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"train-00000\.safetensors\.xz"):
        Shards(tmp_path, "train")


def test_a_truncated_shard_is_named(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "train-00000.safetensors.xz"
    path.write_bytes((tiny / path.name).read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"train-00000\.safetensors\.xz"):
        Shards(tmp_path, "train")


def test_values_that_do_not_fit_are_refused(shards: Shards, tmp_path: Path) -> None:
    example = shards[0]
    example.pieces = example.pieces + 70_000
    with pytest.raises(DataError, match="pieces holds values outside uint16"):
        write_shard(tmp_path / "x.safetensors.xz", [example])


def test_train_and_validation_of_tiny_share_no_function(tiny: Path) -> None:
    def keys(split: str) -> set[bytes]:
        part = Shards(tiny, split)
        return {part[index].pieces.tobytes() for index in range(len(part))}

    assert not keys("train") & keys("validation")
    assert sum(path.stat().st_size for path in tiny.iterdir()) < 1_500_000


def test_shards_are_unpacked_once_and_anew_when_they_change(shards: Shards, tmp_path: Path) -> None:
    path = tmp_path / "train-00000.safetensors.xz"
    for rows in ((0, 1), (2,)):
        write_shard(path, [shards[row] for row in rows])
        for _ in range(2):
            assert len(Shard(path)) == len(rows)
    assert len(list((tmp_path / ".unpacked").iterdir())) == 2


def test_shards_in_a_folder_that_cannot_be_written_are_used(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "train-00000.safetensors.xz"
    path.parent.mkdir()
    write_shard(path, [shards[0]])
    (path.parent / ".unpacked").write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert_same(Shard(path)[0], shards[0])
    assert list((tmp_path / "codemtl-shards").glob("*/*.safetensors"))


def test_training_from_shards_needs_neither_tree_sitter_nor_datasets(
    tiny: Path, tmp_path: Path
) -> None:
    program = f"""
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tree_sitter", "tree_sitter_python", "datasets", "pyarrow"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from pathlib import Path
from codemtl.training.run import train
train(preset="tiny", data=Path({str(tiny)!r}), out=Path({str(tmp_path / "run")!r}), max_steps=2)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_siblings_are_the_other_functions_of_the_file(shards: Shards, tiny: Path) -> None:
    found = Shards(tiny, "train", siblings=True)
    assert shards[0].siblings is None and not shards.siblings.any()
    places = [found[index].place for index in range(len(found))]
    for index in range(0, len(found), 7):
        told = found[index].siblings
        assert told is not None
        others = [
            found[row]
            for row, place in enumerate(places)
            if place[0] == places[index][0] and place[1] != places[index][1]
        ]
        assert [*map(bytes, told.functions)] == [bytes(one.pieces) for one in others]
        assert [*map(bytes, told.summaries)] == [bytes(one.summary) for one in others]
        assert found.siblings[index] == sum(len(one.pieces) for one in others)


def test_functions_of_unknown_place_have_no_siblings(shards: Shards, tmp_path: Path) -> None:
    rows = [shards[0], shards[1]]
    for row in rows:
        row.place = row.place[:0]
    write_shard(tmp_path / "train-00000.safetensors.xz", rows)
    found = Shards(tmp_path, "train", siblings=True)
    told = found[1].siblings
    assert told is not None and len(told.functions) == 0
    assert not found.siblings.any()


def test_a_worker_knows_siblings_too(tiny: Path) -> None:
    shard = Shard(tiny / "train-00000.safetensors.xz", siblings=True)
    one, other = pickle.loads(pickle.dumps(shard))[3].siblings, shard[3].siblings
    assert one is not None and other is not None and len(one.functions) > 0
    assert np.array_equal(one.functions.values, other.functions.values)
