"""Labels and boxes for the user's own pictures, drawn on a copy of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from codemtl.errors import CodemtlError, UsageError
from codemtl.vision.config import MOST_THREADS, check_names, parse_settings
from codemtl.vision.drawing import Box, draw_boxes
from codemtl.vision.folders import load_network, make_folder, resolve_precision
from codemtl.vision.metrics import predictions
from codemtl.vision.model import Predictions
from codemtl.vision.pictures import Fitted, encode_png, fit, read_picture, write_whole

THRESHOLD = 0.3  # boxes below it are not shown


@dataclass(frozen=True, slots=True)
class PictureResult:
    """What was found in one picture, in its own pixels."""

    path: str
    message: str | None = None  # the error, if there was one
    label: str | None = None
    probability: float | None = None
    boxes: list[Box] = field(default_factory=list)
    drawn: str | None = None  # the PNG that was written

    def to_dict(self) -> dict[str, Any]:
        """For JSON; boxes as COCO has them: x, y, width, height."""
        return {
            "path": self.path, "status": "error" if self.message else "ok",
            "message": self.message, "label": self.label, "probability": self.probability,
            "boxes": [
                {
                    "class": one.name, "score": round(one.score, 4),
                    "box": [round(v, 2) for v in
                            (one.x1, one.y1, one.x2 - one.x1, one.y2 - one.y1)],
                }
                for one in self.boxes
            ],
            "drawn": self.drawn,
        }  # fmt: skip


def predict(
    images: Sequence[Path], model: Path, out: Path, settings: Sequence[str] = ()
) -> Iterator[PictureResult]:
    """Predict picture by picture; each is drawn to ``out/NAME.predicted.png``.

    A picture that cannot be read becomes a result with a message. Raises UsageError, ModelError.
    """
    values = {"threshold": THRESHOLD, "threads": 0, **parse_settings(settings)}
    check_names(values, dict.fromkeys(("threshold", "threads")))
    threshold, threads = values["threshold"], values["threads"]
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not number or not 0 <= threshold <= 1:
        raise UsageError(f"threshold is {threshold!r}; it must be a number from 0 to 1")
    if type(threads) is not int or not 0 <= threads <= MOST_THREADS:
        raise UsageError(
            f"threads is {threads!r}; it must be a whole number from 0 to {MOST_THREADS}"
        )
    if not images:
        raise UsageError("no picture is named: codemtl vision predict IMAGE... --model DIR")
    if threads:
        torch.set_num_threads(threads)
    network, config, names = load_network(model)
    precision = resolve_precision(config.precision, torch.device("cpu"))
    make_folder(out)
    for path, target in zip(images, _targets(images, out), strict=True):
        try:
            picture = read_picture(path)
            fitted = fit(picture, config.image_size, config.channels)
            pixels = torch.from_numpy(fitted.pixels)[None]
            (answers,) = predictions(network, pixels, precision)
            boxes = [
                _unfitted(one, fitted, picture.size)
                for one in boxes_of(answers, 0, names, threshold)
            ]
            scale = max(1, 384 // max(picture.size))
            write_whole(target, encode_png(draw_boxes(picture, boxes, scale)))
        except CodemtlError as error:
            yield PictureResult(str(path), str(error))
            continue
        label, probability = None, None
        if answers.probabilities_BC is not None:
            best, place = answers.probabilities_BC[0].max(0)
            label, probability = names[int(place)], round(float(best), 4)
        yield PictureResult(str(path), None, label, probability, boxes, str(target))


def _unfitted(box: Box, fitted: Fitted, size: tuple[int, int]) -> Box:
    """A box of the canvas in pixels of the picture, cut at its edges."""
    x1, x2 = (min(x / fitted.scale_x, size[0]) for x in (box.x1, box.x2))
    y1, y2 = (min(y / fitted.scale_y, size[1]) for y in (box.y1, box.y2))
    return box._replace(x1=x1, y1=y1, x2=x2, y2=y2)


def _targets(images: Sequence[Path], out: Path) -> list[Path]:
    """A file for each picture, no two the same, and none that is itself to be read."""
    places = [Path(place) for path in images for place in (path, os.path.realpath(path))]
    here = os.path.realpath(out)
    taken = {place.name for place in places if os.path.realpath(place.parent) == here}
    targets = []
    for path in images:
        name, number = f"{path.stem}.predicted.png", 2
        while name in taken:
            name, number = f"{path.stem}.{number}.predicted.png", number + 1
        taken.add(name)
        targets.append(out / name)
    return targets


def boxes_of(
    answers: Predictions, number: int, names: Sequence[str], threshold: float = THRESHOLD
) -> list[Box]:
    """The boxes of one picture of a batch that score at least ``threshold``, best first.

    Of several classes that the network gives one box only the best is told.
    """
    if answers.boxes_BKF is None or answers.scores_BK is None or answers.classes_BK is None:
        return []
    rows = zip(
        answers.boxes_BKF[number].tolist(), answers.scores_BK[number].tolist(),
        answers.classes_BK[number].tolist(), strict=True,
    )  # fmt: skip
    found: dict[tuple[float, float, float, float], Box] = {}
    for (x1, y1, x2, y2), score, name in sorted(rows, key=lambda row: -row[1]):
        if score >= threshold:
            box = Box(x1, y1, x2, y2, names[name], score, name)
            found.setdefault((x1, y1, x2, y2), box)
    return list(found.values())
