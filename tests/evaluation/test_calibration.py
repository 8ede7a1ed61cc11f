"""Calibration: the logistic fit, and a threshold that keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from codemtl.evaluation.calibration import AGE, SHOWN, fit, fit_logistic, recalibrated
from codemtl.evaluation.judging import Verdict
from codemtl.evaluation.scoring import Guess, Parts, Scores
from codemtl.inference.evidence import Evidence
from codemtl.syntax.edits import Edit


def guess(logit: float, right: bool, edit: float = 0.9, alike: float = 0.0) -> Guess:
    parts = Parts(logit, 0.9, edit, Evidence(alike=alike))
    return Guess(0.0, Verdict(right, right), "comparison", Edit(0, 1, "<"), parts)


def scores(logit: float, right: bool) -> Scores:
    return Scores((guess(logit, right),), None, None, None)


def test_few_clean_functions_are_shown_at_the_fitted_threshold() -> None:
    rng = np.random.default_rng(0)
    clean = [scores(logit, False) for logit in rng.normal(0, 1, 3000)]
    bugs = [scores(logit, True) for logit in rng.normal(3, 1, 600)]
    fitted = fit(bugs, clean)
    assert fitted.slope > 0
    found = [one.shown.score for one in recalibrated(clean, fitted) if one.shown]
    assert np.mean(np.array(found) >= fitted.threshold) <= SHOWN
    chances = np.array([one.shown.score for one in recalibrated(bugs, fitted) if one.shown])
    assert 0 < chances.min() < chances.max() < 1


def test_evidence_that_tells_right_from_wrong_decides_what_is_shown() -> None:
    rng = np.random.default_rng(0)

    def function(bug: bool) -> Scores:
        """The model prefers the edit that is never right; the right one is spelled alike."""
        logit = float(rng.normal(bug, 1))
        wrong = guess(logit, False, edit=0.6, alike=float(rng.uniform(0, 0.6)))
        other = guess(logit, bug, edit=0.3, alike=float(rng.uniform(0.3, 1) if bug else 0.2))
        return Scores((wrong, other), None, None, None)

    bugs, clean = [function(True) for _ in range(400)], [function(False) for _ in range(1200)]
    fitted = fit(bugs, clean)
    assert fitted.alike > 0
    assert fitted.renames == 0  # all the same everywhere: nothing to learn
    found = [one.surest for one in recalibrated(bugs, fitted)]
    assert np.mean([one is not None and one.verdict.right for one in found]) > 0.7


def test_what_nothing_defines_is_not_the_models_to_learn_from() -> None:
    rng = np.random.default_rng(0)
    bugs = [scores(logit, True) for logit in rng.normal(2, 1, 200)]
    clean = [scores(logit, False) for logit in rng.normal(0, 1, 600)]
    name = Guess(0.8, Verdict(True, True), "undefined-name", Edit(0, 1, "x"))
    silly = [one._replace(undefined=name) for one in (scores(-9, True) for _ in range(50))]
    without, with_them = fit(bugs, clean), fit([*bugs, *silly], clean)
    assert with_them.slope == pytest.approx(without.slope, abs=0.02)


def test_fit_logistic_finds_slope_and_prior() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    labels = (rng.random(200_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.5)))).astype(float)
    found = fit_logistic(logits, labels, np.ones(200_000))
    assert found == pytest.approx((0.7, -0.5), abs=0.02)
    rarer = np.where(labels > 0, 0.1, 1.0)  # odds a tenth of what they were
    found = fit_logistic(logits, labels, rarer)
    assert found == pytest.approx((0.7, -0.5 - np.log(10)), abs=0.05)
    found = fit_logistic(logits, labels, np.ones(200_000), 0.3 * logits + 1)
    assert found == pytest.approx((0.4, -1.5), abs=0.02)  # what is known beforehand is not fitted


def test_the_weight_of_age_is_not_fitted() -> None:
    def function(bug: bool, age: float) -> Scores:
        one = guess(float(bug), bug)
        assert one.parts is not None
        evidence = one.parts.evidence._replace(age=age)
        return Scores(
            (one._replace(parts=one.parts._replace(evidence=evidence)),), None, None, None
        )

    rng = np.random.default_rng(0)
    bugs = [function(True, age) for age in rng.normal(-3, 1, 100)]
    clean = [function(False, age) for age in rng.normal(1, 1, 300)]
    fitted = fit(bugs, clean)
    assert fitted.age == AGE
    young, old = (fitted.confidence(1, 1, 1, Evidence(age=age)) for age in (-5, 2))
    assert young > old


def test_fit_logistic_of_separable_data_stays_finite() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    assert np.isfinite(fit_logistic(labels - 0.5, labels, np.ones(4))).all()
