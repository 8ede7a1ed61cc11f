"""Histories as they come: what is found, what is left out and why, and what damage does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from codemtl.corpus.build import build
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.fixes import mine_fixes
from codemtl.corpus.history import is_documentation, is_test
from codemtl.corpus.splits import split_of
from codemtl.corpus.trees import find_sources

MIT = "Permission is hereby granted, free of charge, to any person"
MODULE = '''\
"""A module."""


def clamp(value, low, high):
    """Keep a value between two others."""
    if value < low:
        return low
    if value > high:
        return low
    return value


def mean(values):
    total = sum(values)
    return total / len(values)
'''
FIXED = MODULE.replace("> high:\n        return low", "> high:\n        return high")
MEAN = FIXED.replace("return total / len(values)", "return total / max(len(values), 1)")

Make = Callable[[str], Any]  # the name of a repository -> conftest.Repository
Mined = tuple[list[dict[str, Any]], Counter[str], Counter[str]]


def name_in(split: str, number: int = 0) -> str:
    """A project name that falls into a split."""
    return [f"proj{i}" for i in range(200) if split_of(f"proj{i}") == split][number]


def mined(repository: Any, revisions: str = "HEAD") -> Mined:
    """Rows, what was walked, and what was rejected (without zeros)."""
    walked: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    rows = list(mine_fixes(str(repository.path), revisions, "p", Exclusions(), walked, rejected))
    return rows, walked, +rejected


def start(make_history: Make, name: str = "proj", text: str = MODULE) -> Any:
    repository = make_history(name)
    repository.commit("Start", {"LICENSE": MIT, "a.py": text, "tests/test_a.py": "x = 1\n"})
    return repository


def test_a_fix_with_its_test_and_changelog(make_history: Make) -> None:
    repository = start(make_history)
    changes = {"a.py": FIXED, "tests/test_a.py": "x = 2\n", "CHANGES.rst": "Fixed.\n"}
    repository.commit("Fix the upper bound\n\nLong story.", changes)
    repository.finish()
    rows, walked, rejected = mined(repository)
    assert walked == {"commits": 2, "say fix": 1}
    assert rejected == {}
    (row,) = rows
    assert row["commit"] == repository.git("rev-parse", "HEAD")
    assert row["parent"] == repository.git("rev-parse", "HEAD~1")
    assert row["file"] == MODULE == repository.git("show", "HEAD~1:a.py") + "\n"
    assert (row["path"], row["qualname"], row["kind"]) == ("a.py", "clamp", "variable-misuse")
    data = MODULE.encode()
    assert data[row["start"] : row["end"]].decode() == row["before"]
    assert data[row["edit_start"] : row["edit_end"]] == b"low" == row["edit_original"].encode()
    assert row["edit_replacement"] == "high"
    assert (
        row["before"].replace("high:\n        return low", "high:\n        return high")
        == row["after"]
    )
    assert (row["message"], row["tests"]) == ("Fix the upper bound", True)
    assert row["date"] == "2023-11-14T22:15:20+00:00"


@pytest.mark.parametrize(
    ("message", "changes", "reason"),
    [
        ("Fix flake8", {"a.py": FIXED}, "docs, style, tests or build"),
        ("Fix bound", {"a.py": FIXED, "b.py": "x = 1\n"}, "adds or removes a file"),
        ("Fix bound", {"a.py": FIXED, "c.py": "x = 1\n"}, "several files"),
        ("Fix bound", {"a.py": FIXED, "data.json": "[]"}, "other files"),
        ("Fix bound", {"a.py": None, "d.py": MODULE}, "renames a file"),
        ("Fix bound", {"a.py": None}, "adds or removes a file"),
        ("Fix bound", {"tests/test_a.py": "x = 3\n", "docs/a.py": "x\n"},
         "tests or documentation only"),
        ("Fix bound", {"data.json": "[]"}, "no Python"),
        ("Fix bound", {"setup.py": "x = 1\n"}, "build file"),
        ("Fix bound", {"vendor/v.py": "x = 1\n"}, "vendored file"),
        ("Fix bound", {"tornado/web.py": "x = 1\n"}, "reserved file"),
        ("Fix bound", {"a.py": "x = (\n"}, "adds or removes a function"),
        ("Fix bound", {"a.py": MODULE.replace("low, high", "low, high, by")}, "signature"),
        ("Fix bound", {"a.py": FIXED.encode().replace(b"A module", b"\xff")}, "encoding"),
        ("Fix bound", {}, "tests or documentation only"),
    ],
)  # fmt: skip
def test_what_is_left_out(
    make_history: Make, message: str, changes: dict[str, str], reason: str
) -> None:
    repository = make_history("proj")
    files = {"a.py": MODULE, "c.py": "", "data.json": "", "setup.py": "", "vendor/v.py": "",
             "tornado/web.py": "", "tests/test_a.py": ""}  # fmt: skip
    repository.commit("Start", files)
    repository.commit(message, changes)
    repository.finish()
    rows, walked, rejected = mined(repository)
    assert (rows, rejected) == ([], {reason: 1})
    assert walked == {"commits": 2, "say fix": 1}


def test_merges_submodules_first_commits_and_what_is_taken_back(make_history: Make) -> None:
    repository = make_history("proj")
    first = repository.commit("Fix everything", {"a.py": MODULE})
    fixed = repository.commit("Fix bound", {"a.py": FIXED})
    side = repository.commit("Side", {"b.py": "x = 1\n"}, parents=(first,))
    repository.commit("Merge branch 'fix'", {"b.py": "x = 1\n"}, parents=(fixed, side))
    repository.commit("Fix mean", {"a.py": MEAN}, submodules=("sub",))
    repository.commit("Fix mean of none", {"a.py": MEAN.replace("1)", "2)")})
    repository.finish()
    name = repository.git("rev-parse", "HEAD")
    repository.commit(f'Revert "Fix mean of none"\n\nThis reverts commit {name}.', {"a.py": MEAN})
    repository.finish()
    rows, walked, rejected = mined(repository)
    assert [row["message"] for row in rows] == ["Fix bound"]
    assert walked == {"commits": 7, "merges": 1, "say fix": 5}
    assert rejected == {"no parent": 1, "submodule": 1, "taken back later": 1, "revert": 1}


def test_silent_fixes_are_single_edits_for_training_only(
    make_history: Make, tmp_path: Path
) -> None:
    swapped = FIXED.replace("return total / len(values)", "return len(values) / total")
    steps = [
        ("Return the upper bound", FIXED),
        ("Return the upper bound, no more", FIXED.replace("high:\n        return high", "low:")),
        ("Cleanup", FIXED.replace("> high", ">= high")),
        ("Divide the other way round", swapped),
        ("Take another default", swapped.replace("return low", "return None")),
    ]
    repository = start(make_history, name_in("train"))
    for message, text in steps:
        repository.commit(message, {"a.py": text})
        repository.commit("Go back", {"a.py": MODULE})
    repository.finish()
    walked: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    place = str(repository.path)
    found = list(mine_fixes(place, "HEAD", "p", Exclusions(), walked, rejected, silent=True))
    assert [(row["message"], row["kind"], row["silent"]) for row in reversed(found)] == [
        ("Return the upper bound", "variable-misuse", True),
        ("Go back", "variable-misuse", True),
    ]
    assert (walked, rejected) == ({"commits": 11}, {})
    last = repository.git("rev-list", "--reverse", "HEAD").split()[1]
    repository.commit(f'Revert "Return"\n\nThis reverts commit {last}.', {"a.py": MODULE})
    repository.finish()
    found = list(mine_fixes(place, "HEAD", "p", Exclusions(), walked, rejected, silent=True))
    assert [row["message"] for row in found] == ["Go back"]
    assert mined(repository)[0] == []
    text = "def area(width, height):\n    sides = [width, height]\n    return sides[0] * width\n"
    other = start(make_history, name_in("test"), text)
    other.commit("Multiply both sides", {"a.py": text.replace("* width", "* height")})
    other.finish()
    summary = build([tmp_path / "mirror"], tmp_path / "out", jobs=1)
    assert not summary.fixes and summary.silent_fixes == {"variable-misuse": 1}


def test_a_shallow_clone_ends_at_its_boundary(make_history: Make, tmp_path: Path) -> None:
    repository = start(make_history)
    repository.commit("Fix bound", {"a.py": FIXED})
    repository.commit("Fix mean", {"a.py": MEAN})
    url = f"file://{repository.finish()}"
    repository.path = tmp_path / "shallow"
    command = ["git", "clone", "-q", "--bare", "--depth", "2", url, str(repository.path)]
    subprocess.run(command, check=True)
    rows, walked, rejected = mined(repository)
    assert [row["message"] for row in rows] == ["Fix mean"]
    assert (walked["commits"], rejected) == (2, {"no parent": 1})


@pytest.mark.parametrize("kind", ["blob", "tree", "commit"])
@pytest.mark.parametrize("how", ["missing", "garbled"])
def test_damaged_objects_are_counted_and_stepped_over(
    make_history: Make, kind: str, how: str
) -> None:
    repository = start(make_history)
    repository.commit("Fix bound", {"a.py": FIXED})
    repository.commit("Fix mean", {"a.py": MEAN})
    repository.commit("Fix bound again", {"a.py": MEAN.replace("< low", "<= low")})
    repository.finish()
    at = {"blob": "HEAD~1:a.py", "tree": "HEAD~1^{tree}", "commit": "HEAD~2"}[kind]
    name = repository.git("rev-parse", at)
    file = repository.path / "objects" / name[:2] / name[2:]
    if how == "missing":
        file.unlink()
    else:
        file.chmod(0o644)
        file.write_bytes(b"garbled")
    rows, walked, rejected = mined(repository)
    found = [row["message"] for row in rows]
    if kind == "commit":  # nothing behind it can be reached
        assert found == ["Fix bound again"]
        assert walked == {"commits": 1, "say fix": 1, "cut short": 1}
    else:  # the commits on both sides of the damage need the object
        assert found == ["Fix bound"]
        assert rejected == {"unreadable": 2}


def test_an_empty_repository(make_history: Make, tmp_path: Path) -> None:
    repository = make_history("proj")
    assert mined(repository) == ([], {"cut short": 1}, {})
    start(make_history, "other").finish()
    summary = build([tmp_path / "mirror"], tmp_path / "out", jobs=1)
    assert summary.projects.total() == 1 and not summary.errors


def test_paths() -> None:
    for path in ("tests/a.py", "pkg/test/data.json", "pkg/test_a.py", "conftest.py"):
        assert is_test(path)
    for path in ("README.md", "docs/conf.py", "CHANGES", "changelog.d/1.fix", "NEWS.txt"):
        assert is_documentation(path)
    for path in ("a.py", "requirements.txt", "pkg/contest.py", "pkg/news.py"):
        assert not is_test(path) and not is_documentation(path)


def corpus(make_history: Make) -> None:
    """A project of each split with the same fix, and one of its own."""
    for number, split in enumerate(("train", "validation", "test")):
        repository = start(make_history, name_in(split))
        repository.commit("Fix bound", {"a.py": FIXED})
        own = FIXED + f"\n\ndef own_{split}(a, b):\n    c = [a, b]\n    return c[{number}] + a\n"
        repository.commit("Grow", {"a.py": own})
        repository.commit("Fix own", {"a.py": own.replace("+ a", "+ b")})
        repository.finish()


def test_splits_share_no_fix(make_history: Make, tmp_path: Path) -> None:
    corpus(make_history)
    out = tmp_path / "out"
    summary = build([tmp_path / "mirror"], out, jobs=1)
    assert summary.fixes == {"test": 2, "validation": 1, "train": 1}
    assert summary.rejected_fixes == {"duplicate": 2}
    assert summary.walked == {"commits": 12, "say fix": 6}
    fixes = Dataset.load_from_disk(str(out / "fixes")).to_list()
    assert [row["fix_id"] for row in fixes] == [0, 1, 2, 3]
    assert {(row["qualname"], row["split"]) for row in fixes} == {
        ("clamp", "test"), ("own_test", "test"), ("own_validation", "validation"),
        ("own_train", "train"),
    }  # fmt: skip
    assert {row["licence"] for row in fixes} == {"MIT"}
    held_out = {
        row[name] for row in fixes for name in ("hash_before", "hash_after")
        if row["split"] == "test"
    }  # fmt: skip
    functions = Dataset.load_from_disk(str(out / "functions")).to_list()
    for row in functions:
        assert row["split"] == "test" or row["hash"] not in held_out
    counts = json.loads((out / "summary.json").read_text())
    assert counts["fix_kinds"] == {"variable-misuse": 4}
    assert len(set(counts["fix_checksums"].values())) == 3


def test_history_can_be_left_out(make_history: Make, tmp_path: Path) -> None:
    corpus(make_history)
    summary = build([tmp_path / "mirror"], tmp_path / "out", jobs=1, history=False)
    assert not summary.fixes and not summary.walked
    assert len(Dataset.load_from_disk(str(tmp_path / "out" / "fixes"))) == 0


def test_a_killed_build_goes_on_where_it_stopped(make_history: Make, tmp_path: Path) -> None:
    corpus(make_history)
    last = find_sources(tmp_path / "mirror")[-1].project
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from codemtl.corpus import parts\n"
        "from codemtl.corpus.build import build\n"
        "mine = parts.mine_fixes\n"
        "def stop(*arguments, **more):\n"
        f"    if arguments[2] == {last!r}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return mine(*arguments, **more)\n"
        "parts.mine_fixes = stop\n"
        "build([Path(sys.argv[1])], Path(sys.argv[2]), jobs=1)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "mirror"), str(tmp_path / "out")]
    killed = subprocess.run(command, check=False, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL
    done = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("parts/*/part.json")}
    assert len(done) == 2
    assert not (tmp_path / "out" / "fixes").exists()
    summary = build([tmp_path / "mirror"], tmp_path / "out", jobs=1)
    assert all(file.stat().st_mtime_ns == time for file, time in done.items())
    assert summary == build([tmp_path / "mirror"], tmp_path / "fresh", jobs=1)
    one, two = (Dataset.load_from_disk(str(tmp_path / out / "fixes")) for out in ("out", "fresh"))
    assert one.to_list() == two.to_list()
