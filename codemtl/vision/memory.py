"""What a run needs of the memory at least, so that what cannot fit ends before it fills it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from codemtl.errors import UsageError
from codemtl.machine import total_memory
from codemtl.vision.config import VisionConfig

_LAYERS = 32  # bytes a pixel of a batch: less than either network's first layers keep
_INPUT = 5  # bytes a pixel and channel, as a byte and as a float
_GIB = 1 << 30


def check_memory(config: VisionConfig, *, scenes: bool) -> None:
    """UsageError for settings that the machine's memory cannot hold.

    ``scenes``: the pictures are made, as many as ``config`` says.
    """
    pixels = config.image_size**2
    needed = {"batch_size": config.batch_size * pixels * (_LAYERS + _INPUT * config.channels)}
    if scenes:
        for name in ("train_scenes", "validation_scenes", "test_scenes"):
            needed[name] = getattr(config, name) * pixels * config.channels
    there = total_memory()
    for name, size in needed.items():
        if size > there:
            raise UsageError(
                f"{name} is {getattr(config, name)}, which takes {-(-size // _GIB)} GiB of memory "
                f"at least; this machine has {there / _GIB:.0f}; set less"
            )


@contextmanager
def enough_memory() -> Iterator[None]:
    """UsageError where a tensor finds no place. Raises UsageError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch has an error of its own for GPUs alone
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not short and "allocate memory" not in str(error):
            raise
        raise UsageError(
            "the memory does not suffice; set a smaller batch_size, image_size or num_detections"
        ) from error
