"""Examples for both tasks, whatever they come from: generated scenes or the user's own pictures.

A batch is drawn from (seed, epoch), never from a worker's state, so that a run that was stopped
goes on with the same batches. Scenes are made once, before training, and kept as bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from codemtl.errors import UsageError
from codemtl.vision.config import VisionConfig
from codemtl.vision.processes import processes
from codemtl.vision.scenes import CANVAS, CLASSES, MOST_DIGITS, Scenes, Split, make_scenes

Progress = Callable[[str, int, int], None]  # what, done, of how many
_CHUNK, _CHUNKS_ALONE = 500, 10  # scenes; more chunks are worth further processes


class Targets(NamedTuple):
    """What a batch should be answered with; absent boxes have class -1."""

    boxes_BMF: Tensor  # float32, F = x1, y1, x2, y2 in pixels of the canvas
    classes_BM: Tensor  # int64
    labels_B: Tensor  # int64: class of the largest box; -1 where there is none


@dataclass(frozen=True, slots=True)
class Examples:
    """A split in memory. B pictures, at most M boxes each, largest first."""

    images: Tensor  # uint8 [B, H, W, C]
    boxes: Tensor  # float32 [B, M, 4]
    classes: Tensor  # int64 [B, M]
    names: tuple[str, ...]  # of the classes

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> Tensor:
        """[B]: the class of the largest box, -1 where there is none."""
        return self.classes[:, 0]

    def batch(self, numbers: Tensor) -> tuple[Tensor, Targets]:
        """Pictures [b, H, W, C] as bytes, and their targets."""
        classes = self.classes[numbers]
        return self.images[numbers], Targets(self.boxes[numbers], classes, classes[:, 0])

    def fingerprint(self) -> str:
        """A hash of all that is in it."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for tensor in (self.images, self.boxes, self.classes):
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def arrange(
    images: np.ndarray, boxes: np.ndarray, classes: np.ndarray, names: tuple[str, ...]
) -> Examples:
    """Examples from arrays, each picture's boxes sorted by their longer side, largest first."""
    sides = (boxes[..., 2:] - boxes[..., :2]).max(-1)
    sides[classes < 0] = -1
    order = np.argsort(-sides, axis=1, kind="stable")
    return Examples(
        torch.from_numpy(images),
        torch.from_numpy(np.take_along_axis(boxes, order[..., None], 1).astype(np.float32)),
        torch.from_numpy(np.take_along_axis(classes, order, 1)),
        names,
    )


def scene_examples(split: Split, count: int, progress: Progress | None = None) -> Examples:
    """The first ``count`` scenes of a split, made by all processors where they are many."""
    starts = range(0, count, _CHUNK)
    sizes = [min(_CHUNK, count - start) for start in starts]
    parts = []
    with ExitStack() as stack:
        over: Callable[..., Iterable[Scenes]] = map
        if len(starts) > _CHUNKS_ALONE:
            over = stack.enter_context(processes()).map
        for part in over(partial(make_scenes, split), sizes, starts):
            parts.append(part)
            if progress is not None:
                progress(f"{split} scenes", min(count, len(parts) * _CHUNK), count)
    images, boxes, classes = (np.concatenate(one) for one in zip(*parts, strict=True))
    names = tuple(str(digit) for digit in range(CLASSES))
    return arrange(images[..., None], boxes, classes, names)


def load_split(
    config: VisionConfig, data: Path | None, split: str, progress: Progress | None = None
) -> Examples:
    """A split of the scenes, or of the COCO folder ``data``. Raises DataError, UsageError."""
    if data is not None:
        from codemtl.vision.coco import load_coco

        return load_coco(data, split, config.image_size, config.channels, progress)
    if config.image_size != CANVAS or config.channels != 1 or config.num_classes != CLASSES:
        raise UsageError(
            f"the scenes are {CANVAS}x{CANVAS}, grey, of {CLASSES} classes, the model is not; "
            "give it its own pictures by --data DIR"
        )
    if config.num_detections < MOST_DIGITS:
        raise UsageError(
            f"num_detections is {config.num_detections}, but a scene has up to {MOST_DIGITS} digits"
        )
    counts: dict[str, tuple[Split, int]] = {
        "train": ("train", config.train_scenes),
        "validation": ("validation", config.validation_scenes),
        "test": ("test", config.test_scenes),
    }
    if split not in counts:
        raise UsageError(f"split is {split!r}; it must be {', '.join(counts)}")
    return scene_examples(*counts[split], progress)


def batch_numbers(count: int, size: int, step: int, seed: int) -> Tensor:
    """Which examples step ``step`` sees: epochs of all examples, each in an order of its own."""
    start = step * size
    parts = []
    while size > 0:
        epoch, place = divmod(start, count)
        part = _order(count, epoch, seed)[place : place + size]
        parts.append(part)
        start, size = start + len(part), size - len(part)
    return torch.cat(parts)


@lru_cache(maxsize=2)
def _order(count: int, epoch: int, seed: int) -> Tensor:
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    return torch.from_numpy(random.permutation(count))
