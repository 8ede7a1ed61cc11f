from __future__ import annotations

import numpy as np
import pytest

from codemtl.corpus.hashing import function_tokens
from codemtl.corpus.near_duplicates import VALUES, leaks, runs, signature, similarity, source_runs
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse

WORDS = [f"w{number}" for number in range(200)]


def random_texts(rng: np.random.Generator, size: int) -> list[str]:
    return [WORDS[number] for number in rng.integers(len(WORDS), size=size)]


def test_similarity_is_that_of_sets() -> None:
    one, two = runs(list("abcdefghi")), runs(list("abcdefgzz"))
    assert (len(one), len(two)) == (5, 5)
    assert similarity(one, two) == pytest.approx(3 / 7)
    assert similarity(one, one) == 1
    assert len(runs(["a"])) == len(runs([])) == 1
    assert similarity(runs(["a", "b"]), runs(["b", "a"])) == 0
    assert len(runs(["a"] * 50)) == 1


def test_signatures_estimate_the_similarity() -> None:
    rng = np.random.default_rng(0)
    texts = random_texts(rng, 300)
    other = [*texts[:150], *random_texts(rng, 150)]
    exact = similarity(runs(texts), runs(other))
    signatures = signature(runs(texts)), signature(runs(other))
    assert signatures[0].shape == (VALUES,)
    assert np.mean(signatures[0] == signatures[1]) == pytest.approx(exact, abs=0.2)


def test_all_pairs_above_the_threshold_are_found() -> None:
    rng = np.random.default_rng(1)
    texts = [random_texts(rng, int(rng.integers(20, 200))) for _ in range(300)]
    for original in texts[:200]:
        copy = list(original)
        for _ in range(int(rng.integers(0, 4))):
            copy[int(rng.integers(len(copy)))] = "changed"
        texts.append(copy)
    found = [runs(one) for one in texts]
    ranks = np.array([0] * 100 + [1] * 200 + [2] * 200, np.int8)
    expected = set()
    for item in range(100, 500):
        guards = range(100 if item < 300 else 300)
        if any(similarity(found[item], found[guard]) >= 0.8 for guard in guards):
            expected.add(item)
    signatures = np.stack([signature(one) for one in found])
    pairs = list(leaks(signatures, ranks, found.__getitem__))
    assert {pair.item for pair in pairs} == expected
    assert 50 < len(expected) < 200
    for pair in pairs:
        assert ranks[pair.guard] < ranks[pair.item]
        assert pair.similarity == similarity(found[pair.item], found[pair.guard]) >= 0.8


def test_nothing_to_compare() -> None:
    empty = np.empty((0, VALUES), np.uint32)
    assert list(leaks(empty, np.empty(0, np.int8), lambda _: runs([]))) == []
    one = signature(runs(["a"]))[None]
    assert list(leaks(one, np.zeros(1, np.int8), lambda _: runs(["a"]))) == []


def test_a_source_has_the_runs_of_its_function() -> None:
    source = (
        "class A:\n    def f(self, x):\n        '''Doc.'''\n        if x:\n            return x\n"
    )
    tree = parse(source.encode())
    node = functions(tree)[0].node
    expected = runs([token.text for token in function_tokens(tree, node)])
    assert np.array_equal(source_runs(tree.text(node)), expected)
