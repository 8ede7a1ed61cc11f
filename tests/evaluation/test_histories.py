"""The files of a project's last commit, and what small commits did to them."""

from __future__ import annotations

from pathlib import Path

from codemtl.evaluation.histories import changed_files, last_files

from .test_repositories import commit, git


def test_files_of_a_project(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    commit(tmp_path, a="x = 1\n", b="import a\na.x\n", test_c="y = 1\n")
    commit(tmp_path, a="x = 2\n", test_c="y = 2\n")
    ((change, was, now),) = changed_files("ours", str(tmp_path / ".git"))
    assert (change.path, was.text, now.text) == ("a.py", b"x = 1\n", b"x = 2\n")
    assert was.project is not None and now.project is not None
    assert (was.project.text("a.py"), now.project.text("a.py")) == (b"x = 1\n", b"x = 2\n")
    last = list(last_files("ours", str(tmp_path / ".git")))
    assert [(one.origin.path, one.text) for one in last] == [
        ("a.py", b"x = 2\n"), ("b.py", b"import a\na.x\n")
    ]  # fmt: skip
    assert last[0].project is not None
    assert last[0].project.mentions("a")
