"""Pictures as inline SVG: lines over steps, and matrices over pairs of tasks."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from codemtl.training.report.history import Series

COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2")
INK, GRID = "#334155", "#e2e8f0"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "codemtl", "font.family": "sans-serif",
    "font.size": 9, "axes.edgecolor": GRID, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7,
}  # fmt: skip


def lines(
    series: Mapping[str, Series], *, label: str, marks: Mapping[str, Series] | None = None,
    low: float | None = None, smooth: bool = False, zero: bool = False,
) -> str:  # fmt: skip
    """One line a name; ``marks`` are points of the same colours, as of validation."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes: Axes = figure.subplots()
        for name, colour in zip(series, _colours(len(series)), strict=True):
            one = series[name]
            if smooth:
                axes.plot(one.steps, one.values, color=colour, alpha=0.25, linewidth=0.8)
            shown = one.smoothed() if smooth else one.values
            dot = "o" if len(one.steps) == 1 else None
            axes.plot(one.steps, shown, color=colour, label=name, linewidth=1.6, marker=dot)
            if marks and name in marks:
                axes.plot(
                    marks[name].steps, marks[name].values, color=colour, linestyle="--",
                    marker="o", markersize=3, linewidth=0.9,
                )  # fmt: skip
        if zero:
            axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=low)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=8)
        return svg(figure)


def matrix(names: Sequence[str], values: Sequence[Sequence[float]], *, digits: int) -> str:
    """Numbers on a diverging scale around zero; rows are ``names``, as are columns."""
    flat = [abs(value) for row in values for value in row if not math.isnan(value)]
    off = [abs(v) for i, row in enumerate(values) for j, v in enumerate(row) if i != j]
    bound = max([*off, 1e-12]) if off else max([*flat, 1e-12])
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(4.0, 2.9), layout="constrained")
        axes: Axes = figure.subplots()
        axes.pcolormesh(
            values, cmap="RdBu", vmin=-bound, vmax=bound, alpha=0.85, edgecolors="white"
        )  # not imshow, which would embed a bitmap
        axes.invert_yaxis()
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                colour = "white" if abs(value) > 0.6 * bound else INK
                axes.text(
                    j + 0.5, i + 0.5, f"{value:.{digits}f}", ha="center", va="center", color=colour
                )
        places = [index + 0.5 for index in range(len(names))]
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return svg(figure)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def svg(figure: Figure) -> str:
    """A figure's text, without prologue and date, so that the same run makes the same page."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """A figure as a bitmap on white."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=160)
    return buffer.getvalue()
