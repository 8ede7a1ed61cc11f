"""Names whose value comes only after the place where they would stand."""

from __future__ import annotations

from textwrap import indent

import pytest

from codemtl.syntax.assigned_later import assigned_later
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse


@pytest.mark.parametrize(
    ("body", "later"),
    [
        ("use(HERE)\nb = 1", True),
        ("b = 1\nuse(HERE)", False),
        ("b = use(HERE)", True),
        ("b = 0\nb = use(HERE)", False),
        ("b += HERE", True),
        ("(a, b), c = HERE", True),
        ("x = [b for b in HERE]", False),  # another b, of the comprehension
        ("while x:\n    use(HERE)\n    b = 1", False),
        ("while x:\n    b = use(HERE)", False),
        ("for b in x:\n    use(HERE)", False),
        ("for a in x:\n    use(HERE)\nfor b in x:\n    pass", True),
        ("if x:\n    b = 1\nelse:\n    use(HERE)", False),  # who knows
        ("use(HERE)\nwith x as b:\n    pass", True),
        ("use(HERE)\nimport b", False),  # not known by its place
        ("use(HERE)\ndef b(): pass", True),
        ("global b\nuse(HERE)\nb = 1", False),
        ("def inner():\n    use(HERE)\nb = 1", False),  # may be called later
        ("y = lambda: HERE\nb = 1", False),
        ("y = [HERE for a in x]\nb = 1", False),  # another scope: nothing is said
        ("use(HERE)\nif (b := x):\n    pass", True),
        ("use(HERE)\nmatch x:\n    case [b]:\n        pass", True),
        ("use(HERE)\ntry:\n    pass\nexcept E as b:\n    pass", True),
        ("use(HERE)", False),
    ],
)
def test_names_that_are_assigned_below(body: str, later: bool) -> None:
    text = f"def f(x):\n{indent(body, '    ')}\n".encode()
    scopes = analyze(parse(text.replace(b"HERE", b"q")))
    assert assigned_later(scopes, text.index(b"HERE"), "b") == later


def test_parameters_and_names_outside_have_values() -> None:
    text = b"def f(b):\n    use(q)\n    b = 1\n\nuse(q)\nc = 1\n"
    scopes = analyze(parse(text))
    assert not assigned_later(scopes, text.index(b"q"), "b")
    assert not assigned_later(scopes, text.index(b"q"), "c")
    assert not assigned_later(scopes, text.rindex(b"q"), "c"), "only of functions"
