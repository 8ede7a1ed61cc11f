"""What is taken for a summary."""

from __future__ import annotations

import pytest

from codemtl.inference.sentences import is_summary


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Initializes a TarsTagger.", True),
        ("Start the read_all loop.", True),
        ("Open an HTTPServer.", True),
        ("Open a JsonReader.", False),
        ("Return self._index or __name__.", False),
        ("Return JSON, or 2D arrays of URLs. Ends in self.", False),
    ],
)
def test_names_that_the_file_lacks_are_of_others(text: str, wanted: bool) -> None:
    code = "class JsonReader:\n    def f(self):\n        return self._index or __name__\n"
    assert is_summary(text, code) != wanted


@pytest.mark.parametrize(
    "text",
    [
        "K(1, 2)) v(1)",
        "Return a quoted string with the given d['b']} {d[.",
        'Keeps a "string.',
        "Return `value.",
        "two-dimensional two (y) ::",
        "Return a'''b.",
        "Return q\\.",
    ],
)
def test_debris_of_code_is_no_summary(text: str) -> None:
    assert not is_summary(text, "")


@pytest.mark.parametrize(
    "text",
    [
        "Return the caller's name (or None).",
        'Map "a" to `b[0]`, {c} to (d[e]).',
        "Note: it doesn't close the file; see f(x) = y.",
        "expression : expression '+' term",
    ],
)
def test_prose_is(text: str) -> None:
    assert is_summary(text, "")
