"""Attributes that stand once, a keystroke from one that the file uses of the same object."""

from __future__ import annotations

import pytest

from codemtl.syntax.lone_attributes import lone_attributes
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

USES = "import sys\n\ndef f(block):\n    a(sys.platform)\n    b(sys.platform)\n    block.number()\n"


def found(line: str) -> list[tuple[str, tuple[str, ...], str, str | None]]:
    scopes = analyze(parse((USES + f"    {line}\n").encode()))
    return [(one.name, one.suggestions, one.kind, one.function) for one in lone_attributes(scopes)]


def test_a_slip_is_found_with_what_was_meant() -> None:
    slip = ("paltform", ("platform",), "attribute-misuse", "f")
    assert found("return sys.paltform") == [slip]
    assert found("return sys.platforms()") == [("platforms", ("platform",), "call-misuse", "f")]


def test_what_python_has_is_no_slip_but_another_object_may_be_called_so() -> None:
    uses = "os.chmod(2), os.chmod(3), os.fchmod(1)"
    assert found(f"import os; return {uses}") == []
    assert found(f"return {uses}") == [("fchmod", ("chmod",), "call-misuse", "f")]


def test_an_object_of_very_many_names_is_no_place_to_look() -> None:
    many = ", ".join(f"sys.name_{number}_" for number in range(300))
    assert found(f"return sys.paltform, {many}") == []


@pytest.mark.parametrize(
    "line",
    [
        "return sys.platform",
        "return sys.executable",
        "return sys.platfrmo",  # two keystrokes
        "return block.paltform",  # of another object
        "return f().paltform",
        "return block.numbers",  # what is like it is used only once
        "return sys.paltform + sys.paltform",
        "return sys.paltform, 'paltform'",
        "return sys.platform1, sys.platform2, sys.platform3",  # a family: none is the one meant
        "sys.paltform = 1",
        "return block.getSize(), block.setSize(1), block.setSize(2)",
        "return block.uuid1(), block.uuid4(), block.uuid4()",
        "import os; return os.fchmod(1), os.chmod(2), os.chmod(3)",  # Python has both
        "return block.lstrip(), block.rstrip(), block.rstrip()",
    ],
)
def test_silence_about_what_may_be_meant(line: str) -> None:
    assert found(line) == []
