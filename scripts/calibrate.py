"""Fit a model's calibration on the validation split and store it in its config.json.

    python scripts/calibrate.py --corpus CORPUS --model DIR

1. ``slope`` of the bug logit, ``relief`` (the weight of how far the best edit lowers it) and
   ``bias`` by logistic regression over mutated and clean functions, weighted to the deployment
   prior: one function in a hundred has a bug.
2. ``threshold``: at most 1% of clean functions have a finding shown, undefined names included, and
   no finding is shown that is right less than once in ten times.

p(site | bug) and p(edit | site, bug) are taken as the model gives them; the tables say how far the
product of the three is calibrated. Undefined names on validation code are counted, but how many of
those reports are true would need a reader, so their two constants stay as they are.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from cases import Cases, Corpus, load_cases
from measures import Array, calibration_error, fit_logistic, reliability, threshold
from scoring import Result, Window, confidence, score_cases

from codemtl.inference.predictor import Calibration
from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import CONFIG, read_config

PRIOR = 0.01  # of a bug in a function
SHOWN = 0.01  # of clean functions
WORTH_A_LOOK = 0.1  # confidence below which a finding only costs its reader time
COVERAGES = (0.01, 0.05, 0.2)
EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SPLIT = "validation"


def main() -> None:
    options = _arguments()
    values = read_config(options.model)
    corpus = Corpus(options.corpus, SPLIT)
    file = options.cases or options.corpus / (
        f"cases-{SPLIT}-{options.bugs}-{options.clean}-{options.seed}.jsonl"
    )
    cases = load_cases(corpus, file, options.bugs, options.clean, options.seed)
    bugs, files = score_cases(cases, corpus, options.model, None, options.jobs)
    clean = [one for file in files for one in file]
    fitted = fit(bugs, clean)
    print(f"command: {shlex.join(['python', *sys.argv])}")
    print(f"model: {values.get('name', 'codemtl')} {str(values.get('sha256'))[:12]}")
    print(f"cases: {SPLIT} split, {file.name}, SHA-256 {cases.checksum}, seed {options.seed}")
    print(f"bugs: {len(bugs)}; clean functions: {len(clean)}; prior: {PRIOR}")
    print("\n".join(lines(bugs, clean, fitted)))
    if fitted.slope <= 0:
        raise SystemExit("the bug logit does not tell bugs from clean code: nothing is written")
    if not options.dry_run:
        store(options.model, fitted, cases)


def fit(bugs: list[Result], clean: list[Result]) -> Calibration:
    """Slope, bias and threshold."""
    suspects = [_suspect(one) for one in (*bugs, *clean) if one.windows]
    features = np.array([(one.logit, one.relief) for one in suspects])
    seen = [bool(one.windows) for one in (*bugs, *clean)]
    labels = _labels(bugs, clean)
    slope, relief, bias = fit_logistic(features, labels[seen], _weights(labels)[seen]).round(4)
    fitted = replace(Calibration(), slope=float(slope), relief=float(relief), bias=float(bias))
    above = threshold(np.array([_shown(one, fitted) for one in clean]), SHOWN)
    least = float(np.ceil(max(above, 0) * 1e4 + 1e-6) / 1e4)
    return replace(fitted, threshold=max(least, WORTH_A_LOOK))


def _suspect(result: Result) -> Window:
    """A function is as suspicious as its most suspicious window."""
    return max(result.windows, key=lambda one: one.logit)


def _labels(bugs: list[Result], clean: list[Result]) -> Array:
    return np.repeat((1.0, 0.0), (len(bugs), len(clean)))


def _weights(labels: Array) -> Array:
    """Weights under which a share of ``PRIOR`` has a bug."""
    bugs = labels.sum()
    found: Array = np.where(labels > 0, PRIOR / bugs, (1 - PRIOR) / (len(labels) - bugs))
    return found


def _best(result: Result, calibration: Calibration) -> tuple[float, bool]:
    """Confidence of the model's best finding, and whether it is right."""
    found = [(confidence(one, calibration), one.verdict.right) for one in result.windows]
    return max(found, key=lambda one: one[0], default=(0.0, False))


