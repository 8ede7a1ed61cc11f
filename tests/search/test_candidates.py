"""The templates: for each kind of mistake, the repair is among the candidates and parses."""

from __future__ import annotations

import ast

import pytest

from codemtl.search.candidates import Candidate, Normalizer, function_candidates, ranked
from codemtl.search.failures import SILENT, Failures
from codemtl.search.kinds import NUMBER, SEQUENCE, TEXT, UNKNOWN
from codemtl.search.priors import RULES, SITE_RULES
from codemtl.search.view import FunctionView
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.findings import KINDS
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse


def candidates_of(source: str) -> list[Candidate]:
    tree = parse(source.encode())
    scopes = analyze(tree)
    found = []
    for function in functions(tree):
        if function.parent is None:
            found += function_candidates(
                FunctionView(tree, function, scopes), lambda start, end: 1.0
            )
    return ranked(found, {})


def view_of(source: str) -> FunctionView:
    tree = parse(source.encode())
    return FunctionView(tree, functions(tree)[0], analyze(tree))


def same(one: str, other: str) -> bool:
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except SyntaxError:
        return False


HEAD = 'def f(items, limit, text=""):\n    """Say \'yes\' to Jupiter or 7."""\n'
REPAIRS = [
    # what stands there, what is meant
    ("    return limit < 3\n", "    return limit <= 3\n"),
    ("    return limit - 1\n", "    return abs(limit - 1)\n"),
    ("    return len(items) + limit\n", "    return len(items)\n"),
    ("    return len(items)\n", "    return len(items) - limit\n"),
    ("    return text\n", "    return text.lower()\n"),
    ("    return text == 'AS'\n", "    return text.upper() == 'AS'\n"),
    ("    return items\n", "    return items[::-1]\n"),
    ("    return items\n", "    return items[:limit]\n"),
    ("    return items[limit]\n", "    return items[limit - 1]\n"),
    ("    return limit - len(items)\n", "    return len(items) - limit\n"),
    ("    return (items, limit)\n", "    return (limit, items)\n"),
    ("    return max(items)\n", "    return min(items)\n"),
    ("    return text.upper()\n", "    return text.lower()\n"),
    ("    return sorted(items)\n", "    return sorted(items, reverse=True)\n"),
    ("    return sorted(items)\n", "    return items\n"),
    ("    return 'no'\n", "    return 'yes'\n"),
    ("    return 'Jupyter'\n", "    return 'Jupiter'\n"),
    ("    return 3\n", "    return 7\n"),
    ("    return [i for i in items]\n", "    return [i for i in items if i < limit]\n"),
    ("    return [i for i in items if i < limit]\n", "    return [i for i in items]\n"),
    ("    if limit:\n        return 1\n    return 2\n", "    if not limit:\n        return 1\n"
     "    return 2\n"),
    ("    if limit == 1:\n        return 1\n    return 2\n",
     "    if limit == 1 and len(items) == 0:\n        return 1\n    return 2\n"),
    ("    if limit and items:\n        return 1\n    return 2\n",
     "    if limit:\n        return 1\n    return 2\n"),
    ("    if limit:\n        return True\n    return False\n",
     "    if limit:\n        return False\n    return True\n"),
    ("    total = 1\n    for i in items:\n        total += i\n    return total\n",
     "    total = 0\n    for i in items:\n        total += i\n    return total\n"),
    ("    total = 0\n    for i in items:\n        total = i\n    return total\n",
     "    total = 0\n    for i in items:\n        total += i\n    return total\n"),
    ("    total = 0\n    for i in items:\n        total += i\n        return total\n",
     "    total = 0\n    for i in items:\n        total += i\n    return total\n"),
    ("    total = 0\n    for i in items:\n        total += i\n    return total\n",
     "    total = 0\n    for i in items:\n        if i > 0:\n            total += i\n"
     "    return total\n"),
    ("    n = limit\n    while n > 0:\n        items.append(n)\n    return items\n",
     "    n = limit\n    while n > 0:\n        items.append(n)\n"
     "        n -= 1\n    return items\n"),
    ("    items.append(limit)\n    items.append(text)\n    return items\n",
     "    items.append(limit)\n    return items\n"),
    ("    return items[0]\n", "    if not items:\n        return None\n    return items[0]\n"),
    ("    return range(limit)\n", "    return range(1, limit + 1)\n"),
    ("    return set(items) == items\n", "    return set(items) == set(items)\n"),
    ("    return items if limit else text\n", "    return text if limit else items\n"),
    ("    for i in items:\n        break\n    return i\n",
     "    for i in items:\n        continue\n    return i\n"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "good"), REPAIRS)
def test_the_repair_is_among_the_candidates(bad: str, good: str) -> None:
    source, meant = (HEAD + bad), (HEAD + good)
    found = candidates_of(source)
    assert any(same(one.text(source.encode()).decode(), meant) for one in found)


