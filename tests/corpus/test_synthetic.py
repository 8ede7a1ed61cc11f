"""Synthetic bugs are plausible, are bugs, and can be fixed."""

from __future__ import annotations

import sysconfig
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codemtl.corpus.plausibility import (
    FAMILY_WEIGHTS,
    common_ends,
    option_weights,
    similarity,
)
from codemtl.corpus.synthetic import Mutation, mutations, sample_bug
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import apply
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import FAMILIES, enumerate_sites
from codemtl.syntax.tree import error_count, parse

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def bugs_of(source: str, seed: int = 0) -> list[Mutation]:
    tree = parse(source.encode())
    rng = np.random.default_rng(seed)
    return list(mutations(tree, functions(tree)[0], analyze(tree), rng))


def test_every_family_has_a_weight() -> None:
    assert set(FAMILY_WEIGHTS) == {*FAMILIES, "name", "attribute"}


@pytest.mark.parametrize("module", ["bisect", "heapq", "textwrap", "csv"])
def test_bugs_are_fixed_by_their_fix(module: str) -> None:
    data = (STDLIB / f"{module}.py").read_bytes()
    tree = parse(data)
    scopes = analyze(tree)
    rng = np.random.default_rng(0)
    kinds: Counter[str] = Counter()
    for definition in functions(tree):
        bug = sample_bug(tree, definition, scopes, rng)
        if bug is None:
            continue
        kinds[bug.kind] += 1
        assert apply(bug.mutated, [bug.fix]) == data
        assert error_count(parse(bug.mutated)) <= error_count(tree)
        assert b"".join(bug.mutated.split()) != b"".join(data.split())
        assert definition.start <= bug.site.start < definition.end
    assert len(kinds) >= 2


def test_the_same_seed_gives_the_same_bugs() -> None:
    source = "def f(a, b, c):\n    return a + b if a < c else not b"
    assert [bug.mutated for bug in bugs_of(source)] == [bug.mutated for bug in bugs_of(source)]


@pytest.mark.parametrize(
    ("source", "never"),
    [
        ("def f(a):\n    b = a\n    return b", "return a"),  # an alias
        ("def f(a):\n    x = a\n    y = 1\n    return y", "x = y"),  # has no value yet
        ("def f(a):\n    return a._n + a.n + a._n + a.n", "a._n + a._n"),  # a property, mostly
        ("def f(a):\n    return a.once", "a.f"),  # could not be repaired
    ],
)
def test_false_bugs_are_dropped(source: str, never: str) -> None:
    for seed in range(30):
        for bug in bugs_of(source, seed):
            assert never.encode() not in bug.mutated


def test_weights_prefer_likely_slips() -> None:
    tree = parse(b"def f(a, b):\n    return a < b")
    found = enumerate_sites(tree, functions(tree)[0].node, analyze(tree))
    site = next(site for site in found.sites if site.family == "comparison")
    weights = option_weights(site)
    assert weights[0] == max(weights)  # <=
    assert min(weights) > 0
    name = next(site for site in found.sites if site.family == "name")
    group = found.groups[name.candidates]
    assert option_weights(name, group)[group.index(name.state)] == 0
    assert similarity("start_row", "end_row") == pytest.approx(1 / 3)


def test_names_that_look_alike_are_confused_more_often() -> None:
    tree = parse(b"def f(first_row, last_row, pages):\n    return first_row")
    found = enumerate_sites(tree, functions(tree)[0].node, analyze(tree))
    site = next(site for site in found.sites if site.state == "first_row")
    group = found.groups[site.candidates]
    weights = dict(zip(group, option_weights(site, group), strict=True))
    assert weights["last_row"] > 3 * weights["pages"] > 0
    assert common_ends("start_row", "end_row") == pytest.approx(4 / 9)
    assert common_ends("aaa", "aa") == pytest.approx(2 / 3)  # no letter counts twice
    assert common_ends("x", "y") == 0
