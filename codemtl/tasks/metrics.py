"""The figures by which the tasks are judged: functions of plain arrays and of plain texts.

Repair: every function has the score of its best finding, ``NOTHING`` without any. A finding is
shown if its score is above a threshold. The false-positive rate is the share of clean functions
with a finding shown; recall is the share of bugs whose finding is shown and right.

Intervals are 95% bootstrap intervals (percentiles of 1,000 resamples, drawn from a seed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.errors import MissingExtraError

Array = NDArray[Any]
NOTHING = -np.inf  # the score of a function without any finding
ROUNDS = 1000
_CHUNK = 2_000_000  # numbers in memory at once


class Interval(NamedTuple):
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


def threshold(clean: Array, rate: float) -> float:
    """The score that at most ``rate`` of the clean functions exceed."""
    ranked = np.sort(clean)[::-1]
    beyond = int(np.floor(rate * len(ranked) * (1 + 1e-9)))
    return float(ranked[beyond]) if beyond < len(ranked) else NOTHING


def recall(scores: Array, right: Array, above: float) -> float:
    """Share of bugs found: the score is above the threshold, and the finding is right."""
    return float(((scores > above) & right).mean()) if len(scores) else float("nan")


def recall_at(
    clean: Array, groups: Array, scores: Array, right: Array, rates: Sequence[float],
    *, rounds: int = ROUNDS, seed: int = 0,
) -> list[Interval]:  # fmt: skip
    """Recall at each false-positive rate.

    The interval is over bugs and over *groups* of clean functions (numbered from 0; the functions
    of one file resemble each other); each resample sets its own threshold.

    Args:
        clean: [N] score of each clean function.
        groups: [N] the file that each of them stands in.
        scores: [M] score of each bug's finding.
        right: [M] whether it is right.
        rates: false-positive rates.
        rounds: resamples.
        seed: of the resamples.
    """
    values = [recall(scores, right, threshold(clean, rate)) for rate in rates]
    if not len(scores) or not len(clean):
        return [Interval(value, float("nan"), float("nan")) for value in values]
    rng = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    order = np.argsort(clean)[::-1]
    ranked, owners = np.append(clean[order], NOTHING), groups[order]
    found: list[list[Array]] = [[] for _ in rates]
    for size in _chunks(rounds, len(clean) + len(scores)):
        picks = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(picks.ravel(), minlength=size * count).reshape(size, count)
        mass = weights[:, owners].cumsum(1)
        drawn = rng.integers(0, len(scores), (size, len(scores)))
        score, hit = scores[drawn], right[drawn]
        for row, rate in zip(found, rates, strict=True):
            cut = ranked[(mass <= rate * mass[:, -1:] * (1 + 1e-9)).sum(1)]
            row.append(((score > cut[:, None]) & hit).mean(1))
    return [_interval(value, row) for value, row in zip(values, found, strict=True)]


def share(hits: Array, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """Mean of independent cases: a share, where they are true or false."""
    if not len(hits):
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    found = [
        hits[rng.integers(0, len(hits), (size, len(hits)))].mean(1)
        for size in _chunks(rounds, len(hits))
    ]
    return _interval(float(hits.mean()), found)


def grouped_share(hits: Array, groups: Array, *, rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """As `share`, of cases that resemble those of their group: whole groups are drawn.

    ``groups`` [N] are numbered from 0.
    """
    if not len(hits):
        return share(hits)
    sums, sizes = np.bincount(groups, hits), np.bincount(groups)
    rng = np.random.default_rng(seed)
    found = []
    for size in _chunks(rounds, len(sizes)):
        drawn = rng.integers(0, len(sizes), (size, len(sizes)))
        found.append(sums[drawn].sum(1) / np.maximum(sizes[drawn].sum(1), 1))
    return _interval(float(hits.mean()), found)


def _chunks(rounds: int, width: int) -> list[int]:
    """Rounds in parts that fit in memory."""
    size = max(1, _CHUNK // max(width, 1))
    return [min(size, rounds - start) for start in range(0, rounds, size)]


def _interval(value: float, found: Sequence[Array]) -> Interval:
    low, high = np.quantile(np.concatenate(found), (0.025, 0.975))
    return Interval(value, float(low), float(high))


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
    Functions of equal confidence count as right in equal shares, so that their order is nothing.
    """
    _, same = np.unique(confidence, return_inverse=True)
    right = (np.bincount(same, weights * right) / np.bincount(same, weights))[same]
    top = most_confident(confidence, weights, coverage)
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