def test_weights_sum_up_and_are_in_order() -> None:
    found = candidates_of(HEAD + "    return limit < 3\n")
    assert sum(one.weight for one in found) == pytest.approx(1)
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    assert {one.kind for one in found} <= set(KINDS)


def test_the_model_moves_an_edit_forward() -> None:
    found = candidates_of(HEAD + "    return limit < 3\n")
    closed = [one for one in found if one.rule == "comparison"]
    scores = {one.edits[0]: 0.001 for one in closed}
    scores[closed[-1].edits[0]] = 0.9
    before = [one.edits for one in found].index(closed[-1].edits)
    assert [one.edits for one in ranked(found, scores)].index(closed[-1].edits) < before


def test_a_model_that_knows_no_edit_changes_nothing() -> None:
    found = candidates_of(HEAD + "    return limit < 3\n")
    again = ranked(found, {Edit(0, 0, "x"): 1.0})
    assert [one.edits for one in again] == [one.edits for one in found]


def test_line_ends_of_the_file_are_kept() -> None:
    source = (HEAD + "    n = limit\n    return n\n").replace("\n", "\r\n")
    for one in candidates_of(source):
        text = one.text(source.encode())
        assert text.count(b"\n") == text.count(b"\r\n")


def test_normalizer_drops_what_is_the_same_or_does_not_compile() -> None:
    tree = parse(b"def f(a, b):\n    return a + b\n")
    at = tree.data.index(b"a + b")
    normalizer = Normalizer(tree)
    assert not normalizer.is_new((Edit(at, at + 5, "(a + b)"),))  # as it stands
    assert normalizer.is_new((Edit(at, at + 5, "a - b"),))
    assert not normalizer.is_new((Edit(at, at + 5, "a  -  b"),))  # seen
    assert not normalizer.is_new((Edit(at, at + 5, "a +"),))
    assert not normalizer.is_new((Edit(at, at + 5, "(yield"),))
    assert not normalizer.is_new((Edit(at, at + 3, "a"), Edit(at, at + 5, "b")))  # overlap


def test_kinds_of_names() -> None:
    view = view_of(
        "def f(a: int, b: str, c, *rest):\n"
        "    d = len(c)\n    e = sorted(c)\n    for g in range(d):\n        h = b + b\n"
        "    return e\n"
    )
    kinds = view.names
    assert (kinds["a"], kinds["b"], kinds["c"]) == (NUMBER, TEXT, UNKNOWN)
    assert (kinds["d"], kinds["e"], kinds["g"], kinds["h"]) == (NUMBER, SEQUENCE, NUMBER, TEXT)


def test_every_rule_has_a_known_kind() -> None:
    assert {rule.kind for rule in [*RULES.values(), *SITE_RULES.values()]} <= set(KINDS)


@pytest.mark.parametrize(
    "source",
    [
        "def f(): pass\n",
        "def f(x): return x\n",
        "class A:\n    def f(self): return self.x\n",
        "def f(x):\n    async def g():\n        await x\n    return g\n",
        "def f(x):\n    match x:\n        case [1, *rest]:\n            return rest\n",
        'def f(x):\n    return f"{x!r:>{10}} {x + 1}"\n',
        "def f(x):\n    x = [\n        1,  # one\n        2,\n    ]\n    return x",
        "def f(x):\n\tif x: return 1\n\telse: return 2\n",
        "def f(x):\n    with x as y, x: z = lambda a, *b: a\n    del z\n    return y\n",
        "def f(ü):\n    return 'é' + ü  # größer\n",
    ],
)
def test_any_syntax_gives_candidates_that_can_be_applied(source: str) -> None:
    data = source.encode()
    for one in candidates_of(source):
        one.text(data).decode()


def test_what_the_failing_tests_say() -> None:
    source = (
        "def f(known, key, n):\n    kind = None\n    if n > 3:\n        kind = None\n"
        "    return known[key], kind, n\n"
    )
    tree = parse(source.encode())

    def first(failures: Failures, rule: str, holds: str) -> int:
        view = FunctionView(tree, functions(tree)[0], analyze(tree), failures)
        found = ranked(function_candidates(view, lambda start, end: 1.0), {})
        ranks = [
            rank for rank, one in enumerate(found)
            if one.rule == rule and holds in one.text(tree.data).decode()
        ]  # fmt: skip
        return ranks[0] if ranks else len(found) + 10**6

    error = Failures({5: frozenset({"KeyError"})})
    assert first(error, "get", "known.get(key)") < first(SILENT, "get", "known.get(key)")
    vain = Failures(missing=("ValueError", "OfNobody"))
    assert first(vain, "insert-raise", "    if n <= 3:\n        raise ValueError\n") < 1000
    assert first(SILENT, "insert-raise", "raise") >= 10**6
    assert first(vain, "insert-raise", "OfNobody") >= 10**6
    spoken = Failures(constants=("null", 41))
    assert first(spoken, "everywhere", 'kind = "null"\n    if n > 3:\n        kind = "null"') < 5000
    assert first(spoken, "number", "n > 41") < 5000
