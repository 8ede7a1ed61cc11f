"""Scenes of handwritten digits: data for both tasks that need no network, and never change.

The specification, frozen (``tests/vision/test_scenes.py`` holds the test set to its checksum):

- canvas 96x96, one channel, 8 bits; 1 to 5 digits, the number drawn uniformly;
- digits: scikit-learn's 1,797 (8x8, ten classes), split 1,257 / 180 / 360 over training, validation
  and test by a fixed shuffle, so that no digit is in two splits; enlarged to 2 pixels a cell,
  cropped to what is at least 3/8 of full ink, then resized bilinearly;
- size (the longer side of the box) 14 to 40 pixels, the largest at least 20% above the next; the
  image's label is the class of the largest; the box is the digit's cropped extent;
- position uniform on the canvas, pairwise IoU of boxes at most 0.3, and no box covered by another
  for more than half (what lies inside of another digit cannot be read by anyone); ink 150 to 255,
  the brighter of two overlapping pixels is seen;
- clutter: 4 to 10 straight strokes of up to 14 pixels, brightness 40 to 130; background 0 to 40;
  noise: the sum of two uniform integers from -16 to 16 (standard deviation 13.5) on each pixel;
- training digits come in 8 variants, the first unchanged, the others with random affine changes of
  up to about 10 degrees and 15% (validation and test digits are unchanged).

Scene i of a split depends on (split, i) alone. All arithmetic is on integers, all randomness from
numpy's PCG64, so every machine draws the same pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Split = Literal["train", "validation", "test"]

CANVAS, MOST_DIGITS, CLASSES = 96, 5, 10
SMALLEST, LARGEST = 14, 40
SPLITS: dict[Split, tuple[int, int]] = {
    "train": (0, 1257), "validation": (1257, 1437), "test": (1437, 1797),
}  # fmt: skip
VARIANTS = 8  # of each training digit
_SEEDS: dict[Split, int] = {"train": 1, "validation": 2, "test": 3}
_SHUFFLE_SEED, _VARIANT_SEED = 0, 4
_GRID, _ONE = 20, 256  # side of an enlarged digit with its margin; 1.0 in fixed point
_INK = 255 * 3 // 8


class Bank(NamedTuple):
    """The digits of a split: cropped images and their classes."""

    crops: list[Integers]  # [height, width], 0 to 255
    classes: Integers  # [N]


class Scenes(NamedTuple):
    """Scenes of a split, boxes in pixels, largest digit first."""

    images: Bytes  # [N, 96, 96]
    boxes: NDArray[np.int64]  # [N, 5, 4]: x1, y1, x2, y2; absent ones 0
    classes: NDArray[np.int64]  # [N, 5]; absent ones -1


def make_scenes(split: Split, count: int, first: int = 0) -> Scenes:
    """Scenes ``first`` to ``first + count`` of a split, some thousands a second."""
    bank = digit_bank(split)
    images = np.empty((count, CANVAS, CANVAS), np.uint8)
    boxes = np.zeros((count, MOST_DIGITS, 4), np.int64)
    classes = np.full((count, MOST_DIGITS), -1, np.int64)
    for i in range(count):
        random = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([_SEEDS[split], first + i]))
        )
        places, chosen = _arrange(bank, random)
        boxes[i, : len(places)] = places
        classes[i, : len(places)] = bank.classes[chosen]
        images[i] = _draw(bank, places, chosen, random)
    return Scenes(images, boxes, classes)


def digit_numbers(split: Split) -> Integers:
    """Which of scikit-learn's digits belong to a split."""
    keys = np.random.Generator(np.random.PCG64(_SHUFFLE_SEED)).integers(0, 2**62, 1797)
    order: Integers = np.argsort(keys, kind="stable")
    return order[slice(*SPLITS[split])]


@lru_cache(maxsize=3)
def digit_bank(split: Split) -> Bank:
    """The enlarged, cropped digits of a split."""
    data = load_digits()
    numbers = digit_numbers(split)
    digits = data.images[numbers].astype(np.int64) * 255 // 16
    classes = data.target[numbers].astype(np.int64)
    copies = VARIANTS if split == "train" else 1
    digits, classes = np.repeat(digits, copies, 0), np.repeat(classes, copies)
    changes = np.zeros((len(digits), 2, 2), np.int64)
    if copies > 1:
        random = np.random.Generator(np.random.PCG64(_VARIANT_SEED))
        changes = random.integers(-40, 41, changes.shape)
        changes[::copies] = 0
    return Bank([_crop(one) for one in _enlarge(digits, changes)], classes)


