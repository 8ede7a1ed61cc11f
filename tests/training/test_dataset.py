"""What --data may name: prepared shards, or a mined corpus that is prepared on the way."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import NoReturn

import pytest
from datasets import Dataset

from codemtl.corpus.build import build
from codemtl.errors import DataError, UsageError
from codemtl.model.config import PRESETS, ModelConfig
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import ACTIONS
from codemtl.tasks.example import ALL_FAMILIES, piece_ids
from codemtl.training import dataset
from codemtl.training.dataset import shards_folder
from codemtl.training.prepare import _jobs, _split_as, _with_validation, prepare
from codemtl.training.run import train
from codemtl.training.shards import Shards

SMALL = ModelConfig(**{**PRESETS["tiny"].to_dict(), "vocab_size": 600})
MODULE = '''
import os

def join_all_{n}(parts, separator):
    """Join the parts with a separator number {n}."""
    result = ""
    for index, part in enumerate(parts):
        if index > {n}:
            result += separator
        result += str(part)
    return os.path.join(result, separator)
'''


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of one project with twelve files, mined as a user's own code."""
    monkeypatch.setattr(dataset, "SHIPPED_MODEL", tmp_path / "no weights")
    source = tmp_path / "project"
    source.mkdir()
    for number in range(12):
        (source / f"module_{number}.py").write_text(MODULE.format(n=number))
    build([source], tmp_path / "corpus", jobs=1, any_licence=True)
    return tmp_path / "corpus"


def test_shards_are_taken_as_they_are(tiny: Path) -> None:
    assert shards_folder(tiny, SMALL) == tiny


