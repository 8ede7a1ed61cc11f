"""Copying: a distribution over the vocabulary, from the pieces of one's own input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from codemtl.model.copying import NOTHING, Recent, Source, last_written
from codemtl.model.int8 import Int8Linear, use_int8
from codemtl.model.layers import embed
from codemtl.model.network import Network
from codemtl.tasks.batches import Batch, SpecialIds, text_inputs
from codemtl.tasks.example import CONTINUES, SPACE


@pytest.fixture
def inputs(batches: dict[str, Batch]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in batches["generate"].arrays.items()}


def asked(network: Network, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Log-probabilities [N, V] after each piece of the targets, and their rows [N]."""
    head, embedding = network.generate, network.encoder.embedding.weight
    memory = network.memory("generate", inputs)
    hidden = head.states(embed(inputs["decoder_ids"], embedding), memory)
    places = torch.nonzero(inputs["labels"] >= 0, as_tuple=True)
    recent = Recent.of(inputs["decoder_ids"])
    return head.log_probabilities(embedding, hidden, recent, places, memory), places[0]


@torch.no_grad()
def test_it_is_a_distribution(network: Network, inputs: dict[str, Tensor]) -> None:
    found, _ = asked(network, inputs)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(len(found)), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_where_all_is_copied_only_pieces_of_the_own_input_come(
    network: Network, inputs: dict[str, Tensor]
) -> None:
    copying = network.generate.copying
    assert copying is not None
    copying.often.fill_(30.0)
    found, rows = asked(network, inputs)
    for chances, row in zip(found.exp(), rows.tolist(), strict=True):
        own = inputs["copy_ids"][row][inputs["copy_words"][row] >= 0].unique()
        assert float(chances[own].sum()) == pytest.approx(1.0, abs=1e-4)


def test_all_of_it_learns(network: Network, inputs: dict[str, Tensor]) -> None:
    network.losses("generate", inputs)["text"].backward()
    copying = network.generate.copying
    assert copying is not None
    for name, parameter in copying.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_pieces_in_order_and_the_words_that_they_spell(specials: SpecialIds) -> None:
    rows = [np.array([40, 41 | CONTINUES, 42], np.int32), np.array([43], np.int32)]
    arrays = text_inputs(specials, rows)
    assert arrays["copy_ids"].tolist() == [[40, 41, 42], [43, specials.pad, specials.pad]]
    assert arrays["copy_words"].tolist() == [[0, 0, 1], [0, -1, -1]]
    assert arrays["lengths"].tolist() == [2, 1]


@torch.no_grad()
def test_in_int8_it_says_nearly_the_same(network: Network, inputs: dict[str, Tensor]) -> None:
    exact, _ = asked(network, inputs)
    use_int8(network)
    rounded, _ = asked(network, inputs)
    copying = network.generate.copying
    assert copying is not None and isinstance(copying.key, Int8Linear)
    assert (exact.exp() - rounded.exp()).abs().sum(-1).mean() / 2 < 0.02  # total variation


def test_what_was_written_last_has_no_spaces() -> None:
    found = last_written(torch.tensor([[5, 70, SPACE, 71, 72, 73, SPACE, 74]]))[0].tolist()
    assert found[0] == [5, NOTHING, NOTHING, NOTHING]
    assert found[2] == found[1] == [70, 5, NOTHING, NOTHING]
    assert found[-1] == [74, 73, 72, 71]


@pytest.mark.parametrize(
    ("known", "written", "expected"),
    [
        ([40, 41, 42, 43, 40, 44], [5, 41], {2: 1}),
        ([40, 41, 42, 43, 40, 44], [5, 40, 41, 42], {3: 3}),
        ([40, 41, 42, 43, 40, 44], [5, 40], {1: 1, 5: 1}),
        # code is read without spaces and written with them
        ([40, 41, 42, 43], [5, 40, SPACE, 41, SPACE], {2: 2}),
        # a sentence is read with them, and they are written in turn
        ([40, SPACE, 41, SPACE, 42], [5, 40, SPACE, 41], {3: 2}),
        ([40, SPACE, 41, SPACE, 42], [5, 40, SPACE, 41, SPACE], {4: 2}),
        ([40, 41], [5], {}),
    ],
)
@torch.no_grad()
def test_what_goes_on_with_a_run_is_copied_the_more_readily(
    known: list[int], written: list[int], expected: dict[int, int], network: Network
) -> None:
    copying = network.generate.copying
    assert copying is not None and copying.going_on is not None
    copying.going_on.copy_(torch.tensor([1.0, 10.0, 100.0, 1000.0]))
    copying.often.fill_(30.0)
    width = copying.whether.shape[0]
    ids = torch.tensor([known])
    source = Source.of(
        ids, torch.zeros(1, len(known), width), torch.ones_like(ids, dtype=torch.bool)
    )
    hidden, recent = torch.zeros(1, 1, width), Recent.of(torch.tensor([written])).last()
    vocabulary, place = torch.zeros(1, 512), (torch.zeros(1).long(), torch.zeros(1).long())
    found = copying.mixed(vocabulary, hidden, recent, place, source)[0]
    scores = [
        sum((0.0, 1.0, 10.0, 100.0, 1000.0)[: expected.get(at, 0) + 1]) for at in range(len(known))
    ]
    places = torch.tensor(scores).softmax(-1)
    chances = torch.zeros(512).scatter_add(0, ids[0], places)
    torch.testing.assert_close(found.exp(), chances, rtol=1e-3, atol=1e-6)
