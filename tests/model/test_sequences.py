"""The encoder over sequences end to end, without their padding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from codemtl.model.config import ModelConfig
from codemtl.model.encoder import Encoder
from codemtl.model.layers import Neighbours
from codemtl.training.packing import counted

LENGTHS = [5, 1, 9, 2, 9]


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    config = replace(ModelConfig(), vocab_size=50, width=32, heads=4, layers=2, hidden=48)
    encoder = Encoder(config)
    for parameter in encoder.parameters():  # neighbours begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    return encoder


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor(LENGTHS)
    ids = torch.randint(50, (len(LENGTHS), int(lengths.max())), generator=generator)
    none = torch.zeros(0, dtype=torch.long)
    return {
        "input_ids": ids, "lengths": lengths, "input_more_pieces": none,
        "input_more_slot": none, "input_more_place": none,
    }  # fmt: skip


def test_padding_changes_nothing(encoder: Encoder) -> None:
    arrays = batch()
    padded, mask = encoder(arrays)
    unpadded, same = encoder(arrays | counted(arrays))
    real = mask[:, 0, 0, :]
    assert torch.equal(mask, same)
    torch.testing.assert_close(unpadded[real], padded[real])
    assert not unpadded[~real].any()


def test_gradients_are_the_same(encoder: Encoder) -> None:
    arrays = batch()
    found = []
    for one in (arrays, arrays | counted(arrays)):
        states, mask = encoder(one)
        encoder.zero_grad()
        (states[mask[:, 0, 0, :]] ** 3).sum().backward()
        found.append([parameter.grad for parameter in encoder.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_nothing_leaks_from_one_sequence_to_the_next(encoder: Encoder) -> None:
    arrays = batch()
    before, _ = encoder(arrays | counted(arrays))
    arrays["input_ids"] = arrays["input_ids"].clone()
    arrays["input_ids"][2] = (arrays["input_ids"][2] + 1) % 50
    after, _ = encoder(arrays | counted(arrays))
    same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert Neighbours.reach > min(LENGTHS)  # a short sequence has both neighbours in reach
    assert same == [True, True, False, True, True]
