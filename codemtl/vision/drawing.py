"""Pictures for people: boxes on an image, a sheet of examples, the curves of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

_COLOURS = (
    "#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#46f0f0", "#f032e6", "#bcf60c",
    "#fabebe", "#008080",
)  # fmt: skip
_MARGIN, _CAPTION = 6, 18


class Box(NamedTuple):
    """A box to draw, in pixels of the picture."""

    x1: float
    y1: float
    x2: float
    y2: float
    name: str
    score: float
    colour: int  # number of the class


def draw_boxes(picture: Image.Image, boxes: Sequence[Box], scale: int = 1) -> Image.Image:
    """A colour copy of the picture, ``scale`` times as large, with boxes, classes and scores."""
    drawn = picture.convert("RGB").resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(drawn)
    line = max(1, max(drawn.size) // 300)
    font = ImageFont.load_default(max(10, max(drawn.size) // 28))
    for box in sorted(boxes, key=lambda one: one.score):
        colour = _COLOURS[box.colour % len(_COLOURS)]
        x1, x2 = sorted((box.x1 * scale, box.x2 * scale))
        y1, y2 = sorted((box.y1 * scale, box.y2 * scale))
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=line)
        text = f"{box.name} {box.score:.2f}"
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        x = min(max(0, x1), max(0, drawn.width - right))
        y = y1 - bottom - 1 if y1 > bottom else min(y2 + 1, drawn.height - bottom)
        pen.rectangle((x + left - 1, y + top - 1, x + right + 1, y + bottom + 1), fill=colour)
        pen.text((x, y), text, fill="black", font=font)
    return drawn


def sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int = 4
) -> Image.Image:
    """Pictures of one size in rows, each above its caption."""
    width, height = pictures[0].size
    across, down = width + _MARGIN, height + _CAPTION + _MARGIN
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * across + _MARGIN, rows * down + _MARGIN), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = _MARGIN + i % columns * across, _MARGIN + i // columns * down
        page.paste(picture, (x, y))
        pen.text((x, y + height + 1), caption, fill="black", font=font)
    return page


def curves(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG of the losses and the validation figures of a run's log."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    for key in ("cls/loss", "det/loss"):
        _line(losses, rows, key, key.partition("/")[0])
    for key in ("accuracy", "ap", "ap50"):
        _line(scores, rows, f"validation/{key}", key)
    losses.set(title="training loss", xlabel="step", yscale="log")
    scores.set(title="validation", xlabel="step", ylim=(0, 1.02))
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _line(axes: Any, rows: Sequence[Mapping[str, Any]], key: str, label: str) -> None:
    points = [(row["step"], row[key]) for row in rows if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 60 else "")
