"""The page itself: cards, pictures with a line on how to read them, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from codemtl.tasks.registry import TASKS
from codemtl.training.report.elements import (
    cards,
    document,
    figure,
    grid,
    section,
    settings,
    table,
)
from codemtl.training.report.figures import lines, matrix
from codemtl.training.report.history import History, Series
from codemtl.training.report.summary import Summary

_MIB_IN_GIB = 1024


def render(summary: Summary, history: History, chosen: Mapping[str, Any] | None) -> str:
    """The page; ``chosen`` is metrics.json, the checkpoint that the run's model is."""
    tasks = list(summary.tasks)
    parts = [
        _header(summary),
        _cards(summary, history, chosen),
        section("Learning", _learning(tasks, history)),
        section("How the tasks share the model", _sharing(tasks, history)),
        section("Validation of the chosen checkpoint", _validation(tasks, chosen)),
        section("Data", _data(summary, history)),
        section("Machine", _machine(summary, history)),
        section("Configuration", settings("every setting of this run", summary.config)),
    ]
    return document("Training report", parts)


def _header(summary: Summary) -> str:
    steps = summary.config["steps"]
    state = "finished" if summary.finished else "not finished"
    weighting = escape(str(summary.config["weighting"]["name"]))
    names = " · ".join(escape(task) for task in summary.tasks)
    return (
        f"<header><h1>Joint training of {len(summary.tasks)} tasks</h1>"
        f"<p>{names} — weighting <b>{weighting}</b>, seed {summary.config['seed']}, step "
        f'{summary.step:,} of {steps:,} <span class="{state[:3]}">{state}</span></p></header>'
    )


def _cards(summary: Summary, history: History, chosen: Mapping[str, Any] | None) -> str:
    rows = []
    if chosen is not None:
        rows.append(("score of the model", f"{chosen['score']:.4f}", f"at step {chosen['step']:,}"))
    speed, memory = history["tokens_per_second"], history["memory"]
    if speed is not None:
        rows.append(("tokens a second", f"{speed.mean:,.0f}", "padding excluded"))
    padding = history["padding"]
    if padding is not None:
        rows.append(("padding", f"{padding.mean:.1%}", "of computed positions"))
    if memory is not None:
        rows.append(("memory", f"{max(memory.values) / _MIB_IN_GIB:.2f} GiB", "at most"))
    total = sum(summary.parameters.values())
    shared = summary.parameters.get("encoder", 0)
    rows.append(("parameters", f"{total / 1e6:.2f} M", f"{shared / max(total, 1):.0%} shared"))
    return cards(rows)


def _learning(tasks: Sequence[str], history: History) -> str:
    found = []
    losses = history.of_tasks(tasks, "loss")
    if losses:
        picture = lines(losses, label="training loss", smooth=True, low=0)
        found.append(figure(picture, "Loss of each task before weighting, smoothed."))
    scores = _scores(tasks, history)
    if scores:
        picture = lines(scores, label="validation score", low=0)
        found.append(figure(picture, "The measures whose mean chooses the checkpoint."))
    norms = history["gradient_norm"]
    if norms is not None:
        picture = lines({"norm": norms}, label="gradient norm", smooth=True, low=0)
        found.append(figure(picture, "Norm of the joint gradient, before clipping."))
    return grid(found)


def _scores(tasks: Sequence[str], history: History) -> dict[str, Series]:
    keys = {task: f"validation/{task}/{TASKS[task].score}" for task in tasks}
    return {task: series for task, key in keys.items() if (series := history[key])}


def _sharing(tasks: Sequence[str], history: History) -> str:
    found = []
    cosines = history.pairs("cosine")
    if cosines:
        means = [[_cosine(cosines, one, other) for other in tasks] for one in tasks]
        found.append(figure(
            matrix(tasks, means, digits=2),
            "Mean cosine between the tasks' gradients of the shared parameters: below zero they "
            "pull against each other. Small probes are noisy, which draws cosines towards zero.",
        ))  # fmt: skip
        named = {f"{one} · {other}": series for (one, other), series in cosines.items()}
        picture = lines(named, label="cosine", smooth=True, zero=True)
        found.append(figure(picture, "The same over time."))
    norms = history.of_tasks(tasks, "gradient_norm")
    if norms:
        picture = lines(norms, label="gradient norm", smooth=True, low=0)
        found.append(figure(picture, "How hard each task pulls at the shared parameters."))
    affinity = history.pairs("affinity")
    if affinity:
        rows = [[100 * affinity[one, other].mean for other in tasks] for one in tasks]
        found.append(figure(
            matrix(tasks, rows, digits=3),
            "Affinity: by how many percent a small step on the row's task lowers the column's "
            "loss (mean over the run; below zero it does harm).",
        ))  # fmt: skip
    weights = history.of_tasks(tasks, "weight")
    if weights:
        found.append(figure(lines(weights, label="weight", low=0), "Weight of each loss."))
    shares = history.of_tasks(tasks, "share")
    if shares:
        picture = lines(shares, label="share of tokens", smooth=True, low=0)
        found.append(figure(picture, "Share of the tokens seen."))
    return grid(found)


def _cosine(cosines: Mapping[tuple[str, str], Series], one: str, other: str) -> float:
    series = cosines.get((one, other)) or cosines.get((other, one))
    return 1.0 if series is None else series.mean


def _validation(tasks: Sequence[str], chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return ""
    rows = []
    for task in tasks:
        for key, value in sorted(chosen["validation"].items()):
            if key.startswith(task + "/"):
                rows.append([escape(task), escape(key.partition("/")[2]), f"{value:.4f}"])
    return table(["task", "measure", "value"], rows)


def _data(summary: Summary, history: History) -> str:
    rows = []
    epochs, shares = (history.of_tasks(list(summary.tasks), key) for key in ("epoch", "share"))
    for task, data in summary.tasks.items():
        stages = ", ".join(f"{name} {share:g}" for name, share in data.stages.items()) or "none"
        rows.append([
            escape(task), f"{data.examples:,}", f"{data.share:.1%}",
            f"{shares[task].mean:.1%}" if task in shares else "none",
            f"{epochs[task].last:.2f}" if task in epochs else "none",
            f"{data.micro_tokens:,}", escape(stages),
        ])  # fmt: skip
    functions = ", ".join(f"{count:,} {split}" for split, count in summary.functions.items())
    head = [
        "task", "examples", "sampling share", "share of tokens", "passes over the data",
        "tokens a micro-batch", "curriculum",
    ]  # fmt: skip
    return f"<p>Functions: {functions}.</p>{table(head, rows)}"


def _machine(summary: Summary, history: History) -> str:
    found = []
    for key, label, caption in (
        ("tokens_per_second", "tokens/s", "Throughput, padding excluded."),
        ("memory", "MiB", "Memory."),
    ):
        series = history[key]
        if series is not None:
            found.append(figure(lines({label: series}, label=label, low=0), caption))
    values = {**summary.machine, **{f"parameters: {k}": f"{v:,}" for k, v in
              summary.parameters.items()}}  # fmt: skip
    rows = [[escape(key), escape(value)] for key, value in values.items()]
    return grid(found) + table(["what", "value"], rows)
