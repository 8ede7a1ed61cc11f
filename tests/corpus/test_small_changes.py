"""What commits do to files in which they change a few lines."""

from __future__ import annotations

from pathlib import Path

from codemtl.corpus.small_changes import small_changes

from .conftest import Repository


def test_files_that_change_little_in_commits_that_do_not_change_many(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "one")
    repository.commit("one", {"a.py": "a\n", "b.py": "b\n" * 9, "c.py": "c\n", "d.txt": "d\n"})
    repository.commit("two", {"a.py": "a2\n", "b.py": "b2\n" * 9, "new.py": "n\n", "d.txt": "e\n"})
    repository.commit("three", {"a.py": "a3\n", "c.py": "c3\n"})
    repository.finish()
    found = small_changes(str(tmp_path / "one"), 10, most_lines=4, most_files=1)
    assert [(one.path, one.before, one.after) for one in found] == [("a.py", b"a\n", b"a2\n")]


def test_a_damaged_repository_ends_nothing(tmp_path: Path) -> None:
    assert list(small_changes(str(tmp_path), 10, most_lines=4)) == []
