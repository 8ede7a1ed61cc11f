"""That only the changed statements are parsed, and that this changes no outcome of the search."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from codemtl.corpus import fixes
from codemtl.corpus.blocks import changed_window, parts
from codemtl.corpus.fixes import Fix, find_fix
from codemtl.syntax.tree import parse, parse_spans

FILE = '''\
#!/usr/bin/env python
# The top.
"""Étagère: (["""
from os import (
path,
    sep)

LIMIT = {"a": 1,
"b": [2, (3, "]")]}


@decorated(1,
  "class A:")
class Shelf(
    Base,
):
    # first of all
    """A shelf."""

    size: int = 3
  # oddly placed
    def find(self, low, high):
        """Find."""
        text = """
def inside():
    return 1
"""
        if low < high and \\
           self.open:
            return text[low]
# at the margin
        else:
            return f"{high!r:>{low}} '"

    @property
    def open(self):
        def inner(step):
            return step + self.size

        return inner(1)

    class Inner:
        def deep(self): return 'it\\'s'


class Plain: pass


class Bare:
\tdef tabbed(self):
\t\treturn r"\\\\" + self.x

\t"not a docstring"

\tdef second(self, other):
\t\treturn self.x - other


try:
    import fast
except ImportError:
    fast = None
else:
    fast.start()


def total(items):
    result = 0
    for item in items:  # all
        result += item
    else:
        result -= 1
    return result

"no docstring either"


async def last(x): return await x or not x
'''


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without windows: whole files are parsed."""
    monkeypatch.setattr(fixes, "changed_window", lambda *_: None)
    return monkeypatch


def facts(old: bytes, new: bytes) -> object:
    found = find_fix(old, new)
    if isinstance(found, str):
        return found
    return {name: getattr(found, name) for name in Fix.__slots__}


CHANGES = (
    ("<", "<="), ("low", "high"), ("1", "2"), ("and", "or"), ("self.", ""), ("return", "yield"),
    ("    ", ""), ("    ", "  "), ("\n", "\n\n"), ("\n", "\n# more\n"), ('"', "'"), ("(", "(("),
    (")", ""), ("def ", "async def "), (":", ":  # why"), ("\n\n", "\n"), ("item", "thing"),
    ("is", "print is"), ('"""', '"'), ("else", "elif x"), ("\t", "\t\t"), ("\\", ""),
    ("pass", "..."), ("@property\n", ""), ("not ", ""), (" + ", " - "), ("result", "items"),
)  # fmt: skip


def changed(text: str, rng: random.Random) -> str:
    """One to three small changes at random places; many of them break the file."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        old, new = rng.choice(CHANGES)
        places = [at for at in range(len(text)) if text.startswith(old, at)]
        if places:
            at = rng.choice(places)
            text = text[:at] + new + text[at + len(old) :]
    return text


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_random_changes_have_the_outcome_of_whole_files(
    newline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(2026)
    file = FILE.replace("\n", newline)
    pairs = [(file.encode(), changed(file, rng).encode()) for _ in range(120)]
    quick = [facts(*pair) for pair in pairs]
    outcomes = Counter(one if isinstance(one, str) else "fix" for one in quick)
    assert min(outcomes[one] for one in ("fix", "syntax", "outside functions")) > 8
    monkeypatch.setattr(fixes, "changed_window", lambda *_: None)
    assert [facts(*pair) for pair in pairs] == quick


def test_only_what_changed_is_in_the_window() -> None:
    old = FILE.encode()
    window = changed_window(old, old.replace(b"step + self", b"step - self"))
    assert window is not None
    header, member = (old[start:end].decode() for start, end in window.old)
    assert header.startswith("@decorated") and header.endswith("# first of all\n")
    assert member.startswith("    @property") and member.endswith("return inner(1)\n\n")
    tree = parse_spans(old, window.old)
    assert not tree.root.has_error
    start = old.index(b"step + self")
    found = tree.root.descendant_for_byte_range(start, start + len(b"step + self"))
    assert found is not None and found.type == "binary_operator"


def test_the_parts_are_the_file_and_stand_alone() -> None:
    old = FILE.encode()
    window = changed_window(old, old + b"x = 1\n")
    assert window is not None
    found = list(parts(old, window.old_bounds))
    assert b"".join(one.removeprefix(b"class _:\n") for one in found) == old
    assert not any(parse(one).root.has_error for one in found)
    assert sum(one.startswith(b"class _:\n") for one in found) == 6


def test_a_string_is_no_docstring_because_nothing_is_above_it() -> None:
    for text in ("no docstring either", "not a docstring"):
        assert facts(FILE.encode(), FILE.replace(text, "other").encode()) == "outside functions"
    assert facts(FILE.encode(), FILE.replace("A shelf.", "A box.").encode()) == "outside functions"


@pytest.mark.parametrize("text", ['x = """\n', "x = (\n", "x = 'a\n", "x = 1)\n", "a\fb\n", "a\rb"])
def test_what_cannot_be_told_by_lines_is_left_to_the_parser(text: str) -> None:
    old = f"def f():\n    return 1\n\n\n{text}".encode()
    assert changed_window(old, old.replace(b"return 1", b"return 2")) is None


def test_a_part_with_python_2_is_found_out(whole: pytest.MonkeyPatch) -> None:
    old = b"def f(a):\n    return a < 1\n\n\ndef g():\n    print 'x'\n"
    pair = old, old.replace(b"<", b"<=")
    assert facts(*pair) == "syntax"
    whole.undo()
    assert facts(*pair) == "syntax"
