"""Undefined names among the first candidates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codemtl.inference.sources import select_functions
from codemtl.search.outcomes import Baseline, TestOutcome
from codemtl.search.search import search
from codemtl.search.singles import SearchFile
from codemtl.search.undefined import DEFINED, undefined
from codemtl.syntax.files import SourceFile
from tests.search.test_search import Judge

TEXT = """\
def f(path):
    return os.path.join(path, json.dumps(path))


def g(value):
    return vlaue + os.sep
"""


def candidates(path: Path, *lines: int, names: tuple[str, ...] = ()) -> list[str]:
    """The texts, most probable first, when the failing test runs these lines."""
    file, failing = searched(path, *lines, names=names)
    found = undefined([file], failing)
    assert not found or sum(one.candidate.weight for one in found) == pytest.approx(DEFINED)
    found.sort(key=lambda one: -one.candidate.weight)
    return [one.candidate.text(file.source.data).decode() for one in found]


def searched(path: Path, *lines: int, names: tuple[str, ...] = ()) -> tuple[SearchFile, Baseline]:
    file = SearchFile.of(
        SourceFile.read(path), lambda tree: select_functions(tree, names), outside=not names
    )
    test = TestOutcome("t", False, 0.1, {path: frozenset(lines)})
    return file, Baseline("failing", tests=(test,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.py"
    found.write_text(TEXT)
    return found


def test_each_name_and_all_of_them_the_most_suspicious_first(path: Path) -> None:
    renamed = TEXT.replace("vlaue", "value")
    assert candidates(path, 5, 6) == [
        "import os\n\n\n" + TEXT, renamed, "import json\nimport os\n\n\n" + renamed,
        "import json\n\n\n" + TEXT,
    ]  # fmt: skip


def test_only_functions_that_are_asked_for(path: Path) -> None:
    assert set(candidates(path, names=("g",))) == {
        TEXT.replace("vlaue", "value"), "import os\n\n\n" + TEXT,
        "import os\n\n\n" + TEXT.replace("vlaue", "value"),
    }  # fmt: skip


def test_what_stands_outside_of_functions_counts_with_the_whole_file(path: Path) -> None:
    path.write_text("x = os.sep\n\n\ndef f():\n    return x\n")
    assert candidates(path) == ["import os\n\n" + path.read_text()]
    assert candidates(path, names=("f",)) == []


def test_an_import_that_leads_nowhere(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (tmp_path / "pyproject.toml").touch()
    (package / "__init__.py").touch()
    (package / "runners.py").write_text("def run(): pass\n")
    path = package / "a.py"
    path.write_text("from .runner import run\n")
    assert candidates(path) == ["from .runners import run\n"]


def test_a_call_that_cannot_work(path: Path) -> None:
    text = "def g(a, b):\n    return a - b\n\n\ndef f(a, b):\n    return {}\n"
    path.write_text(text.format("g(a)"))
    assert candidates(path, 6) == [text.format("g(a, b)")]


def test_nothing_where_all_is_defined(path: Path) -> None:
    path.write_text("import os\n\n\ndef f():\n    return os.sep\n")
    assert candidates(path) == []


def test_the_search_begins_with_them(path: Path) -> None:
    path.write_text("import sys\n\n\ndef total(a):\n    return a + os.sep\n")
    file, failing = searched(path, 4, 5)
    wanted = b"import os\n" + file.source.data
    judge = Judge([lambda f: f("a") == f"a{os.sep}"], at_once=1)
    outcome = search([file], failing, judge, None, seconds=10)
    assert [one.patched for one in outcome.passing][:1] == [wanted]