def _enlarge(digits: Integers, changes: Integers) -> Integers:
    """[N, 8, 8] to [N, 20, 20] at two pixels a cell, under an affine change about the middle.

    ``changes`` [N, 2, 2] is what is added to the identity, in units of 1/256.
    """
    steps = np.arange(_GRID, dtype=np.int64) * 128 + 64 - _GRID * 64  # from the middle, in cells
    down, right = np.meshgrid(steps, steps, indexing="ij")
    matrix = changes + _ONE * np.eye(2, dtype=np.int64)
    a, b, c, d = (matrix[:, i, j, None, None] for i in (0, 1) for j in (0, 1))
    rows = (a * down + b * right) // _ONE + 4 * _ONE - 128
    columns = (c * down + d * right) // _ONE + 4 * _ONE - 128
    padded = np.pad(digits, ((0, 0), (2, 2), (2, 2)))
    rows = np.clip(rows + 2 * _ONE, 0, 10 * _ONE)
    columns = np.clip(columns + 2 * _ONE, 0, 10 * _ONE)
    (y, fy), (x, fx) = divmod(rows, _ONE), divmod(columns, _ONE)
    number = np.arange(len(digits))[:, None, None]
    top = padded[number, y, x] * (_ONE - fx) + padded[number, y, x + 1] * fx
    bottom = padded[number, y + 1, x] * (_ONE - fx) + padded[number, y + 1, x + 1] * fx
    enlarged: Integers = (top * (_ONE - fy) + bottom * fy) // _ONE**2
    return enlarged


def _crop(image: Integers) -> Integers:
    rows, columns = np.nonzero(image >= _INK)
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


@lru_cache(maxsize=4096)
def _bilinear(old: int, new: int) -> Integers:
    """[new, old]: weights of a bilinear resize with pixel centres at halves, in units of 1/256."""
    middle = (2 * np.arange(new) + 1) * old * _ONE // (2 * new) - _ONE // 2
    middle = np.clip(middle, 0, (old - 1) * _ONE)
    low, part = divmod(middle, _ONE)
    weights = np.zeros((new, old), np.int64)
    weights[np.arange(new), low] += _ONE - part
    weights[np.arange(new), np.minimum(low + 1, old - 1)] += part
    return weights


def _arrange(bank: Bank, random: np.random.Generator) -> tuple[Integers, Integers]:
    """Boxes [n, 4], largest first, and the digits for them [n]; redrawn until they fit."""
    count = int(random.integers(1, MOST_DIGITS + 1))
    while True:
        sizes = np.sort(random.integers(SMALLEST, LARGEST + 1, count))[::-1]
        chosen = random.integers(0, len(bank.crops), count)
        if count > 1 and sizes[0] * 5 < sizes[1] * 6:
            continue
        places: list[tuple[int, int, int, int]] = []
        for size, number in zip(sizes.tolist(), chosen.tolist(), strict=True):
            height, width = _scaled(bank.crops[number].shape, size)
            place = _free_place(places, width, height, random)
            if place is None:
                break
            places.append(place)
        else:
            return np.array(places, np.int64), chosen


def _scaled(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Height and width whose longer is ``size``, in the old proportion."""
    height, width = shape
    longer = max(height, width)
    return (2 * height * size + longer) // (2 * longer), (2 * width * size + longer) // (2 * longer)


def _free_place(
    places: list[tuple[int, int, int, int]], width: int, height: int, random: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """A box that keeps clear of the others, see above; None after 20 trials."""
    for _ in range(20):
        x = int(random.integers(0, CANVAS - width + 1))
        y = int(random.integers(0, CANVAS - height + 1))
        for left, top, right, bottom in places:
            both = max(0, min(x + width, right) - max(x, left))
            both *= max(0, min(y + height, bottom) - max(y, top))
            areas = width * height, (right - left) * (bottom - top)
            if 10 * both > 3 * (sum(areas) - both) or 2 * both > min(areas):
                break
        else:
            return x, y, x + width, y + height
    return None


def _draw(bank: Bank, places: Integers, chosen: Integers, random: np.random.Generator) -> Bytes:
    canvas = np.full((CANVAS, CANVAS), random.integers(0, 41), np.int64)
    _strokes(canvas, random)
    inks = random.integers(150, 256, len(places)).tolist()
    for (x1, y1, x2, y2), number, ink in zip(places.tolist(), chosen.tolist(), inks, strict=True):
        crop = bank.crops[number]
        down, right = _bilinear(crop.shape[0], y2 - y1), _bilinear(crop.shape[1], x2 - x1)
        patch = (down @ crop @ right.T * ink) // (255 * _ONE**2)
        part = canvas[y1:y2, x1:x2]
        np.maximum(part, patch, out=part)
    noise = random.integers(0, 33, (2, CANVAS, CANVAS), np.uint8)
    canvas += noise[0]
    canvas += noise[1]
    canvas -= 32
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _strokes(canvas: Integers, random: np.random.Generator) -> None:
    count = int(random.integers(4, 11))
    starts = random.integers(0, CANVAS, (count, 2, 1))
    ends = starts + random.integers(-10, 11, (count, 2, 1))
    along = np.arange(15)
    points = np.clip((starts * (14 - along) + ends * along) // 14, 0, CANVAS - 1)
    brightness = np.broadcast_to(random.integers(40, 131, (count, 1)), (count, 15))
    np.maximum.at(canvas, (points[:, 0], points[:, 1]), brightness)
