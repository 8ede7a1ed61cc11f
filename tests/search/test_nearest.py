"""What is said of a candidate that mends some of the tests."""

from __future__ import annotations

from pathlib import Path

from codemtl.search.candidates import Candidate
from codemtl.search.queue import Item
from codemtl.search.repair import _nearest
from codemtl.search.search import Outcome
from codemtl.search.singles import SearchFile
from codemtl.search.undone import RULE
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile

PATH = Path("a.py")
SOURCE = b"""def total(items):
    found = 1
    for item in items:
        found -= item
        return found
"""
ONE, TWO = Edit(30, 31, "0"), Edit(SOURCE.index(b"-="), SOURCE.index(b"-=") + 1, "+")
DEDENT = Edit(SOURCE.index(b"    return"), SOURCE.index(b"return"), "")


def said(*edits: Edit, rule: str = "site", mended: int = 2) -> str:
    file = SearchFile.of(SourceFile.from_bytes(SOURCE, PATH), functions)
    nearest = Item(PATH, Candidate(edits, 1.0, rule, "rewrite", "total"))
    return _nearest(Outcome(nearest=nearest, mended=mended), {PATH: file}, 3)


def test_one_edit() -> None:
    assert said(ONE) == "; '1' to '0' in line 2 of a.py mends 2 of 3"
    assert said(ONE, mended=3) == "; '1' to '0' in line 2 of a.py mends them, but then others fail"
    assert said(Edit(31, 31, " * 0")) == "; '* 0' in line 2 of a.py mends 2 of 3"


def test_all_edits_that_are_needed_are_named() -> None:
    both = "; '1' to '0' in line 2 and '-' to '+' in line 4 of a.py mend 2 of 3"
    assert said(ONE, TWO) == both
    assert " in line 4 and 2 more of a.py mend" in said(ONE, ONE, TWO, TWO, TWO)


def test_indentation() -> None:
    assert said(DEDENT) == "; other indentation in line 5 of a.py mends 2 of 3"


def test_what_was_changed_since_the_last_commit() -> None:
    back = "; the change since the last commit taken back in line 5 of a.py mends 2 of 3"
    assert said(DEDENT, rule=RULE) == back
