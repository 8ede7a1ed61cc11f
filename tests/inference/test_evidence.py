"""What the text says for or against an edit."""

from __future__ import annotations

import math

import pytest

from codemtl.inference import SHIPPED_MODEL
from codemtl.inference.evidence import OLD, TYPICAL, Evidence, contradicted, evidence
from codemtl.inference.parallels import Parallels
from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.syntax.actions import Site
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.history import UNKNOWN, History
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.load(SHIPPED_MODEL)


TEXT = """
import policies, rules


def find(policy, rule):
    {use}
    return policy.take({name}.Limit)
"""


@pytest.mark.parametrize(
    ("use", "name", "replacement", "answer"),
    [
        ("rules.Limit.check(policy)", "rules", "policies", True),
        ("rules.Limit.check(policy)", "rules", "rule", True),
        ("policies.Limit.check(rules.Limit)", "rules", "policies", False),
        ("rules.Other.check(policy)", "rules", "policies", False),
        ("rule.Limit.check(policy)", "rule", "policies", False),
    ],
)
def test_an_import_whose_attribute_the_file_uses_elsewhere(
    use: str, name: str, replacement: str, answer: bool
) -> None:
    scopes, site = place(TEXT.format(use=use, name=name), f"{name}.Limit", "name")
    assert contradicted(scopes, site, replacement) == answer


def test_a_function_gives_way_to_none_that_does_not_accept_the_arguments() -> None:
    text = "def f(x):\n    return len(x)\n\n\ndef take(a, b):\n    return a\n"
    scopes, site = place(text, "len", "name")
    assert contradicted(scopes, site, "take")
    assert not contradicted(scopes, site, "f")


def test_a_variable_gives_way_to_none_that_has_no_value_yet() -> None:
    text = "def f(x):\n    use(x)\n    y = x\n    late = y\n    return late, late\n"
    scopes, site = place(text, "x", "name")
    assert contradicted(scopes, site, "late") and contradicted(scopes, site, "y")
    scopes, site = place(text, "late", "name")
    assert not contradicted(scopes, site, "y")


def test_an_operand_gives_way_to_none_that_stands_there_already() -> None:
    text = "def f(low, high, top):\n    use(high)\n    return low < high\n"
    scopes, site = place(text, "high", "name")
    assert contradicted(scopes, site, "low") and not contradicted(scopes, site, "top")


def test_a_variable_that_is_read_once_gives_way_to_none() -> None:
    text = "def f(low, high):\n    mid = high\n    return high - mid\n"
    scopes, site = place(text, "mid", "name")
    assert contradicted(scopes, site, "low")
    scopes, site = place(text, "high", "name")
    assert not contradicted(scopes, site, "low")


def place(
    text: str,
    at: str,
    family: str,
    beside: tuple[bytes, ...] = (),
    history: History = UNKNOWN,
) -> tuple[Scopes, Site]:
    """The site of a family that begins where ``at`` stands last."""
    tree = parse(text.encode(), beside, history)
    scopes = analyze(tree)
    start = tree.data.rindex(at.encode())
    sites = enumerate_sites(tree, functions(tree)[0].node, scopes).sites
    (site,) = (one for one in sites if one.start == start and one.family == family)
    return scopes, site


HABITS = """
def f(self, widths, height):
    self.width = self.hight + height.size
    width = widths.size - widths.size
    return self.height * self.height
"""


def weighed(
    tokenizer: CodeTokenizer,
    at: str,
    family: str,
    replacement: str,
    text: str = HABITS,
    beside: tuple[bytes, ...] = (),
    history: History = UNKNOWN,
) -> Evidence:
    scopes, site = place(text, at, family, beside, history)
    function = functions(scopes.tree)[0]
    parallels = Parallels(scopes.tree, function, tokenizer, piece_layout(tokenizer))
    return evidence(scopes, site, Edit(site.start, site.end, replacement), parallels)


