from __future__ import annotations

import pytest

from codemtl.syntax.history import History
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

CLASS = """
class Page:
    def __init__(self, size, mode):
        self.size = {size}
        self._mode = mode

    def area(self, other):
        return {use}
"""


def suggestions(text: str) -> dict[str, tuple[str, ...]]:
    """By undefined name."""
    return {one.name: one.suggestions for one in analyze(parse(text.encode())).undefined_names}


@pytest.mark.parametrize(
    ("use", "first"),
    [
        ("size * 2", "self.size"),
        ("mode", "self._mode"),
        ("sefl.size", "self"),
        ("NOne", "None"),
        ("ValuError(other)", "ValueError"),
        ("lenn(other)", "len"),
    ],
)
def test_in_a_method(use: str, first: str) -> None:
    (found,) = suggestions(CLASS.format(size="size", use=use)).values()
    assert found[0] == first


def test_what_an_attribute_is_set_to_is_not_the_attribute() -> None:
    text = CLASS.format(size="size_hint", use="0").replace("size_hint", "length")
    text = text.replace("self.size = length", "self.length = length")
    assert suggestions(text) == {"length": ()}


def test_what_the_file_finds_elsewhere_in_a_module_or_an_object() -> None:
    text = (
        "import subprocess\n\n\n"
        "def run(command, settings):\n"
        "    if settings.verbose:\n"
        "        subprocess.Popen(command, stdin=subprocess.PIPE)\n"
        "    return Popen(command, stdin=PIPE), verbose\n"
    )
    assert suggestions(text) == {
        "Popen": ("subprocess.Popen",),
        "PIPE": ("subprocess.PIPE",),
        "verbose": ("settings.verbose",),
    }


def test_self_outside_a_method_is_the_first_parameter() -> None:
    assert suggestions("def area(page, unit):\n    return self.size * page.size\n") == {
        "self": ("page",)
    }
    assert suggestions("size = self.size\n") == {"self": ()}


def test_a_variable_that_nothing_uses_and_that_shares_a_word() -> None:
    text = "def plot(plot_height, width):\n    return [height, width]\n"
    assert suggestions(text) == {"height": ("plot_height",)}
    assert suggestions(text.replace("[", "[plot_height, ")) == {"height": ()}


@pytest.mark.parametrize(
    ("became", "expected"),
    [
        ({"total": 1.0, "other": 2.0}, "other"),
        ({"total": 1.0, "other": 0.5}, "total"),
        ({"nowhere": 3.0, "total": 1.0}, "total"),
        ({"self.size": 1.0}, "self.size"),
        ({"self.nowhere": 1.0}, None),
        ({"math.inf": 1.0, "maths.inf": 2.0}, "math.inf"),
        ({"len": 1.0}, "len"),
        ({"gone": 1.0}, None),
    ],
)
def test_what_changes_put_in_the_place_of_a_name(
    became: dict[str, float], expected: str | None
) -> None:
    text = CLASS.format(size="size", use="gone + other") + "\nimport math\ntotal = 1\n"
    tree = parse(text.encode(), history=History(renames={"gone": became}))
    (found,) = analyze(tree).undefined_names
    assert found.renamed == expected
