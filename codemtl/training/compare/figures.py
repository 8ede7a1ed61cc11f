"""The picture of a comparison: gains with their intervals, and curves over data and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codemtl.training.compare.held_out import MEASURES
from codemtl.training.compare.plan import JOINT, SINGLE, SINGLE_COMPUTE
from codemtl.training.compare.tables import NAMES
from codemtl.training.report.figures import COLOURS, INK, STYLE

_BASES = {
    SINGLE: ("equal updates", "o", COLOURS[0]),
    SINGLE_COMPUTE: ("equal compute", "D", COLOURS[1]),
}
_CURVES = {SINGLE: ("single", COLOURS[1]), JOINT: ("joint", COLOURS[0])}
_AXES = {"fraction": "share of the training data", "noise": "share of wrong labels"}


def gains(document: Mapping[str, Any]) -> Figure:
    """A panel a task, a row an arm: the gain over single-task models in points, 95% intervals."""
    tasks = document["tasks"]
    arms = [arm for arm in document["arms"].values() if arm["against"].get(SINGLE)]
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(3.2 * len(tasks) + 1.6, 0.55 * len(arms) + 1.5), layout="constrained"
        )
        panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
        for axes, task in zip(panels, tasks, strict=True):
            _gain_panel(axes, task, arms)
        panels[0].set_yticks(range(len(arms)), [arm["label"] for arm in arms])
        panels[0].set_ylim(len(arms) - 0.5, -0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        return figure


def _gain_panel(axes: Axes, task: str, arms: Sequence[Mapping[str, Any]]) -> None:
    axes.axvline(0, color=INK, linewidth=0.9)
    for number, (base, (name, mark, colour)) in enumerate(_BASES.items()):
        rows = [(place, arm["against"][base]["gains"][task][MEASURES[task][0]])
                for place, arm in enumerate(arms) if base in arm["against"]]  # fmt: skip
        if not rows:
            continue
        values = [100 * gain["value"] for _, gain in rows]
        below = [100 * max(0.0, gain["value"] - gain["low"]) for _, gain in rows]
        above = [100 * max(0.0, gain["high"] - gain["value"]) for _, gain in rows]
        axes.errorbar(
            values, [place + 0.26 * number - 0.13 for place, _ in rows], xerr=[below, above],
            fmt=mark, color=colour, markersize=4.5, capsize=2.5, linewidth=1.2,
            label=f"against single, {name}",
        )  # fmt: skip
    axes.set_title(NAMES[task], fontsize=9)
    axes.set_xlabel("points gained")


def curves(kind: str, series: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a task: single and joint over data or noise; the bars span the seeds."""
    tasks, at = list(series[0]["tasks"]), [point["at"] for point in series]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(tasks) + 0.6, 2.9), layout="constrained")
        panels = figure.subplots(1, len(tasks), squeeze=False)[0]
        for axes, task in zip(panels, tasks, strict=True):
            for arm, (name, colour) in _CURVES.items():
                rows = [point["tasks"][task][arm] for point in series]
                axes.errorbar(
                    at, [100 * row["value"] for row in rows], yerr=_spans(rows), color=colour,
                    marker="o", markersize=4, capsize=2.5, linewidth=1.4, label=name,
                )  # fmt: skip
            if kind == "fraction":
                axes.set_xscale("log")
            axes.set_xticks(at, [f"{value:.0%}" for value in at])
            axes.minorticks_off()
            axes.set_xlabel(_AXES[kind])
            axes.set_title(f"{NAMES[task]}, %", fontsize=9)
        panels[0].legend(frameon=False, fontsize=8)
        return figure


def _spans(rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """From each mean down to the lowest and up to the highest seed, in per cent."""
    below = [100 * max(0.0, row["value"] - min(row["seeds"])) for row in rows]
    above = [100 * max(0.0, max(row["seeds"]) - row["value"]) for row in rows]
    return [below, above]
