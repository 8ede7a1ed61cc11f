"""The user's own pictures: a folder of images and annotations in COCO's format.

    DATA/images/a.png ...
    DATA/annotations.json    {"images": [{"id": 1, "file_name": "a.png", "width": 640, "height": 480}],
                              "annotations": [{"image_id": 1, "bbox": [x, y, w, h], "category_id": 3}],
                              "categories": [{"id": 3, "name": "cat"}]}

A hash of the file's name sends each picture to training, validation or test (80:10:10). Whoever has
splits already puts such a folder each into DATA/train, DATA/validation and DATA/test. Everything is
checked before the first step, and what is wrong is named.
"""  # noqa: E501

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from codemtl.errors import DataError, UsageError
from codemtl.vision.data import Examples, Progress, arrange
from codemtl.vision.pictures import fit, read_picture

ANNOTATIONS, IMAGES = "annotations.json", "images"
SPLITS = ("train", "validation", "test")
_LARGEST = 1e9  # of a number in pixels
_SLACK = 1.0  # pixels by which a box may pass the edge: tools round


class Annotated(NamedTuple):
    """One picture of an annotation file."""

    path: Path
    boxes: list[list[float]]  # x, y, width, height in its pixels
    classes: list[int]  # places in the list of names


def load_coco(
    data: Path, split: str, size: int, channels: int, progress: Progress | None = None
) -> Examples:
    """The pictures of a split, fitted to ``size``x``size`` pixels; split ``all``: every one.

    Raises DataError that names the file and the annotation.
    """
    if split not in (*SPLITS, "all"):
        raise UsageError(f"split is {split!r}; it must be train, validation, test or all")
    folder, own = data, split
    if (data / "train").is_dir():
        if split == "all":
            raise UsageError(f"{data} has a folder for each split; name one: --set split=test")
        folder, own = data / split, "all"
    pictures, names = read_annotations(folder)
    chosen = [one for one in pictures if own == "all" or split_of(one.path.name) == own]
    if not chosen:
        raise DataError(
            f"{folder}: no picture falls into the {split} split; add pictures, or put them into "
            f"{data / 'train'}, {data / 'validation'} and {data / 'test'} yourself"
        )
    most = max(1, *(len(one.boxes) for one in chosen))
    images = np.zeros((len(chosen), size, size, channels), np.uint8)
    boxes = np.zeros((len(chosen), most, 4))
    classes = np.full((len(chosen), most), -1, np.int64)
    for i, one in enumerate(chosen):
        picture = read_picture(one.path)
        fitted = fit(picture, size, channels)
        images[i] = fitted.pixels
        for j, (x, y, width, height) in enumerate(one.boxes):
            _check_box(one.path, j, (x, y, width, height), picture.size)
            scales = np.array([fitted.scale_x, fitted.scale_y] * 2)
            boxes[i, j] = np.array([x, y, x + width, y + height]) * scales
        classes[i, : len(one.classes)] = one.classes
        if progress is not None and i % 20 == 19:
            progress(f"{split} pictures", i + 1, len(chosen))
    return arrange(images, np.clip(boxes, 0, size), classes, names)


def split_of(name: str) -> str:
    """Where a picture belongs, by the hash of its file's name."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 10
    return "test" if place == 9 else "validation" if place == 8 else "train"


def read_annotations(folder: Path) -> tuple[list[Annotated], tuple[str, ...]]:
    """The pictures of a folder with their boxes, by file name, and the names of the classes."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; it should hold {IMAGES}/ and "
                        f"{ANNOTATIONS}")  # fmt: skip
    path = folder / ANNOTATIONS
    if not path.is_file():
        raise DataError(f"{path}: the annotations are missing; expected COCO's format")
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    tables = {key: _table(path, document, key) for key in ("images", "annotations", "categories")}
    places, names = _categories(path, tables["categories"])
    found: dict[Any, Annotated] = {}
    for number, row in enumerate(tables["images"]):
        where = f"{path}: images[{number}]"
        key, name = _field(where, row, "id", (int, str)), _field(where, row, "file_name", (str,))
        if key in found:
            raise DataError(f"{where}: id {key!r} is there twice")
        found[key] = Annotated(_inside(folder / IMAGES, name, where), [], [])
    if not found:
        raise DataError(f"{path}: it lists no images; the folder is empty")
    for number, row in enumerate(tables["annotations"]):
        where = f"{path}: annotations[{number}]"
        key, category = (_field(where, row, k, (int, str)) for k in ("image_id", "category_id"))
        if key not in found:
            raise DataError(f"{where}: image_id {key!r} is not in images")
        if category not in places:
            known = ", ".join(map(repr, list(places)[:20]))
            raise DataError(f"{where}: category_id {category!r} is not in categories ({known})")
        if row.get("iscrowd"):
            continue  # a region, not an object
        found[key].boxes.append(_numbers(where, _field(where, row, "bbox", (list,))))
        found[key].classes.append(places[category])
    return sorted(found.values(), key=lambda one: one.path.name), names


def _table(path: Path, document: Any, key: str) -> list[Any]:
    if not isinstance(document, dict) or not isinstance(document.get(key), list):
        raise DataError(f"{path}: {key!r} is missing or no list; it should be in COCO's format")
    rows: list[Any] = document[key]
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"{path}: {key}[{number}] is no object")
    return rows


def _field(where: str, row: Mapping[str, Any], key: str, kinds: tuple[type, ...]) -> Any:
    value = row.get(key)
    if not isinstance(value, kinds) or isinstance(value, bool):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise DataError(f"{where}: {key} is {value!r}; it must be {wanted}")
    if isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value):
        raise DataError(f"{where}: {key} is {value!r}, which holds half a character; rename it")
    return value


def _numbers(where: str, box: list[Any]) -> list[float]:
    right = len(box) == 4 and all(
        isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < _LARGEST
        for one in box
    )
    if not right:
        raise DataError(f"{where}: bbox is {box!r}; it must be [x, y, width, height]")
    return [float(one) for one in box]


def _categories(path: Path, rows: list[Any]) -> tuple[dict[Any, int], tuple[str, ...]]:
    places: dict[Any, int] = {}
    names: list[str] = []
    for number, row in enumerate(rows):
        where = f"{path}: categories[{number}]"
        key = _field(where, row, "id", (int, str))
        if key in places:
            raise DataError(f"{where}: id {key!r} is there twice")
        places[key] = len(names)
        names.append(str(_field(where, row, "name", (str,))))
    if not names:
        raise DataError(f"{path}: it lists no categories")
    return places, tuple(names)


def _inside(folder: Path, name: str, where: str) -> Path:
    """The picture's path, which may not lead out of the folder."""
    path = folder / name
    if not name or "\0" in name:
        raise DataError(f"{where}: file_name is {name!r}; it must name a picture in {folder}")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DataError(f"{where}: file_name {name!r} leads out of {folder}")
    return path


def _check_box(path: Path, number: int, box: tuple[float, ...], size: tuple[int, int]) -> None:
    x, y, width, height = box
    right, bottom = size[0] + _SLACK, size[1] + _SLACK
    if width <= 0 or height <= 0:
        raise DataError(f"{path}: box {number} ({_shown(box)}) has no area")
    if x < -_SLACK or y < -_SLACK or x + width > right or y + height > bottom:
        raise DataError(
            f"{path}: box {number} ({_shown(box)}) lies outside the picture of "
            f"{size[0]}x{size[1]} pixels; boxes are [x, y, width, height] in pixels"
        )


def _shown(box: tuple[float, ...]) -> str:
    return ", ".join(f"{one:g}" for one in box)
