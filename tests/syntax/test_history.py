"""How long ago each line of a file was changed, and what its changes renamed."""

from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path

import pytest

from codemtl.syntax import git_output
from codemtl.syntax.history import History, history
from codemtl.syntax.line_ages import line_ages
from codemtl.syntax.renames import CHANGES, Renames, renames

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


def commit(folder: Path, text: str, day: float, name: str = "a.py") -> str:
    (folder / name).write_text(text)
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
        patch.setattr(git_output, "SECONDS", 1e-6)
        assert of_text(tree, "a = 1\n") == []
        assert history(("-C", str(tree)), "a.py") == History()
    monkeypatch.setenv("PATH", str(tree))
    assert of_text(tree, "a = 1\n") == []


def test_a_list_of_commits_to_look_past_need_not_be_there(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a = 1\nb = 3\nc = 4\n"
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[blame]\n\tignoreRevsFile = .git-blame-ignore-revs\n")
    assert of_text(tree, text) == [None, 4, 0]
    (tree / ".git-blame-ignore-revs").write_text(git(tree, "rev-parse", "HEAD~1") + "\n")
    assert of_text(tree, text) == [None, None, 0], "where it is there it counts"


def test_a_repository_makes_nobody_run_programs(tree: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\ncat "$1"\n')
    program.chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(program))
    git(tree, "config", "diff.python.textconv", str(program))
    git(tree, "config", "diff.external", str(program))
    git(tree, "config", "gpg.program", str(program))
    git(tree, "config", "log.showSignature", "true")
    attributes = tree / ".git" / "info" / "attributes"
    attributes.write_text("*.py diff=python\n")
    assert len(of_text(tree, "a = 1\nb = 3\nc = 4\n")) == 3
    assert renamed(tree, "x = 1\nb = 3\nc = 4\n") == {"a": {"x": 1.0}}
    for name in ("a=b", "unspecified", "set"):
        for how in ("clean", "process"):
            git(tree, "config", f"filter.{name}.{how}", str(program))
            attributes.write_text(f"*.py diff=python filter={name}\n")
            of_text(tree, "x = 1\nb = 3\nc = 4\n")
            assert renamed(tree, "x = 1\nb = 3\nc = 4\n") == {"a": {"x": 1.0}}
    assert not (tmp_path / "ran").exists()


def test_what_a_partial_clone_lacks_is_not_fetched(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tree, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    subprocess.run(
        ["git", "clone", "-q", "--filter=blob:none", f"file://{tree}", str(partial)], check=True
    )
    monkeypatch.delitem(git_output._ENVIRONMENT, "GIT_NO_LAZY_FETCH")  # unknown to old git
    assert renamed(partial, "x = 1\nb = 3\nc = 4\n") == {}


def renamed(folder: Path, text: str | None = None, name: str = "a.py") -> Renames:
    contents = None if text is None else text.encode()
    return renames(("-C", str(folder)), name, contents=contents)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("f(old, 1)", "f(new, 1)", {"old": {"new": 1.0}}),
        ("old = old + 1", "new = new + 1", {"old": {"new": 2.0}}),
        ("a.old.z", "a.new.z", {"old": {"new": 1.0}}),
        ("one.x(1)", "two.x(1)", {"one": {"two": 1.0}}),
        ("f(x)", "f(self.x)", {"x": {"self.x": 1.0}}),
        ("f(x.y)", "f(a.b.y)", {"x": {"a.b": 1.0}}),
        ("self.x = 1", "x = 1", {"self.x": {"x": 1.0}}),
        ("größe = 1", "länge = 1", {"größe": {"länge": 1.0}}),
        ("f(1, x)", "f(2, x)", {}),
        ("f(a)", "f(a, b)", {}),
        ("f(a)", "f()", {}),
        ("f(a)", "g.f(b, a)", {"f": {"g.f": 1.0}}),
    ],
)
def test_names_that_a_change_replaces(
    tree: Path, before: str, after: str, expected: Renames
) -> None:
    commit(tree, f"{before}\nb = 3\n", 6, "new.py")
    assert renamed(tree, f"{after}\nb = 3\n", "new.py") == expected, "not committed"
    commit(tree, f"{after}\nb = 3\n", 7, "new.py")
    assert renamed(tree, None, "new.py") == expected


