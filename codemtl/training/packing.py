"""The arrays of a micro-batch as one block of bytes, which is what travels between processes.

Example: ``{"ids": [[1, 2]], "label": [0]}`` becomes 64 bytes for ``ids``, 16 of them used, and as
many for ``label``.

A worker of a loader hands over each tensor by itself, and each time it has to stop working for it;
with two dozen arrays a micro-batch that costs more than a GPU's step. One block is handed over,
pinned and copied to the device once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from codemtl.model.sequences import ENDS, PLACE
from codemtl.model.text_head import ASKED_PLACE, ASKED_ROW

ALIGNED = 64  # bytes at which each array begins


class Packed(NamedTuple):
    """``data`` [bytes], and of each array its name, type, shape and first byte."""

    data: Tensor
    layout: tuple[tuple[str, torch.dtype, tuple[int, ...], int], ...]


def pack(arrays: Mapping[str, Tensor]) -> Packed:
    """Copy arrays into one block."""
    layout, end = [], 0
    for key, value in arrays.items():
        layout.append((key, value.dtype, tuple(value.shape), end))
        end += -(-value.nbytes // ALIGNED) * ALIGNED
    packed = Packed(torch.empty(end, dtype=torch.uint8), tuple(layout))
    for key, place in unpack(packed).items():
        place.copy_(arrays[key])
    return packed


def unpack(packed: Packed) -> dict[str, Tensor]:
    """The arrays as views of the block, on its device."""
    found = {}
    for key, dtype, shape, first in packed.layout:
        size = dtype.itemsize * torch.Size(shape).numel()
        found[key] = packed.data[first : first + size].view(dtype).view(shape)
    return found


def pack_micro_batch(micro: Any) -> dict[str, Any]:
    """A micro-batch (a dict) with its arrays packed: what a loader's worker returns."""
    return {**micro, "arrays": pack(micro["arrays"])}


def pack_counted(micro: Any) -> dict[str, Any]:
    """The same with `counted` arrays."""
    return pack_micro_batch({**micro, "arrays": micro["arrays"] | counted(micro["arrays"])})


def counted(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Where words and labels are, which a GPU would have to be waited for to count.

    ``word_place`` [N] (row * T + position) of the encoder's words, ``word_ends`` [B + 1] of its
    sequences; ``asked_row``, ``asked_place`` of the labels of a decoder.
    """
    lengths = arrays["lengths"]
    real_BT = torch.arange(arrays["input_ids"].shape[1])[None, :] < lengths[:, None]
    ends = functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
    found = {PLACE: real_BT.flatten().nonzero().squeeze(1), ENDS: ends}
    if "labels" in arrays:
        found[ASKED_ROW], found[ASKED_PLACE] = (arrays["labels"] >= 0).nonzero(as_tuple=True)
    return found


def on_device(arrays: Packed | Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The arrays of a micro-batch, packed or not, on a device."""
    if isinstance(arrays, Packed):
        return unpack(arrays._replace(data=arrays.data.to(device, non_blocking=True)))
    return {key: value.to(device, non_blocking=True) for key, value in arrays.items()}
