"""One block of bytes in place of two dozen arrays."""

from __future__ import annotations

import torch

from codemtl.training.packing import (
    ALIGNED,
    on_device,
    pack,
    pack_counted,
    pack_micro_batch,
    unpack,
)

ARRAYS = {
    "ids": torch.tensor([[1, 2, 3], [4, 5, 6]]),
    "mask": torch.tensor([[True, False, True]]),
    "label": torch.tensor([0.5, -1.0]),
    "none": torch.zeros(0, dtype=torch.int64),
    "turned": torch.arange(6).view(2, 3).T,  # not contiguous
    "spread": torch.tensor(7).expand(1),  # contiguous, with a stride of 0
}


def test_arrays_come_out_as_they_went_in() -> None:
    found = unpack(pack(ARRAYS))
    assert list(found) == list(ARRAYS)
    for key, value in ARRAYS.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


def test_each_array_begins_at_a_multiple_of_the_alignment() -> None:
    packed = pack(ARRAYS)
    assert [first % ALIGNED for *_, first in packed.layout] == [0] * len(ARRAYS)
    assert packed.data.nbytes % ALIGNED == 0


def test_packed_and_plain_micro_batches_give_the_same_arrays_on_the_device() -> None:
    micro = {"task": "repair", "arrays": ARRAYS}
    packed = pack_micro_batch(micro)
    assert packed["task"] == "repair"
    plain, found = (on_device(one["arrays"], torch.device("cpu")) for one in (micro, packed))
    assert all(torch.equal(plain[key], found[key]) for key in ARRAYS)


def test_what_is_counted_ahead_is_where_words_and_labels_are() -> None:
    arrays = {
        "input_ids": torch.tensor([[3, 4, 0], [5, 6, 7]]), "lengths": torch.tensor([2, 3]),
        "labels": torch.tensor([[8, -100], [9, 2]]),
    }  # fmt: skip
    found = on_device(pack_counted({"arrays": arrays})["arrays"], torch.device("cpu"))
    assert arrays["input_ids"].flatten()[found["word_place"]].tolist() == [3, 4, 5, 6, 7]
    assert found["word_ends"].tolist() == [0, 2, 5] and found["word_ends"].dtype == torch.int32
    asked = found["asked_row"], found["asked_place"]
    assert arrays["labels"][asked].tolist() == [8, 9, 2]
