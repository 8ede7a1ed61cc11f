"""The tables of a comparison, in one form for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from codemtl.training.compare.held_out import LOWER_IS_BETTER, MEASURES
from codemtl.training.compare.plan import JOINT, SINGLE, SINGLE_COMPUTE


class Table(TypedDict):
    """Rows of text under a head."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str


NAMES = {
    "repair": "repair, joint", "summarize": "summarize, pieces", "generate": "generate, pieces",
}  # fmt: skip
_TITLES = {
    SINGLE: "Gain over single-task models with as many updates of their task",
    SINGLE_COMPUTE: "Gain over single-task models that each cost as much as the joint run",
}


def tables(document: Mapping[str, Any]) -> list[Table]:
    """The tables of a document that `results` made; the first is the comparison."""
    found = [
        _gains(document, base)
        for base in (SINGLE, SINGLE_COMPUTE)
        if any(base in arm["against"] for arm in document["arms"].values())
    ]
    found.append(_values(document))
    found.append(_costs(document))
    found += [_series(kind, points) for kind, points in document["series"].items()]
    if document["images"] is not None:
        found.append(_images(document))
    return found


def _gains(document: Mapping[str, Any], base: str) -> Table:
    tasks = document["tasks"]
    rows = []
    for arm in document["arms"].values():
        if base not in arm["against"]:
            continue
        against = arm["against"][base]
        gains = [points(against["gains"][task][MEASURES[task][0]]) for task in tasks]
        worst = against["worst"]
        regressed = f"{against['regressed']} ({against['surely_regressed']})"
        rows.append([arm["label"], *gains, f"{worst['value']:+.1%} {worst['task']}", regressed])
    cases = ", ".join(f"{count} {task}" for task, count in document["cases"].items())
    seeds = ", ".join(map(str, document["seeds"]))
    return {
        "title": _TITLES[base],
        "head": ["arm", *(NAMES[task] for task in tasks), "worst task", "tasks worse (surely)"],
        "rows": rows,
        "note": f"Points, with 95% intervals of the paired bootstrap over {cases} held-out cases "
        f"({document['split']} projects) and over seeds {seeds}; few seeds make them inexact. "
        "Surely: the interval lies below zero.",
    }


def points(gain: Mapping[str, float]) -> str:
    """A gain of shares in points."""
    return f"{gain['value']:+.1%} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"


def _values(document: Mapping[str, Any]) -> Table:
    columns = [(task, measure) for task in document["tasks"] for measure in MEASURES[task]]
    rows = []
    for arm in document["arms"].values():
        cells = []
        for task, measure in columns:
            value = arm["tasks"][task][measure]["value"]
            cells.append(f"{value:.3f}" if measure == LOWER_IS_BETTER else f"{value:.1%}")
        rows.append([arm["label"], *cells])
    return {
        "title": "Every measure, means over seeds",
        "head": ["arm", *(f"{task}, {measure}" for task, measure in columns)],
        "rows": rows,
        "note": "Joint: a bug that is known to be there, located and repaired. Pieces: predicted "
        "exactly, given the right ones before them; exact: all of a text. Loss in nats, a case of "
        "repair, a piece of a text.",
    }


def _costs(document: Mapping[str, Any]) -> Table:
    rows, whole = [], document["micro_batches"]
    for arm in document["arms"].values():
        cost = arm["cost"]
        rows.append([
            arm["label"], str(cost["models"]), f"{cost['parameters']:,}",
            f"{cost['micro_batches'] / whole:.2f}", _number(cost["seconds"]),
            _number(cost["processor_seconds"]), _number(cost["tokens_per_second"]),
            f"{cost['memory']:,.0f}",
        ])  # fmt: skip
    notes = [
        f"learnt: {arm['cost']['unrelated_accuracy']:.1%} of its pieces"
        for arm in document["arms"].values()
        if arm["cost"]["unrelated_accuracy"] is not None
    ]
    unrelated = f" The unrelated task was {notes[0]}." if notes else ""
    return {
        "title": "What all tasks together cost",
        "head": ["arm", "models", "parameters", "training (joint runs)", "seconds",
                 "processor seconds", "tokens/s", "memory, MiB"],
        "rows": rows,
        "note": "Sums over the models of an arm, means over seeds; memory is the most that one "
        "training took. Times of runs that were stopped in between are not told. Where others use "
        f"the machine, processor seconds tell more.{unrelated}",
    }  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _series(kind: str, series: Sequence[Mapping[str, Any]]) -> Table:
    tasks = list(series[0]["tasks"])
    rows = []
    for point in series:
        row = [f"{point['at']:g}"]
        for task in tasks:
            both = point["tasks"][task]
            row += [f"{both[arm]['value']:.1%}" for arm in (SINGLE, JOINT)]
            row.append(points(both["gain"]))
        rows.append(row)
    head = [cell for task in tasks for cell in (f"{NAMES[task]}: single", "joint", "gain")]
    what = {"fraction": "share of the training data", "noise": "share of wrong labels"}[kind]
    title = {"fraction": "With part of the training data", "noise": "With wrong labels"}[kind]
    note = "Joint: equal weights; single: equal updates. The number of steps is always the same."
    return {"title": title, "head": [what, *head], "rows": rows, "note": note}


def _images(document: Mapping[str, Any]) -> Table:
    rows = []
    for model, figures in document["images"].items():
        for figure, row in figures.items():
            spread = "" if row["deviation"] is None else f" ± {100 * row['deviation']:.1f}"
            rows.append([f"images, {model}: {figure}", f"{row['single']:.1%}",
                         f"{row['joint']:.1%}", f"{row['gain']:+.1%}{spread}",
                         str(row["seeds"])])  # fmt: skip
    joint, single = document["arms"].get(JOINT), document["arms"][SINGLE]
    for task in document["tasks"] if joint is not None else ():
        measure = MEASURES[task][0]
        gain = joint["against"][SINGLE]["gains"][task][measure]
        values = [f"{arm['tasks'][task][measure]['value']:.1%}" for arm in (single, joint)]
        rows.append([f"code: {NAMES[task]}", *values, points(gain), str(len(document["seeds"]))])
    return {
        "title": "Images and code: each task alone, and jointly",
        "head": ["what", "single", "joint", "gain", "seeds"],
        "rows": rows,
        "note": "Images: mean and standard deviation over seeds of the gain, on the frozen test "
        "scenes; joint and single take the same number of steps. Code: equal weights, against "
        "equal updates.",
    }
