"""Two versions of a file: which function was repaired, by which edit, and what is no repair."""

from __future__ import annotations

import pytest

from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.fixes import MAX_CHANGED_LINES, Fix, find_fix
from codemtl.corpus.hashing import function_hash
from codemtl.syntax.definitions import find
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.tree import parse

FILE = '''\
"""Étagère."""
import logging

LIMIT = 3


def first():
    return LIMIT


class Shelf:
    """A shelf."""

    def find(self, low, high, books):
        """Find a book."""
        # from the left
        titles = [book.title for book in books if not book.lost]
        count = 0

        def key(book, step):
            return book.size + step

        while low < high and self.open:
            count += 1
            low = self.move(low, high)
        if count is None:
            raise ValueError("no book was found here")
        logging.info("done")
        return titles[low]

    def move(self, low, high):
        return low + 1
'''


def fix_of(old: str, new: str, *more: tuple[str, str]) -> Fix | str:
    after = FILE
    for a, b in ((old, new), *more):
        assert a in after
        after = after.replace(a, b, 1)
    return find_fix(FILE.encode(), after.encode())


@pytest.mark.parametrize(
    ("old", "new", "kind", "original", "replacement"),
    [
        ("low < high", "low <= high", "comparison", "<", "<="),
        ("is None", "is not None", "comparison", "is", "is not"),
        ("high and self", "high or self", "boolean-operator", "and", "or"),
        ("count += 1", "count -= 1", "augmented-assignment", "+=", "-="),
        ("if not book", "if book", "negation", "not ", ""),
        ("and self.open", "and not self.open", "negation", "", "not "),
        ("count = 0", "count = 1", "off-by-one", "0", "1"),
        ("titles[low]", "titles[low - 1]", "off-by-one", "", " - 1"),
        ("self.move(low, high)", "self.move(high, low)", "argument-swap", "low, high", "high, low"),
        ("self.move(low", "self.move(count", "variable-misuse", "low", "count"),
        ("book.title", "book.size", "attribute-misuse", "title", "size"),
        ("self.move(", "self.find(", "call-misuse", "move", "find"),
    ],
)
def test_kinds(old: str, new: str, kind: str, original: str, replacement: str) -> None:
    found = fix_of(old, new)
    assert isinstance(found, Fix)
    assert (found.qualname, found.kind) == ("Shelf.find", kind)
    assert found.edit is not None
    assert (found.edit_original, found.edit.replacement) == (original, replacement)
    data = found.file.encode()
    assert found.file == FILE
    assert data[found.start : found.end].decode() == found.before
    patched = parse(apply(data, [found.edit]))
    assert function_hash(patched, find(patched, "Shelf.find").node) == found.hash_after
    assert found.hash_after != found.hash_before


def test_undefined_names() -> None:
    broken = FILE.replace("return titles[low]", "return title[low]")
    found = find_fix(broken.encode(), FILE.encode())
    assert isinstance(found, Fix)
    assert (found.kind, found.edit_original) == ("undefined-name", "title")
    broken = FILE.replace("and self.open", "and open_")
    found = find_fix(broken.encode(), broken.replace("open_", "self.open_").encode())
    assert isinstance(found, Fix) and isinstance(found.edit, Edit)
    assert (found.kind, found.edit.replacement) == ("undefined-name", "self.open_")


def test_the_innermost_function() -> None:
    found = fix_of("book.size + step", "book.size - step")
    assert isinstance(found, Fix)
    assert found.qualname == "Shelf.find.<locals>.key"
    assert found.before == "def key(book, step):\n            return book.size + step"
    assert found.kind == "binary-operator"


def test_rewrites_have_no_edit() -> None:
    found = fix_of("titles[low]", "titles[low] if titles else None")
    assert isinstance(found, Fix)
    assert (found.kind, found.edit, found.edit_original) == ("rewrite", None, "")
    assert "if titles else None" in found.after


def test_comments_docstrings_and_layout_do_not_count() -> None:
    found = fix_of(
        "low < high", "low <= high",
        ("# from the left", "# from the right"), ("A shelf.", "A long shelf."),
        ("Find a book.", "Find one book."), ("Étagère", "Étagères"), ("+= 1", "+=  1  # up"),
    )  # fmt: skip
    assert isinstance(found, Fix)
    assert (found.kind, found.edit_original) == ("comparison", "<")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([("# from the left", "# from the right")], "no change of code"),
        ([("Find a book.", "Find one book.")], "outside functions"),
        ([("LIMIT = 3", "LIMIT = 4")], "outside functions"),
        ([("low < high", "low <= high"), ("LIMIT = 3", "LIMIT = 4")], "outside functions"),
        ([("low < high", "low <= high"), ("low + 1", "low + 2")], "several functions"),
        ([("def move", "def step")], "adds or removes a function"),
        ([("def move(self, low, high)", "def move(self, low, high, by=1)")], "signature"),
        ([("count = 0", "total = 0"), ("count += 1", "total += 1"), ("count is", "total is")],
         "renaming"),
        ([("no book was found here", "no book was found there")], "message"),
        ([('logging.info("done")', 'logging.debug("done")')], "logging"),
        ([('        logging.info("done")\n', "")], "logging"),
        ([("return titles[low]", "return (titles[low])")], "layout"),
        ([("def move(self, low, high)", "def move(self, low: int, high)")], "annotations"),
        ([("count = 0", "count = = 0")], "syntax"),
        ([("return titles[low]", "print titles[low]")], "syntax"),
    ],
)  # fmt: skip
def test_what_is_no_repair(changes: list[tuple[str, str]], reason: str) -> None:
    assert fix_of(*changes[0], *changes[1:]) == reason


def test_large_changes_are_turned_down_before_parsing() -> None:
    many = "\n".join(f"        x{number} = 1" for number in range(MAX_CHANGED_LINES + 1))
    assert fix_of("        count = 0", many) == "too large"


def test_other_encodings() -> None:
    old = "# coding: latin-1\r\ndef f(a, b):\r\n    return 'é', a < b\r\n"
    new = old.replace("<", "<=")
    found = find_fix(old.encode("latin-1"), new.encode("latin-1"))
    assert isinstance(found, Fix)
    assert found.file == old
    assert old.encode()[found.start : found.end].decode() == found.before
    assert found.kind == "comparison"
    assert find_fix(b"x = '\xff'\n", b"x = '\xfe'\n") == "encoding"
    assert find_fix(b"x = 1\0", b"x = 2\0") == "binary"


def test_benchmark_functions_are_excluded() -> None:
    tree = parse(FILE.encode())
    exclusions = Exclusions(frozenset({function_hash(tree, find(tree, "Shelf.find").node)}))
    new = FILE.replace("low < high", "low <= high").encode()
    for old, other in ((FILE.encode(), new), (new, FILE.encode())):
        assert find_fix(old, other, "p", "a.py", exclusions) == "benchmark"