def test_a_folder_with_nothing_to_train_from_is_explained(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(DataError, match="neither shards nor a corpus"):
        shards_folder(tmp_path, SMALL)
    (tmp_path / "train-00000.safetensors.xz").write_bytes(b"x")
    with pytest.raises(DataError, match=r"shards but no tokenizer\.json"):
        shards_folder(tmp_path, SMALL)
    (tmp_path / "stopped" / "functions").mkdir(parents=True)
    with pytest.raises(DataError, match=r"has no summary\.json: `codemtl mine` was stopped"):
        shards_folder(tmp_path / "stopped", SMALL)
    assert not (tmp_path / "stopped" / "shards").exists()
    with pytest.raises(DataError, match="neither shards nor a corpus"):
        train(preset="tiny", data=tmp_path / "empty", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_corpus_is_prepared_once_and_anew_when_it_changes(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    folder = shards_folder(corpus, SMALL, lambda done, total: seen.append((done, total)))
    assert folder == corpus / "shards"
    assert seen and seen[-1][0] == seen[-1][1]
    assert len(Shards(folder, "train")) + len(Shards(folder, "validation")) == 12
    assert len(Shards(folder, "validation")) == 1
    assert CodeTokenizer.load(folder).vocab_size <= 600
    shard = folder / "train-00000.safetensors.xz"
    made = shard.stat().st_mtime_ns

    assert shards_folder(corpus, SMALL) == folder
    assert shard.stat().st_mtime_ns == made

    mark = json.loads((folder / "prepared.json").read_text())
    (folder / "prepared.json").write_text(json.dumps({**mark, "complete": False}))
    (folder / "validation-00000.safetensors.xz").unlink()  # as if it had been stopped
    shards_folder(corpus, SMALL)
    assert (folder / "validation-00000.safetensors.xz").exists()
    assert shard.stat().st_mtime_ns == made

    old = json.loads((folder / "prepared.json").read_text())
    (folder / "prepared.json").write_text(json.dumps({**old, "format": "codemtl-shard-3"}))
    shards_folder(corpus, SMALL)
    assert shard.stat().st_mtime_ns != made
    made = shard.stat().st_mtime_ns

    (corpus / "summary.json").write_text("{}")
    shards_folder(corpus, SMALL)
    assert shard.stat().st_mtime_ns != made


@pytest.mark.slow
def test_training_from_a_corpus_follows_its_tokenizer(corpus: Path, tmp_path: Path) -> None:
    quick = ["evaluate_batches=1", "micro_tokens=512", "threads=1"]
    train(preset="tiny", data=corpus, out=tmp_path / "out", max_steps=1, overrides=quick)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vocab_size"] == CodeTokenizer.load(tmp_path / "out").vocab_size < 8192
    with pytest.raises(UsageError, match="leave the setting out"):
        train(
            preset="tiny", data=corpus / "shards", out=tmp_path / "other",
            overrides=["model.vocab_size=4096"],
        )  # fmt: skip


def test_fixes_follow_the_files_that_they_are_of() -> None:
    places = [("a", "1.py", "train"), ("a", "2.py", "validation"), ("b", "1.py", "validation")]
    projects, paths = ["a", "a", "a", "b", "b"], ["1.py", "2.py", "gone.py", "1.py", "gone.py"]
    wanted = ["train", "validation", "train", "validation", "validation"]
    assert _split_as(places, projects, paths) == wanted


def test_validation_is_a_project_of_its_own_where_there_are_several() -> None:
    projects = ["a"] * 30 + ["b"] * 10 + ["c"] * 5 + ["d"]
    paths = [f"{number}.py" for number in range(len(projects))]
    splits = _with_validation(["train"] * len(projects), projects, paths)
    held = {p for p, split in zip(projects, splits, strict=True) if split == "validation"}
    assert held == {"c"}, "the smallest that is not too small"
    assert "validation" not in {s for s, p in zip(splits, projects, strict=True) if p != "c"}
    single = _with_validation(["train"] * 30, ["a"] * 30, paths[:30])
    assert single.count("validation") == 3
    elsewhere = _with_validation(["test"] * 30, ["a"] * 30, paths[:30])
    assert elsewhere == single
    kept = ["train", "validation", "test"]
    assert _with_validation(kept, ["a", "b", "c"], ["x", "y", "z"]) == kept


def test_real_fixes_of_a_corpus_become_examples(corpus: Path, tiny: Path, tmp_path: Path) -> None:
    before = "def f(items, limit):\n    return [item for item in items if item <= limit]\n"
    at = before.index("<=")
    after = before.replace("<=", "<")
    rows = [{
        "fix_id": number, "split": "test", "project": "project", "path": "gone.py", "kind": kind,
        "file": before, "start": 0, "before": before[:-1], "after": after[:-1],
        "end": len(before) - 1, "edit_start": at, "edit_end": at + 2, "edit_replacement": "<",
    } for number, kind in enumerate(("comparison", "rewrite"))]  # fmt: skip
    Dataset.from_list(rows).save_to_disk(str(corpus / "fixes"))
    prepare(corpus, tmp_path / "out", tiny / "tokenizer.json", SMALL, jobs=1)
    found = Shards(tmp_path / "out", "train")
    (bug,) = [found[index] for index in range(len(found)) if found.buggy[index]]
    site, action = bug.fix.tolist()
    assert ALL_FAMILIES[bug.site_family[site]] == "comparison"
    assert ACTIONS[action].label == "<"


def _killed(_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_process_that_is_killed_ends_the_preparation(
    corpus: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codemtl.training.prepare._run", _killed)
    with pytest.raises(DataError, match=r"was killed .* the same command goes on"):
        prepare(corpus, tmp_path / "out", tiny / "tokenizer.json", SMALL, jobs=2)


def test_one_file_is_too_little_to_learn_from(tmp_path: Path, tiny: Path) -> None:
    tokenizer = tiny / "tokenizer.json"
    for number, wanted in ((1, None), (2, {"train", "validation"})):
        source, corpus = tmp_path / f"project_{number}", tmp_path / f"corpus_{number}"
        source.mkdir()
        for name in range(number):
            (source / f"module_{name}.py").write_text(MODULE.format(n=name))
        build([source], corpus, jobs=1, any_licence=True)
        if wanted is None:
            with pytest.raises(DataError, match=r"functions of one file alone.*at least two files"):
                prepare(corpus, tmp_path / "out", tokenizer, SMALL, jobs=1)
            continue
        assert {job.target.name.partition("-")[0] for job in _jobs(
            corpus, tmp_path / "out", tokenizer, SMALL, 0
        )} == wanted  # fmt: skip


def test_functions_know_their_place_in_the_file(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = "    def inner_name(values):\n        return sum(values) / len(values)\n"
    outer = f"def outer_name(values):\n{inner}    return inner_name(values)\n\n"
    later = "def later_name(values):\n    return max(values) - min(values)\n"
    (tmp_path / "project").mkdir()
    for number in range(12):
        text = (outer + later).replace("name", f"name_{number}").replace("values", f"v{number}")
        (tmp_path / "project" / f"module_{number}.py").write_text(text)
    build([tmp_path / "project"], tmp_path / "corpus", jobs=1, any_licence=True)
    prepare(tmp_path / "corpus", tmp_path / "out", tiny / "tokenizer.json", SMALL, jobs=1)
    found, tokenizer = Shards(tmp_path / "out", "train", siblings=True), CodeTokenizer.load(tiny)
    for index in range(len(found)):
        own, told = tokenizer.decode(piece_ids(found[index].pieces)), found[index].siblings
        assert told is not None
        others = [tokenizer.decode(piece_ids(one)) for one in told.functions]
        if own.startswith("deflater"):
            assert [one[:8] for one in others] == ["defouter", "definner"]
        else:  # what is around or inside would give away what is to be written
            assert [one[:8] for one in others] == ["deflater"]
        number = own.partition("name_")[2].partition("(")[0]
        assert all(f"name_{number}(" in one for one in others), "of the same file"
