"""Bugs made of fixes that change a function in several places."""

from __future__ import annotations

import pytest

from codemtl.corpus.fix_parts import FixPart, fix_parts
from codemtl.syntax.edits import apply

HEAD = "import math\n\n\n"
MEDIAN = """\
def median(masks, limit, masks_nan):
    masks_nan = hide(masks)
    if len(masks) < limit:
        return mean(masks)
    return middle(masks)"""


def parts(before: str, after: str) -> list[FixPart]:
    return list(fix_parts(HEAD + before + "\n", len(HEAD), before, after))


def test_each_change_alone_is_a_bug_that_one_edit_repairs() -> None:
    after = MEDIAN.replace("mean(masks)", "mean(masks_nan)").replace("< limit", "<= limit")
    found = parts(MEDIAN, after)
    assert [part.kind for part in found] == ["comparison", "variable-misuse"]
    for part in found:
        data = part.file.encode()
        assert data[part.start : part.end].startswith(b"def median(")
        assert apply(data, [part.edit]).decode() == HEAD + after + "\n"
    assert found[0].file == HEAD + MEDIAN.replace("mean(masks)", "mean(masks_nan)") + "\n"


def test_what_comes_and_goes_is_a_bug_too() -> None:
    before = "def f(self, xs, done):\n    if done:\n        xs = await self.g(xs)\n    return xs[0]"
    after = "def f(self, xs, done):\n    if not done:\n        xs = self.g(xs)\n    return xs[0]"
    (negation,) = parts(before, after)
    assert (negation.kind, negation.edit.replacement) == ("negation", "not ")
    assert negation.file == HEAD + after.replace("if not done", "if done") + "\n"
    (back,) = parts(after, before)
    assert (back.kind, back.edit.replacement) == ("negation", "")
    assert back.file == HEAD + before.replace("if done", "if not done") + "\n"


def test_changes_of_other_functions_lines_stay() -> None:
    other = "\n\n\ndef g(masks, limit):\n    return masks < limit\n"
    after = MEDIAN.replace("mean(masks)", "mean(masks_nan)").replace("middle", "sorted")
    file = HEAD + MEDIAN + other
    for part in fix_parts(file, len(HEAD), MEDIAN, after):
        assert part.file.endswith(other)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (MEDIAN, MEDIAN.replace("< limit", "<= limit"), "one change is the whole fix"),
        (
            "def f(a, b):\n    return g(a) + h(a) + k(a)",
            "def f(a, b):\n    return g(b) + h(b) + k(b)",
            "the same change everywhere is a renaming",
        ),
        (
            "def f(x, size=512):\n    return x[size : 512]",
            "def f(x, size=256):\n    return x[size : 256]",
            "another number is another setting",
        ),
        (
            "def f(x):\n    return x + '²', g(x, '5')",
            "def f(x):\n    return x + '³', g(x, '6')",
            "digits of which Python makes no number",
        ),
        (
            "def f(self):\n    return self._run(self._limit)",
            "def f(self):\n    return self.run(self.limit)",
            "who may call it is no repair",
        ),
        (
            "def f(old):\n    return old + g(old, 1)",
            "def f(new):\n    return new + g(new, 1)",
            "undefined names",
        ),
        ("def f(x):\n    return g(x)", "async def f(x):\n    return await g(x)", "no edit of ours"),
        ("def f(x):\n    return g(x", "def f(y):\n    return g(y", "does not parse"),
    ],
)
def test_what_is_no_bug(before: str, after: str, why: str) -> None:
    assert parts(before, after) == [], why


def test_spans_are_bytes() -> None:
    before = "def f(ä, ö):\n    # größer\n    return (ä < 1) + g(ä)"
    after = before.replace("<", "<=").replace("g(ä)", "g(ö)")
    found = parts(before, after)
    assert [part.edit.replacement for part in found] == ["<=", "ö"]
    for part in found:
        assert apply(part.file.encode(), [part.edit]).decode() == HEAD + after + "\n"
