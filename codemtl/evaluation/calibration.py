"""Fitting what turns the scores of a model into confidences that hold where it is used.

1. The weights of what the model says of an edit and of the evidence on it, by logistic regression
   over all edits that it proposes in functions with and without a bug: whether they are right,
   weighted to the deployment prior, where one function in a hundred has a bug. Functions in which
   nothing defines a name or attribute are left out, as that is reported whatever the model says.
2. ``threshold``: at most 1% of clean functions have a finding shown, undefined names included, and
   no finding is shown that is right less than once in ten times.

The constants of undefined names and attributes are how often what is shown is right where a real
fix cured one (``scripts/undefined_names.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from codemtl.evaluation.results import PRIOR
from codemtl.evaluation.scoring import Guess, Parts, Scores
from codemtl.inference import Calibration
from codemtl.inference.evidence import Evidence
from codemtl.inference.predictor import log
from codemtl.tasks.metrics import Array, threshold

SHOWN = 0.01  # of clean functions
AGE = -0.5  # the weight of `Evidence.age`, from functions of one time (data/LOG.md, 2026-11-28)
_EVIDENCE = tuple(name for name in Evidence._fields if name != "age")
FEATURES = ("slope", "site", "edit", *_EVIDENCE)  # fields of `Calibration` that are fitted
WORTH_A_LOOK = 0.1  # confidence below which a finding only costs its reader time


def fit(bugs: Sequence[Scores], clean: Sequence[Scores]) -> Calibration:
    """From functions with a bug and without.

    All weights but that of age: clean functions are as of the last commit of their project, those
    with a bug as of the commit before its fix, when all code was younger.
    """
    rows, labels, weights, ages = [], [], [], []
    for functions, share in ((bugs, PRIOR), (clean, 1 - PRIOR)):
        for one in functions:
            for guess in one.model if one.undefined is None else ():
                if guess.parts is not None:
                    rows.append(features(guess.parts))
                    labels.append(float(guess.verdict.right))
                    weights.append(share / len(functions))
                    ages.append(AGE * guess.parts.evidence.age)
    known = np.array(rows), np.array(labels), np.array(weights), np.array(ages)
    found = fit_logistic(*known).round(4).tolist()
    fitted = Calibration(**dict(zip([*FEATURES, "bias"], found, strict=True)), age=AGE)
    shown = np.array([one.shown.score if one.shown else 0.0 for one in recalibrated(clean, fitted)])
    least = math.ceil(max(threshold(shown, SHOWN), 0.0) * 1e4 + 1e-6) / 1e4
    return replace(fitted, threshold=max(least, WORTH_A_LOOK))


def features(parts: Parts) -> list[float]:
    """What a confidence is made of, in the order of ``FEATURES``."""
    return [
        parts.logit,
        log(parts.site),
        log(parts.edit),
        *(getattr(parts.evidence, name) for name in _EVIDENCE),
    ]


def recalibrated(scores: Sequence[Scores], calibration: Calibration) -> list[Scores]:
    """The same findings with the confidences of another calibration."""
    return [
        one._replace(model=tuple(_again(guess, calibration) for guess in one.model))
        for one in scores
    ]


def _again(guess: Guess, calibration: Calibration) -> Guess:
    """As `RepairRuntime.confidence`."""
    parts = guess.parts
    if parts is None:
        return guess
    return guess._replace(score=calibration.confidence(*parts))


def fit_logistic(
    features: Array, labels: Array, weights: Array, offsets: Array | float = 0.0, rounds: int = 50
) -> Array:
    """Slopes [F] and bias, [F + 1], of p = sigmoid(slopes @ features + bias + offsets), [N, F].

    By Newton's method, as Platt (1999) for one feature. A trace of ridge keeps separable data
    finite.
    """
    inputs = np.column_stack((features, np.ones(len(features))))
    weights = weights / weights.sum()
    found = np.zeros(inputs.shape[1])
    found[0], found[-1] = 1.0, float(np.log(np.average(labels, weights=weights)))
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-inputs @ found - offsets))
        gradient = inputs.T @ (weights * (chance - labels)) + 1e-9 * found
        curve = (inputs * (weights * chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(found)), gradient)
        found = found - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return found
