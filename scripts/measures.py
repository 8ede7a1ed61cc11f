"""The figures of the benchmarks: judging an edit, and functions of plain arrays.

A finding is shown if its score is above a threshold. The false-positive rate is the share of clean
functions with a finding shown; recall is the share of bugs whose function's best finding is shown
and right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.syntax.edits import Edit, apply

Array = NDArray[Any]
NOTHING = -np.inf  # the score of a function without any finding


class Verdict(NamedTuple):
    """How an edit compares with the one that undoes the bug."""

    located: bool = False  # the two overlap
    right: bool = False  # it restores the function up to whitespace


def judge(data: bytes, edit: Edit, fix: Edit | None) -> Verdict:
    """Compare an edit of ``data`` with the right one; None for a function without a bug."""
    if fix is None:
        return Verdict()
    overlap = edit.start < fix.end and fix.start < edit.end
    overlap |= (edit.start, edit.end) == (fix.start, fix.end)
    low, high = min(edit.start, fix.start), max(edit.end, fix.end)
    made, wanted = (
        b"".join(apply(data[low:high], [Edit(e.start - low, e.end - low, e.replacement)]).split())
        for e in (edit, fix)
    )
    return Verdict(overlap or made == wanted, made == wanted)


class Interval(NamedTuple):
    """A share with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


def threshold(clean: Array, rate: float) -> float:
    """The score that at most ``rate`` of the clean functions exceed."""
    ranked = np.sort(clean)[::-1]
    return _cut(ranked, np.ones(len(ranked)), rate)


def _cut(ranked: Array, weights: Array, rate: float) -> float:
    """The score, of those in falling order, that at most ``rate`` of the weight exceeds."""
    mass = np.cumsum(weights)
    beyond = int(np.searchsorted(mass, rate * mass[-1] * (1 + 1e-9), side="right"))
    return float(ranked[beyond]) if beyond < len(ranked) else NOTHING


def recall(scores: Array, right: Array, above: float) -> float:
    """Share of bugs found: the score is above the threshold, and the finding is right."""
    return float(((scores > above) & right).mean()) if len(scores) else float("nan")


def recall_at(
    clean: Array, files: Array, scores: Array, right: Array, rate: float,
    *, rounds: int = 1000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Recall at a false-positive rate.

    The interval is over bugs and over clean *files* (``files`` numbers them from 0), as functions
    of one file resemble each other; each round sets its own threshold.
    """
    rng = np.random.default_rng(seed)
    count = int(files.max()) + 1
    order = np.argsort(clean)[::-1]
    ranked, owners = clean[order], files[order]
    found = []
    for _ in range(rounds):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)[owners]
        drawn = rng.integers(0, len(scores), len(scores))
        found.append(recall(scores[drawn], right[drawn], _cut(ranked, weights, rate)))
    low, high = np.quantile(found, (0.025, 0.975))
    return Interval(recall(scores, right, threshold(clean, rate)), float(low), float(high))


def share(hits: Array, *, rounds: int = 1000, seed: int = 0) -> Interval:
    """A share of independent cases."""
    rng = np.random.default_rng(seed)
    found = [hits[rng.integers(0, len(hits), len(hits))].mean() for _ in range(rounds)]
    low, high = np.quantile(found, (0.025, 0.975))
    return Interval(float(hits.mean()), float(low), float(high))


class Bin(NamedTuple):
    """Findings of similar confidence."""

    share: float  # of all functions
    confidence: float  # mean
    right: float  # share


def reliability(confidence: Array, right: Array, weights: Array, edges: Array) -> list[Bin]:
    """Findings by confidence, in bins between ``edges``; empty bins are left out."""
    bins = []
    which = np.digitize(confidence, edges)
    for index in np.unique(which):
        here = which == index
        mass = weights[here]
        if mass.sum() > 0:
            bins.append(Bin(
                float(mass.sum() / weights.sum()),
                float(np.average(confidence[here], weights=mass)),
                float(np.average(right[here], weights=mass)),
            ))  # fmt: skip
    return bins


def calibration_error(
    confidence: Array, right: Array, weights: Array, coverage: float, bins: int = 10
) -> float:
    """Expected calibration error of the ``coverage`` of functions with the highest confidence.

    The mean of |confidence - share right| over ``bins`` bins of equal weight (Naeini et al. 2015).
    """
    order = np.argsort(confidence)[::-1]
    mass = np.cumsum(weights[order]) / weights.sum()
    top = order[: int(np.searchsorted(mass, coverage)) + 1]
    place = np.cumsum(weights[top]) / weights[top].sum()
    which = np.minimum(np.ceil(place * bins - 1e-9).astype(int) - 1, bins - 1)
    error = 0.0
    for index in range(bins):
        here = top[which == index]
        mass = weights[here]
        if mass.sum() > 0:
            gap = np.average(confidence[here], weights=mass) - np.average(right[here], weights=mass)
            error += abs(float(gap)) * float(mass.sum() / weights[top].sum())
    return error


def fit_logistic(features: Array, labels: Array, weights: Array, rounds: int = 50) -> Array:
    """Slopes [F] and bias, [F + 1], of p = sigmoid(slopes @ features + bias), features [N, F].

    By Newton's method, as Platt (1999) for one feature. A trace of ridge keeps separable data
    finite.
    """
    inputs = np.column_stack((features, np.ones(len(features))))
    weights = weights / weights.sum()
    found = np.zeros(inputs.shape[1])
    found[0], found[-1] = 1.0, float(np.log(np.average(labels, weights=weights)))
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-inputs @ found))
        gradient = inputs.T @ (weights * (chance - labels)) + 1e-9 * found
        curve = (inputs * (weights * chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(found)), gradient)
        found = found - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return found
