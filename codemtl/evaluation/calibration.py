"""Fitting what turns the scores of a model into confidences that hold where it is used.

1. ``slope`` and ``bias`` of the bug logit by logistic regression over functions with and without
   a bug, weighted to the deployment prior: one function in a hundred has a bug.
2. ``threshold``: at most 1% of clean functions have a finding shown, undefined names included, and
   no finding is shown that is right less than once in ten times.

p(site | bug) and p(edit | site, bug) are taken as the model gives them: where they are high they
are right, on real bugs too. The constants of undefined names are how often the name that is shown
is right where a real fix cured one (``scripts/undefined_names.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from codemtl.evaluation.results import PRIOR
from codemtl.evaluation.scoring import Guess, Parts, Scores
from codemtl.inference import Calibration
from codemtl.tasks.metrics import Array, threshold

SHOWN = 0.01  # of clean functions
WORTH_A_LOOK = 0.1  # confidence below which a finding only costs its reader time


def fit(bugs: Sequence[Scores], clean: Sequence[Scores]) -> Calibration:
    """From functions with a bug and without."""
    labels = np.repeat((1.0, 0.0), (len(bugs), len(clean)))
    weights = np.where(labels > 0, PRIOR / len(bugs), (1 - PRIOR) / len(clean))
    parts = [_suspect(one) for one in (*bugs, *clean)]
    seen = np.array([one is not None for one in parts])
    logits = np.array([one.logit for one in parts if one is not None])
    slope, bias = fit_logistic(logits, labels[seen], weights[seen]).round(4).tolist()
    fitted = Calibration(slope=slope, bias=bias)
    shown = np.array([one.shown.score if one.shown else 0.0 for one in recalibrated(clean, fitted)])
    least = math.ceil(max(threshold(shown, SHOWN), 0.0) * 1e4 + 1e-6) / 1e4
    return replace(fitted, threshold=max(least, WORTH_A_LOOK))


def recalibrated(scores: Sequence[Scores], calibration: Calibration) -> list[Scores]:
    """The same findings with the confidences of another calibration."""
    return [
        one._replace(model=tuple(_again(guess, calibration) for guess in one.model))
        for one in scores
    ]


def _again(guess: Guess, calibration: Calibration) -> Guess:
    """As ``TorchPredictor.confidence``."""
    parts = guess.parts
    if parts is None:
        return guess
    return guess._replace(score=calibration.confidence(*parts))


def _suspect(scores: Scores) -> Parts | None:
    """A function is as suspicious as its most suspicious window."""
    found = [one.parts for one in scores.model if one.parts is not None]
    return max(found, key=lambda one: one.logit, default=None)


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
