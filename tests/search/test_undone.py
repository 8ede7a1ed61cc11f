"""Changes since the last commit, each taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codemtl.inference.sources import select_functions
from codemtl.search.outcomes import Baseline, TestOutcome
from codemtl.search.search import search
from codemtl.search.singles import SearchFile
from codemtl.search.undone import ADDED, RULE, UNDONE, changes, undone
from codemtl.syntax.definitions import functions
from codemtl.syntax.files import SourceFile
from tests.search.test_search import Judge

COMMITTED = '''"""Größe."""


def total(items):
    found = 0
    for item in items:
        found += item
    return found


def other(items):
    return len(items)
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.py"
    found.write_bytes(COMMITTED.encode())
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "Begin.")
    return found


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def baseline(path: Path, *lines: int) -> Baseline:
    return Baseline("failing", tests=(TestOutcome("t", False, 0.1, {path: frozenset(lines)}),))


def undo(path: Path, text: str, *lines: int, names: tuple[str, ...] = ()) -> list[str]:
    """The texts that are tried, when the failing test runs these lines."""
    path.write_bytes(text.encode())
    file = SearchFile.of(
        SourceFile.read(path), lambda tree: select_functions(tree, names), outside=not names
    )
    found = undone([file], baseline(path, *lines))
    assert not found or sum(one.candidate.weight for one in found) == pytest.approx(UNDONE)
    return [one.candidate.text(file.source.data).decode() for one in found]


def test_each_change_is_taken_back_the_most_suspicious_first(path: Path) -> None:
    one, two = ("found = 0", "found = 1"), ("len(items)", "len(items) + 1")
    now = COMMITTED.replace(*one).replace(*two)
    assert undo(path, now, 4, 5, 6) == [COMMITTED.replace(*two), COMMITTED.replace(*one)]
    assert undo(path, now, 11, 12) == [COMMITTED.replace(*one), COMMITTED.replace(*two)]


def test_lines_that_changed_together_are_taken_back_together_and_alone(path: Path) -> None:
    now = COMMITTED.replace(
        "found = 0\n    for item in items", "found = 1\n    for item in list(items)"
    )
    alone = [now.replace("found = 1", "found = 0"), now.replace("list(items)", "items")]
    assert undo(path, now, 5, 6) == [COMMITTED, *alone]


def test_lines_that_are_new_or_gone(path: Path) -> None:
    assert undo(path, COMMITTED.replace("        found += item\n", ""), 6) == [COMMITTED]
    assert undo(path, COMMITTED.replace("        found", "        item = 1\n        found"), 7) == [
        COMMITTED
    ]
    file = SearchFile.of(SourceFile.read(path), functions)
    assert [one.candidate.rule for one in undone([file], baseline(path, 7))] == [ADDED]


def test_half_a_character_is_no_change(path: Path) -> None:
    assert undo(path, COMMITTED.replace("Größe", "Grüße"), 5) == [COMMITTED]


def test_line_ends_are_those_of_the_file(path: Path) -> None:
    now = COMMITTED.replace("found = 0", "found = 1").replace("\n", "\r\n")
    assert undo(path, now, 5) == [COMMITTED.replace("\n", "\r\n")]


def test_a_line_that_ends_otherwise_leaves_the_others_as_they_are(path: Path) -> None:
    now = COMMITTED.replace("found = 0\n", "found = 1\r\n")
    assert undo(path, now, 5) == [COMMITTED]
    crlf = COMMITTED.replace("\n", "\r\n")
    now = crlf.replace("return found\r\n", "return found + 1\n")
    assert undo(path, now, 9) == [crlf]  # git had made them so
    path.write_bytes(crlf.encode())
    git(path.parent, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qam", "CRLF.")
    assert undo(path, now, 9) == [crlf]
    assert undo(path, COMMITTED.replace("found = 0", "found = 1"), 5) == [COMMITTED]


def test_what_the_encoding_of_the_file_cannot_hold_is_not_tried(path: Path) -> None:
    git(path.parent, "checkout", "-q", "-b", "euro")
    path.write_text(COMMITTED.replace("found += item", "found += item  # €"), "utf-8")
    git(path.parent, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qam", "Euro.")
    now = "# coding: latin-1\n" + COMMITTED.replace("found += item", "found -= item")
    path.write_bytes(now.encode("latin-1"))
    file = SearchFile.of(SourceFile.read(path), functions)
    judge = Judge([], at_once=1)
    outcome = search([file], baseline(file.path, 6, 7, 8), judge, None, seconds=20)
    assert outcome.passing and "€".encode() not in b"".join(judge.seen)


def test_only_functions_that_are_asked_for(path: Path) -> None:
    now = COMMITTED.replace("found = 0", "found = 1").replace("len(items)", "len(items) + 1")
    assert undo(path, now, 5, names=("total",)) == [now.replace("found = 1", "found = 0")]


def test_the_end_of_a_function_belongs_to_it(path: Path) -> None:
    for old, new in (
        ("    return found\n", ""),
        ("return found", "return"),
        ("    return found", "    # return found"),
        ("    for item in items:\n        found += item\n    return found\n", ""),
    ):
        now = COMMITTED.replace(old, new)
        assert undo(path, now, 5, names=("total",)) == [COMMITTED]
        assert undo(path, now, 5, names=("other",)) == []


def test_what_only_begins_in_a_function_does_not_belong_to_it(path: Path) -> None:
    more = "    return found + 1\n\n\ndef third(items):\n    return items\n"
    now = COMMITTED.replace("    return found\n", more)
    assert undo(path, now, 5, names=("total",)) == []
    assert undo(path, now, 5) == [COMMITTED]
    now = COMMITTED.partition("\n\n\ndef other")[0] + "\n"
    assert undo(path, now, 5, names=("total",)) == []
    assert undo(path, now, 5) == [COMMITTED]


def test_nothing_where_nothing_is_known(path: Path, tmp_path: Path) -> None:
    assert undo(path, COMMITTED, 5) == []
    new = tmp_path / "new.py"
    assert undo(new, COMMITTED, 5) == []
    file = SearchFile.of(SourceFile.from_bytes(COMMITTED.encode()), functions)
    assert undone([file], baseline(path, 5)) == []


def test_a_file_that_is_another_now_was_not_changed() -> None:
    before, now = ([b"%d of %d\n" % (at, way) for at in range(3000)] for way in (1, 2))
    assert not list(changes(before, now))
    assert len(list(changes(before[:3], now[:3]))) == 4


def test_the_search_begins_with_them(path: Path) -> None:
    path.write_text(COMMITTED.replace("found += item", "found += item if item > 9 else 0"), "utf-8")
    file = SearchFile.of(SourceFile.read(path), functions)
    judge = Judge([lambda f: f([3, 4]) == 7], at_once=1)
    outcome = search([file], baseline(file.path, 5, 6, 7), judge, None, seconds=20)
    first = outcome.passing[0]
    assert first.candidate.rule == RULE and first.tried == 1
    assert first.patched.decode() == COMMITTED
