"""Located and right: by the place of an edit, and by what it leaves."""

from __future__ import annotations

import pytest

from codemtl.evaluation.judging import judge, truth_of_edit, truth_of_rewrite
from codemtl.evaluation.synthetic import difference
from codemtl.syntax.edits import Edit, apply


def test_an_edit_is_right_if_it_restores_the_text_up_to_whitespace() -> None:
    text = b"if a  >= b: pass"
    fix = Edit(6, 8, "<")
    truth = truth_of_edit(text, 0, len(text), fix, "comparison")
    verdicts = [
        judge(text, edit, truth)
        for edit in (fix, Edit(5, 9, "<"), Edit(6, 8, "=="), Edit(3, 4, "b"), Edit(6, 6, " "))
    ]
    assert verdicts == [(True, True), (True, True), (True, False), (False, False), (False, False)]
    assert judge(text, fix, None) == (False, False)


def test_insertions_are_located_only_where_they_belong() -> None:
    text = b"if a: pass"
    truth = truth_of_edit(text, 0, len(text), Edit(3, 3, "not "), "negation")
    edits = (Edit(3, 3, "not "), Edit(3, 4, "b"), Edit(3, 4, "not a"), Edit(2, 4, " b"))
    verdicts = [judge(text, edit, truth) for edit in edits]
    assert verdicts == [(True, True), (False, False), (True, True), (True, False)]


BEFORE = b"x = 1\ndef f(a):\n    b = a + 1\n    c = g(a)\n    return b\n"
AFTER = "def f(a):\n    b = a - 1\n    c = g(a, b)\n    return b"


def test_a_rewrite_is_located_at_any_of_its_places_and_right_only_as_a_whole() -> None:
    start, end = BEFORE.index(b"def"), len(BEFORE) - 1
    truth = truth_of_rewrite(BEFORE, start, end, AFTER)
    plus, call = BEFORE.index(b"+"), BEFORE.index(b"g(a)")
    assert truth.spans == ((plus, plus + 1), (call + 3, call + 3))
    assert judge(BEFORE, Edit(plus, plus + 1, "-"), truth) == (True, False)
    assert judge(BEFORE, Edit(call + 2, call + 3, "b"), truth) == (True, False)  # touches it
    assert judge(BEFORE, Edit(call, call + 1, "h"), truth) == (False, False)
    assert judge(BEFORE, Edit(start, end, AFTER), truth) == (True, True)
    assert judge(BEFORE, Edit(0, 1, "y"), truth) == (False, False)  # another function's


@pytest.mark.parametrize(
    ("old", "new", "edit"),
    [
        (b"a < b", b"a <= b", (3, 3, "=")),
        (b"a <= b", b"a < b", (3, 4, "")),
        ("x = é + é".encode(), "x = è + é".encode(), (4, 6, "è")),
        (b"aa", b"aaa", (2, 2, "a")),
        (b"f(a, b)", b"f(b, a)", (2, 6, "b, a")),
    ],
)
def test_difference_is_the_mutation(old: bytes, new: bytes, edit: tuple[int, int, str]) -> None:
    found = difference(old, new)
    assert found == edit
    assert apply(old, [Edit(*found)]) == new
