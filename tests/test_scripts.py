from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.append(str(SCRIPTS))  # scripts import each other as plain modules

import cases  # noqa: E402
import measures  # noqa: E402
from ngram import EDGE, UNKNOWN, NgramModel, Words  # noqa: E402

from codemtl.syntax.actions import ACTIONS  # noqa: E402
from codemtl.syntax.definitions import functions  # noqa: E402
from codemtl.syntax.edits import Edit, apply  # noqa: E402
from codemtl.syntax.lexical import lexical_tokens  # noqa: E402
from codemtl.syntax.scopes import analyze  # noqa: E402
from codemtl.syntax.sites import enumerate_sites  # noqa: E402
from codemtl.syntax.tree import parse  # noqa: E402
from codemtl.tasks.building import build_example  # noqa: E402
from codemtl.tasks.example import Example  # noqa: E402

LOOP = """\
def f{n}(items, limit):
    for item in items:
        if item < limit:
            return item
"""


def test_an_edit_is_right_if_it_restores_the_text_up_to_whitespace() -> None:
    text = b"if a  >= b: pass"
    fix = Edit(6, 8, "<")
    verdicts = [
        measures.judge(text, edit, fix)
        for edit in (fix, Edit(5, 9, "<"), Edit(6, 8, "=="), Edit(3, 4, "b"), Edit(6, 6, " "))
    ]
    assert verdicts == [(True, True), (True, True), (True, False), (False, False), (False, False)]
    assert measures.judge(text, fix, None) == (False, False)


def test_insertions_are_located_only_where_they_belong() -> None:
    fix = Edit(3, 3, "not ")
    verdicts = [
        measures.judge(b"if a: pass", edit, fix)
        for edit in (Edit(3, 3, "not "), Edit(3, 4, "b"), Edit(3, 4, "not a"), Edit(2, 4, " b"))
    ]
    assert verdicts == [(True, True), (False, False), (True, True), (True, False)]


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
    found = cases.difference(old, new)
    assert found == edit
    assert apply(old, [Edit(*found)]) == new


def test_threshold_lets_at_most_the_rate_pass() -> None:
    clean = np.arange(100.0)
    for rate, shown in ((0.0, 0), (0.01, 1), (0.05, 5), (0.165, 16), (1.0, 100)):
        assert (clean > measures.threshold(clean, rate)).sum() == shown


def test_ties_are_never_shown_in_part() -> None:
    clean = np.array([1.0] * 10 + [0.0] * 90)
    assert (clean > measures.threshold(clean, 0.05)).sum() == 0
    assert (clean > measures.threshold(clean, 0.1)).sum() == 10


def test_functions_without_findings_are_below_every_threshold() -> None:
    clean = np.array([2.0, measures.NOTHING, measures.NOTHING])
    scores, right = np.array([1.0, measures.NOTHING]), np.array([True, True])
    assert measures.recall(scores, right, measures.threshold(clean, 0.34)) == 0.5
    assert measures.recall(scores, right, measures.threshold(clean, 0.0)) == 0.0


def test_recall_at_a_rate_has_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    clean, files = rng.normal(size=2000), np.arange(2000) // 10
    scores, right = rng.normal(2.0, size=500), rng.random(500) < 0.8
    found = measures.recall_at(clean, files, scores, right, 0.05, rounds=300)
    above = measures.threshold(clean, 0.05)
    assert found.value == ((scores > above) & right).mean()
    assert found.low < found.value < found.high
    assert 0.04 < found.high - found.low < 0.2
    assert found == measures.recall_at(clean, files, scores, right, 0.05, rounds=300)


def test_files_alike_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat(rng.normal(size=50), 20)
    scores = rng.normal(2.0, size=2000)
    right = np.ones(2000, bool)
    apart, together = (
        measures.recall_at(clean, files, scores, right, 0.05, rounds=300)
        for files in (np.arange(1000), np.arange(1000) // 20)
    )
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_share() -> None:
    found = measures.share(np.array([True, False] * 200))
    assert found.value == 0.5
    assert 0.44 < found.low < 0.5 < found.high < 0.56


def test_calibration_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    right = (rng.random(20_000) < confidence).astype(float)
    weights = np.ones(20_000)
    for coverage in (0.01, 0.2, 1.0):
        assert measures.calibration_error(confidence, right, weights, coverage) < 0.1
        assert measures.calibration_error(confidence, 0 * right, weights, coverage) > 0.45
    top = measures.calibration_error(confidence, 0 * right, weights, 0.01)
    assert top == pytest.approx(0.995, abs=0.002)


def test_weights_stand_for_cases() -> None:
    confidence, right = np.array([0.9, 0.9, 0.1]), np.array([1.0, 0.0, 0.0])
    weights = np.array([9.0, 1.0, 5.0])
    assert measures.calibration_error(confidence, right, weights, 0.5, bins=1) == pytest.approx(0)
    first, second = measures.reliability(confidence, right, weights, np.array([0.5]))
    assert first.right == 0
    assert second.right == pytest.approx(0.9)
    assert second.share == pytest.approx(10 / 15)


def test_fit_logistic_finds_slope_and_prior() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    labels = (rng.random(200_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.5)))).astype(float)
    found = measures.fit_logistic(logits, labels, np.ones(200_000))
    assert found == pytest.approx((0.7, -0.5), abs=0.02)
    rarer = np.where(labels > 0, 0.1, 1.0)  # odds a tenth of what they were
    found = measures.fit_logistic(logits, labels, rarer)
    assert found == pytest.approx((0.7, -0.5 - np.log(10)), abs=0.05)


def test_fit_logistic_of_separable_data_stays_finite() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    assert np.isfinite(measures.fit_logistic(labels - 0.5, labels, np.ones(4))).all()


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
