"""Commits that import what a file had used undefined."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.corpus.import_fixes import import_changes, import_fixes

from .conftest import Repository

BEFORE = "import sys\n\n\ndef f(a):\n    return os.sep + a\n"
AFTER = BEFORE.replace("import sys", "import os\nimport sys")


def found(tmp_path: Path, before: str, after: str, **others: str) -> list[tuple[str, str]]:
    repository = Repository(tmp_path / "one")
    repository.commit("one", {"a.py": before, "b.py": "x = 1\n"})
    repository.commit("two", {"a.py": after, **others})
    repository.finish()
    changes = list(import_changes(str(tmp_path / "one"), 10))
    assert all(one.before == before.encode() and one.commit != one.parent for one in changes)
    return [(one.path, fix.wanted.statement) for one in changes for fix in import_fixes(one)]


@pytest.mark.parametrize(
    ("before", "after", "statements"),
    [
        (BEFORE, AFTER, ["import os"]),
        (BEFORE, AFTER.replace("import os", "import os, re  # both"), ["import os"]),
        (BEFORE, AFTER.replace("+ a", "+ b"), []),  # something else changes too
        (AFTER, BEFORE, []),
        (BEFORE.replace("os.sep", "sys.path"), AFTER.replace("os.sep", "sys.path"), []),  # unused
        ("from a import *\n" + BEFORE, "from a import *\n" + AFTER, []),  # may be defined there
        ("from m import (\n    c,\n)\nc(d)\n", "from m import (\n    c,\n    d,\n)\nc(d)\n",
         ["from m import d"]),
        (BEFORE + "1 +\n", AFTER + "1 +\n", []),  # nothing that Python reads
    ],
)  # fmt: skip
def test_what_counts(tmp_path: Path, before: str, after: str, statements: list[str]) -> None:
    assert found(tmp_path, before, after) == [("a.py", one) for one in statements]


def test_other_files_may_change_otherwise(tmp_path: Path) -> None:
    assert found(tmp_path, BEFORE, AFTER, **{"b.py": "x = 2\n"}) == [("a.py", "import os")]


def test_a_damaged_repository_ends_nothing(tmp_path: Path) -> None:
    assert list(import_changes(str(tmp_path), 10)) == []
