"""The paired bootstrap: against scipy, against values worked out by hand, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from codemtl.training.compare.statistics import Outcomes, paired


def outcomes(hits: list[list[float]], sizes: list[list[float]] | None = None) -> Outcomes:
    sizes = sizes or [[1.0] * len(row) for row in hits]
    return Outcomes.of(list(zip(hits, sizes, strict=True)))


def test_a_measure_is_a_ratio_of_sums_and_a_mean_over_seeds() -> None:
    arm = outcomes([[1, 2, 3], [4, 0, 0]], [[2, 2, 6], [4, 2, 4]])
    assert arm.by_seed().tolist() == pytest.approx([0.6, 0.4])
    assert arm.value() == pytest.approx(0.5)


def test_a_difference_worked_out_by_hand() -> None:
    """One seed, two cases, of which one arm is right in both and the other in the first alone."""
    found = paired(outcomes([[1, 1]]), outcomes([[1, 0]]))
    assert found.value == 0.5
    # resamples: both cases 0 (1/4), one of each (1/2), both cases 1 (1/4): 0, 0.5 or 1
    assert (found.low, found.high) == (0.0, 1.0)


def test_what_is_the_same_differs_by_nothing() -> None:
    arm = outcomes(np.random.default_rng(0).random((3, 40)).tolist())
    assert paired(arm, arm) == (0.0, 0.0, 0.0)


def test_pairs_make_a_constant_gain_sure() -> None:
    """Cases and seeds vary wildly, but alike in both arms: the interval is the gain itself."""
    rng = np.random.default_rng(1)
    theirs = rng.random((3, 50)) + rng.random((3, 1)) * 5
    found = paired(outcomes((theirs + 0.25).tolist()), outcomes(theirs.tolist()))
    assert found == pytest.approx((0.25, 0.25, 0.25))


def test_the_interval_over_cases_is_scipys() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = rng.random((2, 300))
    theirs = 0.6 * theirs + 0.3 * ours
    found = paired(outcomes([ours.tolist()]), outcomes([theirs.tolist()]), rounds=8000)
    expected = bootstrap(
        (ours, theirs), lambda one, other, axis: (one - other).mean(axis=axis), paired=True,
        vectorized=True, n_resamples=8000, method="percentile", rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert found.value == pytest.approx(float((ours - theirs).mean()))
    spread = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.05 * spread)
    assert found.high == pytest.approx(expected.high, abs=0.05 * spread)


def test_the_interval_of_a_ratio_is_scipys() -> None:
    """Pieces right of pieces in all: longer texts count for more."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(2, 30, 200).astype(float)
    ours, theirs = rng.binomial(sizes.astype(int), 0.5), rng.binomial(sizes.astype(int), 0.4)
    found = paired(
        outcomes([ours.tolist()], [sizes.tolist()]), outcomes([theirs.tolist()], [sizes.tolist()]),
        rounds=8000,
    )  # fmt: skip
    expected = bootstrap(
        (ours, theirs, sizes),
        lambda one, other, size, axis: (one - other).sum(axis=axis) / size.sum(axis=axis),
        paired=True, vectorized=True, n_resamples=8000, method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    spread = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.05 * spread)
    assert found.high == pytest.approx(expected.high, abs=0.05 * spread)


def test_seeds_that_disagree_widen_the_interval() -> None:
    """Every case gains 0.3, 0 or -0.3 by seed: all of the doubt is the seeds'."""
    theirs = np.full((3, 20), 0.5)
    ours = theirs + np.array([[0.3], [0.0], [-0.3]])
    found = paired(outcomes(ours.tolist()), outcomes(theirs.tolist()))
    assert found.value == pytest.approx(0.0)
    assert found.low == pytest.approx(-0.3) and found.high == pytest.approx(0.3)


def test_the_same_call_gives_the_same_interval() -> None:
    rng = np.random.default_rng(6)
    ours, theirs = (outcomes(rng.random((2, 30)).tolist()) for _ in range(2))
    assert paired(ours, theirs) == paired(ours, theirs)