def test_late_changes_count_most(tree: Path) -> None:
    for number, text in enumerate(("old + old + old", "one + old + old", "one + two + old")):
        commit(tree, f"y = {text}\n", 6 + number)
    assert renamed(tree)["old"] == {"two": 1.0, "one": 0.5}
    assert renamed(tree, "y = one + two + two\r\n")["old"] == {
        "two": 1.5,
        "one": pytest.approx(1 / 3),
    }
    for number in range(CHANGES - 1):
        commit(tree, f"y = one + two + {number}\n", 10 + number)
    assert renamed(tree)["old"] == {"two": pytest.approx(1 / CHANGES)}
    commit(tree, "y = one\n", 100)
    assert "old" not in renamed(tree)


def test_a_commit_knows_only_renames_before_it(tree: Path) -> None:
    first = commit(tree, "x = old\n", 6)
    second = commit(tree, "x = new\n", 7)
    bare = ("--git-dir", str(tree / ".git"))
    assert "old" not in renames(bare, "a.py", first)
    assert history(bare, "a.py", second).renames["old"] == {"new": 1.0}


@pytest.mark.parametrize("name", ["*.py", "?.py", "[ab].py", ":(x)a.py", ":!a.py", "-a.py"])
def test_a_name_of_a_file_is_no_pattern(tree: Path, name: str) -> None:
    commit(tree, "x = new\n", 6)
    commit(tree, "y = old\n", 7, name)
    commit(tree, "y = other\n", 8, name)
    assert renamed(tree, "y = 0\n", name) == {"old": {"other": 0.5}}


def test_bytes_that_part_changes_may_stand_in_the_file(tree: Path) -> None:
    commit(tree, 'x = "\x01", old\n\x01\n', 6)
    commit(tree, 'x = "\x01", new\n\x01\n', 7)
    assert renamed(tree)["old"] == {"new": 1.0}


def test_a_long_file_takes_little_time(tree: Path) -> None:
    rows = [f"    {i % 128},\n" for i in range(50_000)]
    commit(tree, "".join(["x = old\n", *rows, "y = 1\n"]), 6)
    began = time.process_time()
    assert renamed(tree, "".join(["x = new\n", *rows, "y = 1\n"])) == {"old": {"new": 1.0}}
    assert renamed(tree, "".join(["x = new\n", *rows, "z = 1\n"])) == {}, "too far apart"
    assert time.process_time() - began < 5  # 10 and more if all lines were compared

    commit(tree, "".join(["x = new\n", *(row + "0\n" for row in rows), "z = 1\n"]), 7)
    commit(tree, "".join(f"x{i} = 0\n0\n" for i in range(20_000)), 8)
    commit(tree, "".join(f"y{i} = 0\n0\n" for i in range(20_000)), 9)
    began = time.process_time()
    found = renamed(tree)
    assert "x0" in found and "x19999" not in found and "old" not in found
    assert time.process_time() - began < 5


def test_what_was_rewritten_as_a_whole_is_no_rename(tree: Path) -> None:
    commit(tree, "\n".join(f"a{i} = old" for i in range(300)) + "\n", 6)
    commit(tree, "\n".join(f"b{i} = new" for i in range(300)) + "\n", 7)
    assert "old" not in renamed(tree)


def test_where_git_knows_no_changes_there_are_no_renames(tree: Path, tmp_path: Path) -> None:
    assert renamed(tree, "a = 1\n", "new.py") == {}
    assert renamed(tmp_path, "a = 1\n") == {}
    assert renames(("-C", str(tree)), "a.py", "0" * 40) == {}
