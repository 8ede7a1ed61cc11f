"""Figures against brute force, against known answers, and at their extremes."""

from __future__ import annotations

import difflib
from itertools import product

import numpy as np
import pytest

from codemtl.tasks import metrics
from codemtl.tasks.metrics import NOTHING, Array, bleu, chrf


def brute_recall(clean: Array, scores: Array, right: Array, rate: float) -> float:
    """The most that any threshold finds without flagging more than the rate."""
    best = 0.0
    for cut in [np.inf, *np.unique(np.concatenate([clean, scores])), NOTHING]:
        if (clean > cut).sum() <= rate * len(clean) * (1 + 1e-9):
            best = max(best, float(((scores > cut) & right).mean()))
    return best


@pytest.mark.parametrize("seed", range(8))
def test_recall_at_a_rate_is_what_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean, scores = (rng.integers(0, 12, size).astype(float) for size in (90, 40))  # many ties
    clean[rng.random(90) < 0.3] = NOTHING
    right = rng.random(40) < 0.6
    rates = (0.0, 0.01, 0.05, 0.165, 0.5, 1.0)
    found = metrics.recall_at(clean, np.arange(90), scores, right, rates, rounds=50)
    for rate, one in zip(rates, found, strict=True):
        assert one.value == pytest.approx(brute_recall(clean, scores, right, rate))
        assert 0 <= one.low <= one.high <= 1


def test_recall_of_the_perfect_and_of_the_silent() -> None:
    clean, groups = np.full(200, NOTHING), np.arange(200) // 4
    bugs = np.ones(50)
    perfect = metrics.recall_at(clean, groups, bugs, np.ones(50, bool), (0.01, 0.05))
    assert perfect == [(1.0, 1.0, 1.0)] * 2
    silent = metrics.recall_at(
        clean, groups, np.full(50, NOTHING), np.zeros(50, bool), (0.01, 0.05)
    )
    assert silent == [(0.0, 0.0, 0.0)] * 2


def test_recall_at_a_rate_has_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    clean, files = rng.normal(size=2000), np.arange(2000) // 10
    scores, right = rng.normal(2.0, size=500), rng.random(500) < 0.8
    (found,) = metrics.recall_at(clean, files, scores, right, (0.05,), rounds=300)
    above = metrics.threshold(clean, 0.05)
    assert found.value == ((scores > above) & right).mean()
    assert found.low < found.value < found.high
    assert 0.04 < found.high - found.low < 0.2
    assert [found] == metrics.recall_at(clean, files, scores, right, (0.05,), rounds=300)


def test_files_alike_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat(rng.normal(size=50), 20)
    scores, right = rng.normal(2.0, size=2000), np.ones(2000, bool)
    apart, together = (
        metrics.recall_at(clean, files, scores, right, (0.05,), rounds=300)[0]
        for files in (np.arange(1000), np.arange(1000) // 20)
    )
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        found = metrics.share(rng.random(120) < 0.3, rounds=200, seed=seed)
        covered += found.low <= 0.3 <= found.high
    assert 0.89 <= covered / 200 <= 0.99


def test_threshold_lets_at_most_the_rate_pass() -> None:
    clean = np.arange(100.0)
    for rate, shown in ((0.0, 0), (0.01, 1), (0.05, 5), (0.165, 16), (1.0, 100)):
        assert (clean > metrics.threshold(clean, rate)).sum() == shown


def test_ties_are_never_shown_in_part() -> None:
    clean = np.array([1.0] * 10 + [0.0] * 90)
    assert (clean > metrics.threshold(clean, 0.05)).sum() == 0
    assert (clean > metrics.threshold(clean, 0.1)).sum() == 10


def test_functions_without_findings_are_below_every_threshold() -> None:
    clean = np.array([2.0, NOTHING, NOTHING])
    scores, right = np.array([1.0, NOTHING]), np.array([True, True])
    assert metrics.recall(scores, right, metrics.threshold(clean, 0.34)) == 0.5
    assert metrics.recall(scores, right, metrics.threshold(clean, 0.0)) == 0.0


def test_a_share_of_cases_that_come_in_groups() -> None:
    hits, groups = np.zeros(1500, bool), np.repeat(np.arange(100), 15)
    hits[:8] = True  # all in one group
    alone, grouped = metrics.share(hits), metrics.grouped_share(hits, groups)
    assert alone.value == grouped.value == pytest.approx(8 / 1500)
    assert grouped.low == 0.0 and grouped.high > 1.5 * alone.high
    each = metrics.grouped_share(hits, np.arange(1500))
    assert each.low == pytest.approx(alone.low, abs=0.001)
    assert np.isnan(metrics.grouped_share(hits[:0], groups[:0]).value)


def test_share() -> None:
    found = metrics.share(np.array([True, False] * 200))
    assert found.value == 0.5
    assert 0.44 < found.low < 0.5 < found.high < 0.56


def test_calibration_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    right = (rng.random(20_000) < confidence).astype(float)
    weights = np.ones(20_000)
    for coverage in (0.01, 0.2, 1.0):
        assert metrics.calibration_error(confidence, right, weights, coverage) < 0.1
        assert metrics.calibration_error(confidence, 0 * right, weights, coverage) > 0.45
    top = metrics.calibration_error(confidence, 0 * right, weights, 0.01)
    assert top == pytest.approx(0.995, abs=0.002)


def test_the_interval_of_a_calibration_error_covers_what_more_cases_say() -> None:
    rng = np.random.default_rng(0)

    def interval(count: int, together: int) -> metrics.Interval:
        """Half are bugs, found less often than said; the others stand so many in a file."""
        confidence, bug = rng.choice([0.1, 0.5], count), np.arange(count) < count // 2
        right = bug & (rng.random(count) < 1.2 * confidence)
        file = (np.arange(count) - count // 2) // together
        confidence = np.where(bug, confidence, np.where(file % 2, 0.1, 0.5))
        return metrics.calibration_interval(
            confidence, right, np.ones(count), 1.0, bug, np.where(bug, np.arange(count), file),
            rounds=300,
        )  # fmt: skip

    many, few, files = interval(100_000, 1), interval(400, 1), interval(400, 20)
    assert few.low < few.value < few.high
    assert few.low < many.value < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert files.high - files.low > 1.3 * (few.high - few.low)


def test_the_order_of_equal_confidences_is_nothing() -> None:
    right = np.repeat([1.0, 0.0], 50)
    for one in (right, right[::-1], np.tile([1.0, 0.0], 50)):
        error = metrics.calibration_error(np.full(100, 0.5), one, np.ones(100), 1.0)
        assert error == pytest.approx(0)


def test_weights_stand_for_cases() -> None:
    confidence, right = np.array([0.9, 0.9, 0.1]), np.array([1.0, 0.0, 0.0])
    weights = np.array([9.0, 1.0, 5.0])
    assert metrics.calibration_error(confidence, right, weights, 0.5, bins=1) == pytest.approx(0)
    first, second = metrics.reliability(confidence, right, weights, np.array([0.5]))
    assert first.right == 0
    assert second.right == pytest.approx(0.9)
    assert second.share == pytest.approx(10 / 15)


def test_precision_recall_of_known_cases() -> None:
    score = np.array([0.9, 0.8, 0.8, 0.1, NOTHING])
    right = np.array([1, 1, 0, 0, 0], bool)
    bug = np.array([1, 1, 0, 0, 1], bool)
    precision, recall = metrics.precision_recall(score, right, bug, np.ones(5))
    assert precision.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert recall.tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])


