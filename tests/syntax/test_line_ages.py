"""How long ago each line of a file was changed."""

from __future__ import annotations

import math
import os
import subprocess
from pathlib import Path

import pytest

from codemtl.syntax import line_ages as module
from codemtl.syntax.line_ages import line_ages

DAY = 86400
START = 1_700_000_000


def git(folder: Path, *arguments: str, day: float = 0) -> str:
    when = f"{START + int(day * DAY)} +0000"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True,
        env=kept | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
    )  # fmt: skip
    return done.stdout.strip()


def commit(folder: Path, text: str, day: float) -> str:
    (folder / "a.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Change.", day=day)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with the commits of days 0, 1 and 5."""
    folder = tmp_path / "tree"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, "a = 1\nb = 2\n", 0)
    commit(folder, "a = 1\nb = 3\n", 1)
    commit(folder, "a = 1\nb = 3\nc = 4\n", 5)
    return folder


def of_text(folder: Path, text: str, name: str = "a.py") -> list[float | None]:
    found = line_ages(("-C", str(folder)), name, contents=text.encode())
    return [None if math.isnan(one) else one for one in found]


def test_lines_are_as_old_as_their_last_change(tree: Path) -> None:
    assert of_text(tree, "a = 1\nb = 3\nc = 4\n") == [None, 4, 0]


def test_what_is_not_committed_has_no_age(tree: Path) -> None:
    assert of_text(tree, "x = 0\na = 1\nb = 4\nc = 4\nd = 5") == [0, None, 0, 0, 0]
    assert of_text(tree, "    a = 1\r\nb = 3\r\n") == [None, 4], "blanks are no change"


def test_a_commit_sees_what_was_before_it(tree: Path) -> None:
    before = git(tree, "rev-parse", "HEAD~1")
    found = line_ages(("--git-dir", str(tree / ".git")), "a.py", before)
    assert math.isnan(found[0]) and found[1:] == (0.0,)


def test_in_a_shallow_clone_the_oldest_lines_are_of_unknown_age(tree: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{tree}", str(shallow)], check=True
    )
    assert of_text(shallow, "a = 1\nb = 3\nc = 5\n") == [None, None, 0]


def test_where_git_knows_nothing_nothing_is_said(tree: Path, tmp_path: Path) -> None:
    assert of_text(tree, "a = 1\n", "new.py") == []
    assert of_text(tmp_path, "a = 1\n") == []
    assert of_text(tmp_path / "none", "a = 1\n") == []
    assert line_ages(("-C", str(tree)), "a.py", "0" * 40) == ()
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    assert of_text(empty, "a = 1\n") == []


def test_git_has_little_time_and_may_be_absent(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "SECONDS", 1e-6)
        assert of_text(tree, "a = 1\n") == []
    monkeypatch.setenv("PATH", str(tree))
    assert of_text(tree, "a = 1\n") == []


def test_a_repository_makes_nobody_run_programs(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\ncat "$1"\n')
    program.chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(program))
    git(tree, "config", "diff.python.textconv", str(program))
    (tree / ".gitattributes").write_text("*.py diff=python\n")
    assert len(of_text(tree, "a = 1\nb = 3\nc = 4\n")) == 3
    assert not (tmp_path / "ran").exists()
