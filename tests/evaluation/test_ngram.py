"""The n-gram rival: proper probabilities, and edits that make code more usual."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codemtl.evaluation.ngram import EDGE, UNKNOWN, NgramModel, Words
from codemtl.syntax.actions import ACTIONS
from codemtl.syntax.definitions import functions
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.scopes import analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import parse
from codemtl.tasks.building import build_example
from codemtl.tasks.example import Example

LOOP = """\
def f{n}(items, limit):
    for item in items:
        if item < limit:
            return item
"""


@pytest.fixture(scope="module")
def model() -> NgramModel:
    """Trained on forty variants of one function."""
    texts = []
    for number in range(40):
        tree = parse(LOOP.format(n=number % 7).encode())
        texts.append([token.text for token in lexical_tokens(tree, tree.root)])
    return NgramModel.train([*texts, ["rare"]], order=3)


def example_of(model: NgramModel, source: str) -> Example:
    tree = parse(source.encode())
    (function,) = functions(tree)
    found = enumerate_sites(tree, function.node, analyze(tree))
    return build_example(tree, function.node, found, [], Words(model.words))


def test_probabilities_sum_to_one(model: NgramModel) -> None:
    size = len(model.words)
    for before in ((EDGE, EDGE), (model.words["for"], model.words["item"]), (UNKNOWN, UNKNOWN)):
        rows = np.array([[*before, word] for word in range(size)])
        assert model.probabilities(rows).sum() == pytest.approx(1.0)


def test_seen_words_are_likelier_than_unseen(model: NgramModel) -> None:
    words = model.words
    rows = [[words["for"], words["item"], words[last]] for last in ("in", "limit")]
    seen, unseen = model.probabilities(np.array([*rows]))
    assert seen > 0.9 > 0.01 > unseen > 0


def test_the_unusual_edit_is_undone(model: NgramModel) -> None:
    source = LOOP.format(n=1)
    example = example_of(model, source.replace("item < limit", "item >= limit"))
    best = model.best(example)
    assert best is not None and best.gain > 0
    assert (example.sites[best.site].state, ACTIONS[best.choice].label) == (">=", "<")
    example = example_of(model, source.replace("return item", "return limit"))
    best = model.best(example)
    assert best is not None and best.gain > 0
    assert (example.sites[best.site].state, example.name_texts[best.choice]) == ("limit", "item")


def test_nothing_is_gained_where_all_is_usual(model: NgramModel) -> None:
    usual, broken = (
        model.best(example_of(model, LOOP.format(n=1).replace("item <", new)))
        for new in ("item <", "item >=")
    )
    assert usual is not None and broken is not None and usual.gain < 0 < broken.gain


def test_a_function_without_sites_has_no_edit(model: NgramModel) -> None:
    assert model.best(example_of(model, "def f():\n    pass\n")) is None


def test_saved_models_are_the_same(model: NgramModel, tmp_path: Path) -> None:
    model.save(tmp_path / "n.npz")
    loaded = NgramModel.load(tmp_path / "n.npz")
    rows = np.random.default_rng(0).integers(0, len(model.words), (50, 3))
    assert loaded.words == model.words
    assert np.array_equal(loaded.probabilities(rows), model.probabilities(rows))
