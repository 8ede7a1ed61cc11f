"""Calibration: the logistic fit, and a threshold that keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from codemtl.evaluation.calibration import SHOWN, fit, fit_logistic, recalibrated
from codemtl.evaluation.judging import Verdict
from codemtl.evaluation.scoring import Guess, Parts, Scores
from codemtl.syntax.edits import Edit


def scores(logit: float, right: bool) -> Scores:
    parts = Parts(logit, 0.9, 0.9)
    guess = Guess(0.0, Verdict(right, right), "comparison", Edit(0, 1, "<"), parts)
    return Scores((guess,), None, None, None)


def test_few_clean_functions_are_shown_at_the_fitted_threshold() -> None:
    rng = np.random.default_rng(0)
    clean = [scores(logit, False) for logit in rng.normal(0, 1, 3000)]
    bugs = [scores(logit, True) for logit in rng.normal(3, 1, 600)]
    fitted = fit(bugs, clean)
    assert fitted.slope > 0
    found = [one.shown.score for one in recalibrated(clean, fitted) if one.shown]
    assert np.mean(np.array(found) >= fitted.threshold) <= SHOWN
    chances = np.array([one.shown.score for one in recalibrated(bugs, fitted) if one.shown])
    assert 0 < chances.min() < chances.max() <= 0.81


def test_fit_logistic_finds_slope_and_prior() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    labels = (rng.random(200_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.5)))).astype(float)
    found = fit_logistic(logits, labels, np.ones(200_000))
    assert found == pytest.approx((0.7, -0.5), abs=0.02)
    rarer = np.where(labels > 0, 0.1, 1.0)  # odds a tenth of what they were
    found = fit_logistic(logits, labels, rarer)
    assert found == pytest.approx((0.7, -0.5 - np.log(10)), abs=0.05)


def test_fit_logistic_of_separable_data_stays_finite() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    assert np.isfinite(fit_logistic(labels - 0.5, labels, np.ones(4))).all()