def calibration_interval(
    confidence: Array, right: Array, weights: Array, coverage: float, bug: Array, groups: Array,
    *, rounds: int = ROUNDS, seed: int = 0,
) -> Interval:  # fmt: skip
    """The calibration error of cases, bugs [N] and others, each drawn anew from its own kind.

    Cases of one group (numbered from 0 in each kind) are drawn together, as in `recall_at`; both
    kinds keep their whole weight. What is drawn adds to an error that cannot be negative, so the
    interval lies high.
    """
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in (np.flatnonzero(bug), np.flatnonzero(~bug)) if len(kind)]
    found = np.zeros(rounds)
    for index in range(rounds):
        drawn = np.zeros(len(weights))
        for kind in kinds:
            count = int(groups[kind].max()) + 1
            times = np.bincount(rng.integers(0, count, count), minlength=count)[groups[kind]]
            drawn[kind] = weights[kind] * times / np.average(times, weights=weights[kind])
        kept = drawn > 0
        found[index] = calibration_error(confidence[kept], right[kept], drawn[kept], coverage)
    return _interval(calibration_error(confidence, right, weights, coverage), [found])


def most_confident(confidence: Array, weights: Array, coverage: float) -> Array:
    """Indices of the share ``coverage`` of the weight with the highest confidence, best first."""
    order = np.argsort(confidence, kind="stable")[::-1]
    mass = np.cumsum(weights[order]) / weights.sum()
    top: Array = order[: int(np.searchsorted(mass, coverage)) + 1]
    return top


def precision_recall(
    confidence: Array, right: Array, bug: Array, weights: Array
) -> tuple[Array, Array]:
    """Precision of what is shown and recall of the bugs, at every threshold from the top."""
    order = np.argsort(confidence, kind="stable")[::-1]
    order = order[confidence[order] > NOTHING]
    mass, hits = weights[order], (weights * right)[order]
    last = np.flatnonzero(np.diff(confidence[order], append=np.nan) != 0)  # ties come together
    shown, found = np.cumsum(mass)[last], np.cumsum(hits)[last]
    return found / np.maximum(shown, 1e-12), found / max(float(weights[bug].sum()), 1e-12)


def same_code(one: str, other: str) -> bool:
    """Exact match of code, up to whitespace."""
    return "".join(one.split()) == "".join(other.split())


def edit_similarity(one: str, other: str) -> float:
    """1 - Levenshtein distance / length of the longer; 1 for two empty texts."""
    longest = max(len(one), len(other))
    return 1 - _distance(one, other) / longest if longest else 1.0


def _distance(one: str, other: str) -> int:
    """Levenshtein's distance in characters, a row at a time."""
    if len(one) > len(other):
        one, other = other, one
    column = np.frombuffer(other.encode("utf-32-le", "surrogatepass"), np.uint32)
    steps = np.arange(len(other) + 1)
    row = steps
    for number, code in enumerate(map(ord, one), 1):
        new = np.empty_like(row)
        new[0] = number
        new[1:] = np.minimum(row[1:] + 1, row[:-1] + (column != code))
        row = np.minimum.accumulate(new - steps) + steps  # insertions from the left
    return int(row[-1])


def bleu(
    texts: Sequence[str], references: Sequence[str], *, moses: bool = False, rounds: int = ROUNDS
) -> Interval:
    """BLEU of a corpus, 0 to 100, by sacrebleu.

    Args:
        texts: what a system wrote.
        references: one for each.
        moses: as ``multi-bleu.perl`` counts on texts that Moses' tokenizer made: cased, without
            smoothing, split at spaces. Otherwise sacrebleu's own default (13a, exponential
            smoothing).
        rounds: bootstrap resamples; sacrebleu draws them from its own fixed seed, 12345.

    Raises MissingExtraError without sacrebleu.
    """
    metrics = _sacrebleu()
    if moses:
        metric = metrics.BLEU(tokenize="none", smooth_method="none", force=True)
    else:
        metric = metrics.BLEU(force=True)
    return _corpus_score(metric, texts, references, rounds)


def chrf(texts: Sequence[str], references: Sequence[str], *, rounds: int = ROUNDS) -> Interval:
    """chrF2 of a corpus, 0 to 100, by sacrebleu. Raises MissingExtraError without it."""
    return _corpus_score(_sacrebleu().CHRF(), texts, references, rounds)


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingExtraError("sacrebleu", "evaluate") from error
    return metrics


def _corpus_score(
    metric: Any, texts: Sequence[str], references: Sequence[str], rounds: int
) -> Interval:
    if not texts:
        return Interval(float("nan"), float("nan"), float("nan"))
    resample = metric._compute_score_from_stats

    def as_float(*args: Any) -> Any:  # sacrebleu's statistics refuse numpy's floats beside Python's
        found = resample(*args)
        found.score = float(found.score)
        return found

    metric._compute_score_from_stats = as_float
    score = metric.corpus_score(list(texts), [list(references)], n_bootstrap=max(rounds, 2))
    half = float(score._ci)  # sacrebleu shows it only rounded, in a text
    middle = float(score._mean)
    return Interval(float(score.score), max(0.0, middle - half), min(100.0, middle + half))