def test_attributes_are_weighed_by_spelling_and_by_what_the_file_does(
    tokenizer: CodeTokenizer,
) -> None:
    found = weighed(tokenizer, "hight", "attribute", "height")
    assert found.renames == found.once == 1
    assert found.alike == pytest.approx(10 / 11)
    assert (found.habit, found.new_habit) == pytest.approx((0, math.log(3)))
    assert found.target == pytest.approx(4 / 10)  # two of the five letters of width and hight


def test_variables_are_weighed_beside_their_attribute(tokenizer: CodeTokenizer) -> None:
    found = weighed(tokenizer, "widths.size - ", "name", "height")
    assert found.once == 0
    assert (found.habit, found.new_habit) == pytest.approx((math.log(2), math.log(2)))
    assert found.target == pytest.approx(2 * 5 / 11)


def test_what_changes_of_the_file_renamed_is_weighed_by_how_often_it_is_left(
    tokenizer: CodeTokenizer,
) -> None:
    past = History(renames={"widths": {"height": 0.5, "width": 1.0}})
    found = weighed(tokenizer, "widths.size - ", "name", "height", history=past)
    assert found.renamed == 3**-0.5
    assert weighed(tokenizer, "height.size", "name", "widths", history=past).renamed == 0
    assert weighed(tokenizer, "height.size", "name", "self", history=past).renamed == 0


def test_other_edits_have_no_evidence(tokenizer: CodeTokenizer) -> None:
    assert weighed(tokenizer, "- widths", "binary-operator", "+") == Evidence()


PARALLEL = """
def shrink_reader(self, reader, limit):
    if reader.size {operator} limit:
        reader.size = limit
    return reader.size


def shrink_writer(self, writer, limit):
    if writer.size > limit:
        writer.size = limit
    return writer.size


def other(self):
    return 1
"""


@pytest.mark.parametrize(("stands", "there"), [(">", ">="), (">=", ">")])
def test_what_the_file_does_at_the_most_similar_place_speaks_for_it(
    tokenizer: CodeTokenizer, stands: str, there: str
) -> None:
    text = PARALLEL.format(operator=stands)
    found = weighed(tokenizer, f"{stands} limit:\n        reader", "comparison", there, text)
    most, none = max(found.parallel, found.new_parallel), min(found.parallel, found.new_parallel)
    assert none < 0.1 and 1 < most <= 3.5, "the line is equal but for its name"
    assert (found.parallel > found.new_parallel) == (stands == ">")


def test_so_does_a_file_beside_it(tokenizer: CodeTokenizer) -> None:
    own, name, rest = PARALLEL.format(operator=">").partition("def shrink_writer")
    alone = weighed(tokenizer, "> limit", "comparison", ">=", own)
    beside = weighed(tokenizer, "> limit", "comparison", ">=", own, (b"", (name + rest).encode()))
    assert alone.parallel == 0
    assert beside.parallel > 1


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0.0, -TYPICAL), (math.e - 1, 1 - TYPICAL), (1e6, OLD - TYPICAL), (math.nan, 0.0)],
)
def test_young_lines_are_weighed(tokenizer: CodeTokenizer, days: float, expected: float) -> None:
    text = PARALLEL.format(operator=">")
    line = text[: text.index("> limit")].count("\n")
    ages = (*[math.nan] * line, days)
    found = weighed(
        tokenizer, "> limit:\n        reader", "comparison", ">=", text, history=History(ages)
    )
    assert found.age == pytest.approx(expected)
    assert weighed(tokenizer, "> limit:\n        reader", "comparison", ">=", text).age == 0


def test_where_nothing_is_alike_nothing_speaks(tokenizer: CodeTokenizer) -> None:
    alone = PARALLEL.format(operator=">").partition("def shrink_writer")[0]
    found = weighed(tokenizer, "> limit", "comparison", ">=", alone)
    assert (found.parallel, found.new_parallel) == (0, 0)
    header = PARALLEL.format(operator=">").replace("limit):", "limit=1):")
    found = weighed(tokenizer, "1):\n    if reader", "integer", "2", header)
    assert (found.parallel, found.new_parallel) == (0, 0)
