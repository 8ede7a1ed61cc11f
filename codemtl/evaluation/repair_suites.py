"""The suites of bugs, real and made: located, repaired, and at what price in false alarms.

A function's findings are judged by the best one alone: *located* if it overlaps a place that the
fix changes, *joint* if it also leaves the function as the fix does, up to whitespace. Systems, all
over the same cases:

- model: the repair head, ranked by calibrated confidence: without undefined names;
- product: the same and undefined names, ranked as ``codemtl repair`` does (whose last step, to
  drop edits that do not compile, is left out: the enumerator makes none);
- scope analysis: undefined names alone;
- n-gram: see `ngram`; the same candidate edits;
- ruff: see `ruff_rival`; it proposes no edit, so it has no joint figure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codemtl.ending import tidy
from codemtl.errors import DataError
from codemtl.evaluation.cases import RepairCase, RepairCases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.examples import false_alarms, misses
from codemtl.evaluation.judging import REWRITE, Verdict
from codemtl.evaluation.ngram import NgramModel
from codemtl.evaluation.repositories import Repositories
from codemtl.evaluation.results import PRIOR, SuiteResult, Table, as_json, percent
from codemtl.evaluation.ruff_rival import COMMAND, TIERS, RuffScores, run_ruff
from codemtl.evaluation.scoring import Guess, Make, Scores, score_cases
from codemtl.inference import Calibration
from codemtl.syntax.lexical import lexical_tokens
from codemtl.syntax.tree import parse
from codemtl.tasks.metrics import (
    NOTHING,
    Array,
    calibration_interval,
    grouped_share,
    most_confident,
    precision_recall,
    recall,
    recall_at,
    reliability,
    share,
    threshold,
)

RATES = (0.01, 0.05, 0.165)
KIND_RATE = 0.05
COVERAGES = (0.01, 0.05, 0.2)
EDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ORDER = 4  # of the n-gram model
NGRAM_FUNCTIONS = 20_000  # that it learns from
CALIBRATED = ("model", "product")


@dataclass(frozen=True, slots=True)
class System:
    """The score of the best finding in each clean function and of each bug, and its verdict.

    ``true`` is whether what it claims is so: ``joint``, or ``located`` where it names no repair.
    """

    name: str
    clean: Array
    bugs: Array
    located: Array
    joint: Array
    true: Array


@dataclass(frozen=True, slots=True)
class Setting:
    """What a suite of bugs is run with."""

    make: Callable[[Path | None], Make]  # a scorer, given the file of the n-gram model
    calibration: Calibration
    jobs: int
    seed: int
    repositories: Repositories | None  # only to tell for how many cases they are there


def repair_suite(name: str, cases: RepairCases, corpus: Corpus, setting: Setting) -> SuiteResult:
    """Run one suite of bugs."""
    with tidy(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ngram.npz"
        trained = train_ngram(corpus, NGRAM_FUNCTIONS, setting.seed, file)
        make = setting.make(file if trained else None)
        scores = score_cases([*cases.bugs, *cases.clean], make, setting.jobs)
    bugs = [row[0] for row in scores[: len(cases.bugs)]]
    clean = [one for row in scores[len(cases.bugs) :] for one in row]
    ruff = run_ruff(cases.bugs, cases.clean)
    systems = make_systems(bugs, clean, ruff, with_ngram=bool(trained))
    groups = np.repeat(np.arange(len(cases.clean)), [len(one.starts) for one in cases.clean])
    result = SuiteResult(name, _facts(cases, trained, ruff, setting.repositories))
    _recalls(result, systems, cases.bugs, groups, setting.seed)
    result.tables.append(_kinds(systems, cases.bugs))
    _shipped(result, systems, setting.calibration, groups, setting.seed)
    result.tables.append(_shown_kinds(bugs, clean, setting.calibration.threshold))
    _calibration(result, systems, groups, setting.seed)
    if ruff is not None:
        result.tables.append(_ruff_table(ruff))
    pairs = [*zip(cases.bugs, bugs, strict=True)]
    result.misses = misses(pairs)
    owners = [(case, at) for case in cases.clean for at in case.starts]
    result.false_alarms = false_alarms(list(zip(owners, clean, strict=True)))
    return result


def train_ngram(corpus: Corpus, count: int, seed: int, file: Path) -> int:
    """Train from random functions of the training split into ``file``; how many there were."""
    sources = [row["source"] for row in corpus.training_rows("functions", count, seed)]

    def texts() -> Iterator[list[str]]:
        for source in sources:
            tree = parse(source.encode())
            yield [token.text for token in lexical_tokens(tree, tree.root)]

    if sources:
        NgramModel.train(texts(), ORDER).save(file)
    return len(sources)


def make_systems(
    bugs: Sequence[Scores], clean: Sequence[Scores], ruff: RuffScores | None, *, with_ngram: bool
) -> list[System]:
    """Every system over the same cases."""
    named: dict[str, Callable[[Scores], Guess | None]] = {
        "model": lambda one: one.surest,
        "product": lambda one: one.shown,
        "scope analysis": lambda one: one.scope,
    }
    if with_ngram:
        named["n-gram"] = lambda one: one.ngram
    systems = []
    for name, best in named.items():
        found = [best(one) for one in bugs]
        verdicts = [Verdict() if one is None else one.verdict for one in found]
        systems.append(System(
            name,
            np.array([_score(best(one)) for one in clean]),
            np.array([_score(one) for one in found]),
            np.array([one.located for one in verdicts], bool),
            np.array([one.right for one in verdicts], bool),
            np.array([one is not None and one.keeps_its_word for one in found], bool),
        ))  # fmt: skip
    if ruff is not None:
        located = ruff.bugs > NOTHING
        nothing = np.zeros(len(located), bool)
        systems.append(System("ruff", ruff.clean, ruff.bugs, located, nothing, located))
    return systems


def _score(guess: Guess | None) -> float:
    return NOTHING if guess is None else guess.score


def _facts(
    cases: RepairCases, trained: int, ruff: RuffScores | None, repositories: Repositories | None
) -> dict[str, Any]:
    everything = [*cases.bugs, *cases.clean]
    if not trained and not everything:
        raise DataError(f"{cases.frozen.name} holds no cases")
    beside = "not given"
    if repositories is not None:
        known = sum(repositories.around(one.origin) is not None for one in everything)
        beside = f"known for {known} of {len(everything)} files"
    single = sum(one.truth is not None and one.truth.kind != REWRITE for one in cases.bugs)
    return {
        "list": cases.frozen.name,
        "sha256": cases.frozen.sha256,
        "bugs": len(cases.bugs),
        "one-edit bugs": single,
        "bug projects": len({one.origin.project for one in cases.bugs}),
        "clean functions": cases.clean_functions,
        "clean files": len(cases.clean),
        "clean projects": len({one.origin.project for one in cases.clean}),
        "unresolved cases": cases.unresolved,
        "other files of the project": beside,
        "n-gram": f"order {ORDER}, {trained} functions" if trained else "no training functions",
        "ruff": "not installed" if ruff is None else f"{' '.join(COMMAND)} ({ruff.version})",
    }


def _recalls(
    result: SuiteResult,
    systems: Sequence[System],
    bugs: Sequence[RepairCase],
    groups: Array,
    seed: int,
) -> None:
    """Joint and located recall at each rate, for both denominators, into metrics and tables."""
    single = np.array([one.truth is not None and one.truth.kind != REWRITE for one in bugs])
    subsets = {"all small fixes": np.ones(len(bugs), bool), "fixes of one edit": single}
    if single.all():
        subsets = {"bugs": single}
    heads = [f"at {rate:.3g}% false positives" for rate in np.array(RATES) * 100]
    result.metrics["flagged"] = {
        one.name: float((one.clean > NOTHING).mean()) for one in systems if len(one.clean)
    }
    for subset, here in subsets.items():
        figures: dict[str, Any] = {"n": int(here.sum())}
        for measure in ("joint", "located"):
            rows = []
            for one in systems:
                if (measure, one.name) == ("joint", "ruff"):
                    continue
                right = getattr(one, measure)[here]
                found = recall_at(one.clean, groups, one.bugs[here], right, RATES, seed=seed)
                found.append(share(right, seed=seed))
                keys = [*(f"{measure} {rate:.1%}" for rate in RATES), f"{measure} known"]
                figures.setdefault(one.name, {}).update(
                    {key: as_json(value) for key, value in zip(keys, found, strict=True)}
                )
                rows.append([one.name, *(percent(value) for value in found)])
            title = f"{measure.capitalize()}: {subset}, n = {here.sum()} (95% interval)"
            result.tables.append(Table(title, ["system", *heads, "known to be there"], rows))
        result.metrics[subset] = figures


def _kinds(systems: Sequence[System], bugs: Sequence[RepairCase]) -> Table:
    """Recall of each kind at one rate, and known to be there."""
    kinds = np.array([one.truth.kind if one.truth else "" for one in bugs])
    head = ["kind", "bugs"]
    rows = [[kind, str(int((kinds == kind).sum()))] for kind in sorted(set(kinds.tolist()))]
    for one in systems:
        above = threshold(one.clean, KIND_RATE)
        measure = one.located if one.name == "ruff" else one.joint
        head.append(f"{one.name}: located" if one.name == "ruff" else one.name)
        for row in rows:
            here = kinds == row[0]
            text = f"{recall(one.bugs[here], measure[here], above):.1%}"
            row.append(text if one.name == "ruff" else f"{text} ({measure[here].mean():.1%})")
    title = f"Joint at {KIND_RATE:.0%} false positives by kind (known to be there)"
    return Table(title, head, rows)


def _shipped(
    result: SuiteResult,
    systems: Sequence[System],
    calibration: Calibration,
    groups: Array,
    seed: int,
) -> None:
    """What a user sees who changes nothing: findings from the default threshold."""
    rows = []
    for one in systems:
        if one.name not in CALIBRATED or not len(one.clean):
            continue
        shown, alarms = one.bugs >= calibration.threshold, one.clean >= calibration.threshold
        values = {
            "clean functions flagged": grouped_share(alarms, groups, seed=seed),
            "joint": share(shown & one.joint, seed=seed),
            "located": share(shown & one.located, seed=seed),
        }
        result.metrics.setdefault("default threshold", {})[one.name] = {
            key: as_json(value) for key, value in values.items()
        }
        rows.append([one.name, *(percent(value) for value in values.values())])
    title = f"At the default threshold, confidence {calibration.threshold:.3g}"
    result.tables.append(
        Table(title, ["system", "clean functions flagged", "joint", "located"], rows)
    )


def _shown_kinds(bugs: Sequence[Scores], clean: Sequence[Scores], least: float) -> Table:
    """Of what kind the findings are that a user sees first, and how many are right."""
    shown = [[one.shown for one in scores] for scores in (bugs, clean)]
    seen, alarms = ([one for one in row if one and one.score >= least] for row in shown)
    rows = []
    for kind in sorted({one.kind for one in [*seen, *alarms]}):
        verdicts = [one.verdict for one in seen if one.kind == kind]
        flagged = sum(one.kind == kind for one in alarms)
        located, right = sum(one.located for one in verdicts), sum(one.right for one in verdicts)
        rows.append([kind, *map(str, (len(verdicts), located, right, flagged))])
    title = f"Shown by the product at the default threshold, {least:.3g}, by kind of finding"
    sizes = f"of {len(bugs)} bugs", f"of {len(clean)} clean functions"
    return Table(
        title, ["kind", f"shown, {sizes[0]}", "located", "joint", f"shown, {sizes[1]}"], rows
    )


def _calibration(result: SuiteResult, systems: Sequence[System], groups: Array, seed: int) -> None:
    """Calibration and precision-recall where one function in a hundred has a bug."""
    rows = []
    for one in systems:
        if not len(one.bugs) or not len(one.clean):
            continue
        score = np.concatenate([one.bugs, one.clean])
        right = np.concatenate([one.true, np.zeros(len(one.clean), bool)])
        bug = np.arange(len(score)) < len(one.bugs)
        weights = np.where(bug, PRIOR / len(one.bugs), (1 - PRIOR) / len(one.clean))
        if one.joint.any() or one.name in CALIBRATED:
            result.curves[one.name] = precision_recall(score, right, bug, weights)
        if one.name not in CALIBRATED:
            continue
        chance = np.where(score > NOTHING, score, 0.0)
        drawn = np.concatenate([np.arange(len(one.bugs)), groups])
        errors = {}
        for coverage in COVERAGES:
            error = calibration_interval(chance, right, weights, coverage, bug, drawn, seed=seed)
            top = most_confident(chance, weights, coverage)
            precision = float(np.average(right[top], weights=weights[top]))
            errors[f"top {coverage:.0%}"] = {"error": as_json(error), "right": precision}
            text = f"{error.value:.4f} ({error.low:.4f}-{error.high:.4f})"
            rows.append([one.name, f"{coverage:.0%}", text, f"{precision:.1%}"])
        result.metrics.setdefault("calibration", {})[one.name] = errors
        if one.name == "product":
            result.bins = reliability(chance, right, weights, np.array(EDGES))
    title = f"Expected calibration error where {PRIOR:.0%} of functions have a bug (95% interval)"
    head = ["system", "functions with the highest confidence", "error", "right among them"]
    result.tables.append(Table(title, head, rows))


def _ruff_table(ruff: RuffScores) -> Table:
    """Operating points of ruff as it is used: everything shown, or only some rule groups."""
    rows = []
    for tier in sorted(set(TIERS.values())):
        groups = ",".join(name for name, level in TIERS.items() if level >= tier)
        flagged = f"{(ruff.clean >= tier).mean():.1%}" if len(ruff.clean) else "-"
        rows.append([groups, f"{(ruff.bugs >= tier).mean():.1%}", flagged])
    note = f"ruff says anything new anywhere in the function: {ruff.anywhere.mean():.1%}"
    title = "ruff as it is used: it has no threshold"
    return Table(title, ["rules shown", "located", "clean functions flagged"], rows, note)