def distance(one: str, other: str) -> int:
    """Levenshtein's distance by its definition."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, j in product(range(1, len(one) + 1), range(1, len(other) + 1)):
        table[i, j] = min(
            table[i - 1, j] + 1, table[i, j - 1] + 1,
            table[i - 1, j - 1] + (one[i - 1] != other[j - 1]),
        )  # fmt: skip
    return table[len(one), len(other)]


def test_edit_similarity() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        one, other = ("".join(rng.choice(list("abé"), rng.integers(0, 9))) for _ in range(2))
        longest = max(len(one), len(other), 1)
        assert metrics.edit_similarity(one, other) == pytest.approx(
            1 - distance(one, other) / longest
        )
    assert metrics.edit_similarity("", "") == 1
    assert metrics.edit_similarity("abc", "") == 0


def test_same_code() -> None:
    assert metrics.same_code("a = 1\n", "a  =1")
    assert not metrics.same_code("a = 1", "a = 2")


def test_bleu_and_chrf() -> None:
    texts = ["Return the size of the file .", "Open a file and read all of its lines ."] * 3
    for score in (metrics.bleu, metrics.chrf):
        assert score(texts, texts, rounds=20).value == pytest.approx(100)
        assert score([""] * 6, texts, rounds=20).value == pytest.approx(0, abs=1e-6)
        found = score(texts, texts[::-1], rounds=50)
        assert 0 <= found.low <= found.value <= found.high <= 100


def test_moses_bleu_is_cased_and_unsmoothed() -> None:
    reference = ["The cat sat on the mat today ."]
    assert metrics.bleu(["the CAT SAT ON the mat ."], reference, moses=True, rounds=2).value == 0
    # 7 of 8 words, 5 of 7 pairs, 4 of 6 triples, 3 of 5 quadruples
    found = metrics.bleu(["The cat sat on the mat tomorrow ."], reference, moses=True, rounds=2)
    wanted = 100 * (7 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25
    assert found.value == pytest.approx(wanted)


def test_similar_texts_are_similar() -> None:
    one, other = "return a.b(c)", "return a.b(d)"
    ratio = difflib.SequenceMatcher(None, one, other).ratio()
    assert metrics.edit_similarity(one, other) == pytest.approx(ratio, abs=0.01)


def test_a_corpus_of_mostly_empty_texts_has_a_score() -> None:
    texts = ["", "", "Return the sum of all values.", ""]
    references = ["Say it.", "Do it.", "Return the sum.", "Close it."]
    for found in (chrf(texts, references), bleu(texts, references)):
        assert 0 <= found.low <= found.value <= found.high <= 100