def _best_of_all(results: Sequence[Result], calibration: Calibration) -> tuple[Array, Array]:
    """Confidence of each function's best finding, and whether it is right."""
    found = np.array([_best(one, calibration) for one in results], float)
    return found[:, 0], found[:, 1]


def _shown(result: Result, calibration: Calibration) -> float:
    """Confidence of the product's best finding, undefined names included."""
    best = _best(result, calibration)[0]
    if result.undefined is None:
        return best
    with_suggestion = result.undefined[0]
    name = calibration.undefined_name if with_suggestion else calibration.undefined_name_alone
    return max(best, name)


def lines(bugs: list[Result], clean: list[Result], fitted: Calibration) -> Iterator[str]:
    """What was fitted, and how well it fits."""
    labels = _labels(bugs, clean)
    weights = _weights(labels)
    yield f"slope {fitted.slope}, relief {fitted.relief}, bias {fitted.bias}"
    yield f"threshold {fitted.threshold}"
    everything = (*bugs, *clean)
    before, after = (_best_of_all(everything, one) for one in (Calibration(), fitted))
    yield "\nExpected calibration error, one function in a hundred having a bug\n"
    yield "| functions with the highest confidence | before | after | right among them (after) |"
    yield "| --- | --- | --- | --- |"
    for coverage in COVERAGES:
        old, new = (calibration_error(*one, weights, coverage) for one in (before, after))
        right = _precision(*after, weights, coverage)
        yield f"| {coverage:.0%} | {old:.4f} | {new:.4f} | {right:.1%} |"
    yield "\nReliability after\n"
    yield "| share of functions | mean confidence | right |\n| --- | --- | --- |"
    for row in reliability(*after, weights, np.array(EDGES)):
        yield f"| {row.share:.3%} | {row.confidence:.3f} | {row.right:.3f} |"
    shown = np.array([_shown(one, fitted) >= fitted.threshold for one in everything])
    buggy = labels > 0
    yield f"\nshown at the threshold: {shown[~buggy].mean():.2%} of clean functions,"
    yield f"{shown[buggy].mean():.1%} of functions with a bug"
    yield from _parts([_suspect(one) for one in bugs if one.windows])
    names = [one.undefined[0] for one in clean if one.undefined is not None]
    yield (
        f"\nclean functions with an undefined name: {sum(names)} with a suggestion, "
        f"{len(names) - sum(names)} without; their confidences "
        f"({fitted.undefined_name}, {fitted.undefined_name_alone}) are not fitted"
    )


def _parts(windows: list[Window]) -> Iterator[str]:
    """The factors after p(bug), on functions that have a bug."""
    yield "\nGiven a bug, best edit of the most suspicious window\n"
    yield "| factor | mean | right |\n| --- | --- | --- |"
    sites, edits = (np.array([getattr(one, name) for one in windows]) for name in ("site", "edit"))
    located, right = np.array([one.verdict for one in windows]).T
    yield f"| p(site) | {sites.mean():.3f} | {located.mean():.3f} |"
    yield f"| p(site) · p(edit) | {(sites * edits).mean():.3f} | {right.mean():.3f} |"


def _precision(confidences: Array, rights: Array, weights: Array, coverage: float) -> float:
    """Share of right findings among the ``coverage`` with the highest confidence."""
    order = np.argsort(confidences)[::-1]
    inside = order[: int(np.searchsorted(np.cumsum(weights[order]), coverage)) + 1]
    return float(np.average(rights[inside], weights=weights[inside]))


def store(folder: Path, fitted: Calibration, cases: Cases) -> None:
    """Put the calibration into config.json, and on what it was fitted."""
    values = read_config(folder)
    values["calibration"] = asdict(fitted)
    values["calibrated_on"] = {
        "split": SPLIT, "bugs": len(cases.bugs), "clean": cases.clean_functions,
        "prior": PRIOR, "cases_sha256": cases.checksum,
    }  # fmt: skip
    write_atomic(folder / CONFIG, (json.dumps(values, indent=2) + "\n").encode())
    print(f"\nwritten to {folder / CONFIG}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--bugs", type=int, default=2000)
    parser.add_argument("--clean", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=Path, help="the frozen list; made if it is not there")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dry-run", action="store_true", help="do not write config.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
