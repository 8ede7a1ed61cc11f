"""Among lines that are as likely by the decoder, what the rest of the function says decides."""

from __future__ import annotations

import pytest

from codemtl.inference.line_choice import WEIGHTS, Proposal, features, worth
from codemtl.syntax.definitions import functions
from codemtl.syntax.missing_line import MissingLine
from codemtl.syntax.tree import parse


def place(source: str) -> MissingLine:
    tree = parse(source.encode())
    return MissingLine(tree, functions(tree)[0], source.index("HERE"), "HERE")


def proposal(text: str, total: float = -4.0) -> Proposal:
    return Proposal(text, total, 6, 0)


@pytest.mark.parametrize(
    ("source", "better", "worse"),
    [
        (
            "def f(self, path, mode):\n    self.path = path\n    HERE\n",
            "self.mode = mode", "self.mode = path",
        ),
        ("def f(a):\n    HERE\n    return size\n", "size = len(a)", "width = len(a)"),
        ("def f(a):\n    g(a)\n    HERE\n    return a\n", "h(a)", "return a"),
        ("def f(a):\n    g(a)\n    HERE\n    h(a)\n", "h(g(a))", "g(a)"),
        ("def f(a):\n    HERE\n    return b\n", "b = a + 1", "b = c + 1"),
    ],
)  # fmt: skip
def test_what_the_function_says_decides(source: str, better: str, worse: str) -> None:
    found = place(source)
    assert worth(proposal(better), found) > worth(proposal(worse), found)


def test_the_decoder_and_similar_places_decide_too() -> None:
    found = place("def f(a):\n    HERE\n    return a\n")
    assert worth(proposal("a.b()", -2.0), found) > worth(proposal("a.b()", -8.0), found)
    first = Proposal("a.b()", -4.0, 6, None, 0, 2.5, True)
    assert worth(first, found) > worth(first._replace(rank=9, alike=0.5), found)
    assert worth(proposal("a.b()", -2.0), None) > worth(proposal("a.b()", -8.0), None)


def test_every_weight_is_of_a_feature() -> None:
    found = features(proposal("a.b()"), place("def f(a):\n    HERE\n    return a\n"))
    assert set(WEIGHTS) == set(found)
    assert all(value == value for value in found.values())
