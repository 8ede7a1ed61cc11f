"""From arguments to targets, and over files that fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from codemtl.errors import SourceError
from codemtl.inference.sources import (
    Target,
    apply_verified,
    each_file,
    find_targets,
    read_target,
)
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.results import FileResult
from codemtl.syntax.tree import parse


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pkg").mkdir()
    for name in ("a.py", "b.py"):
        (tmp_path / "pkg" / name).write_text("def f(): pass\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_file_once_in_order(folder: Path) -> None:
    found = find_targets(["pkg/b.py::f", "pkg/b.py::g", "./pkg", "pkg/a.py::f"])
    assert found == [Target("pkg/b.py"), Target("pkg/a.py")]
    assert find_targets(["pkg/b.py::f", "pkg/b.py::g"]) == [Target("pkg/b.py", ("f", "g"))]


def test_a_file_is_taken_once_whatever_links_lead_to_it(folder: Path) -> None:
    (folder / "link.py").symlink_to("pkg/a.py")
    (folder / "around").symlink_to("pkg", target_is_directory=True)
    named = ["link.py", "pkg/a.py", "around/b.py::f", "around", str(folder / "pkg/b.py")]
    assert find_targets(named) == [Target("link.py"), Target("around/b.py")]


def test_a_patch_that_its_file_cannot_hold_is_an_error_of_that_file(folder: Path) -> None:
    (folder / "c.py").write_text("# coding: ascii\n")
    results = list(each_file(
        [Target("c.py"), Target("pkg/a.py")],
        lambda source, names: FileResult("", patched="# coding: ascii\n# \u2019\n".encode()),
    ))  # fmt: skip
    assert [one.status for one in results] == ["error", "ok"]
    assert "cannot be encoded in ascii" in (results[0].message or "")


def test_what_is_not_there_becomes_an_error(folder: Path) -> None:
    targets = find_targets(["empty", "pkg::f", "missing.py", "pkg/a.py"])
    results = list(each_file(targets, lambda source, names: FileResult("")))
    assert [one.status for one in results] == ["error", "error", "error", "ok"]
    messages = [one.message or "" for one in results]
    assert "no Python files" in messages[0] and "empty" in messages[0]
    assert "is a folder" in messages[1]
    assert "missing.py" in messages[2]


def test_time_budget_skips_the_rest(folder: Path) -> None:
    results = each_file(
        find_targets(["pkg"]), lambda source, names: FileResult(""), time_budget=1e-9
    )
    assert [one.status for one in results] == ["skipped", "skipped"]


def test_an_internal_error_is_one_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def process(source: SourceFile, names: object) -> FileResult:
        raise ZeroDivisionError("oops")

    monkeypatch.delenv("CODEMTL_DEBUG", raising=False)
    (first, _) = each_file(find_targets(["pkg"]), process)
    assert first.status == "error"
    assert "ZeroDivisionError" in (first.message or "") and "CODEMTL_DEBUG=1" in first.message
    monkeypatch.setenv("CODEMTL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        list(each_file(find_targets(["pkg"]), process))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of Unix")
@pytest.mark.parametrize(
    ("flags", "message"),
    [(os.O_RDONLY, "-: larger than 10 MB"), (os.O_WRONLY, "cannot be read .*; give a file")],
)
def test_standard_input_that_has_no_end_or_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, flags: int, message: str
) -> None:
    with open(os.open("/dev/zero", flags)) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(SourceError, match=message):
            read_target(Target("-", stdin=True))


def test_edits_that_do_not_go_together_yield_to_the_better() -> None:
    tree = parse(b"x = 1 + 2\n")
    edits = [Edit(4, 5, "7"), Edit(4, 7, "8 -"), Edit(8, 9, "("), Edit(8, 9, "9")]
    patched, applied = apply_verified(tree, edits)
    assert patched == b"x = 7 + 9\n"
    assert applied == [edits[0], edits[3]]
    assert apply_verified(tree, []) == (None, [])
