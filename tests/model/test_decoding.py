"""Beam search: one beam is greedy, the cache changes nothing, more beams are never worse."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from codemtl.model.config import PRESETS
from codemtl.model.copying import Recent
from codemtl.model.decoding import beam_search, log_probabilities
from codemtl.model.layers import embed
from codemtl.model.network import Network
from codemtl.model.text_head import Memory, TextHead
from codemtl.tasks.batches import Batch

BOS, EOS, LIMIT = 5, 6, 12


@pytest.fixture
def inputs(batches: dict[str, Batch]) -> dict[str, Tensor]:
    arrays = dict(batches["summarize"].arrays)
    for key in ("input_ids", "lengths", "copy_ids", "copy_words"):
        arrays[key] = arrays[key][:4]
    own = arrays["input_more_slot"] < arrays["input_ids"].size
    for key in ("input_more_pieces", "input_more_slot", "input_more_place"):
        arrays[key] = arrays[key][own]
    kept = ("input", "lengths", "copy")
    return {key: torch.from_numpy(arrays[key]) for key in arrays if key.startswith(kept)}


@pytest.fixture(params=[False, True], ids=["plain", "copying"])
def network(request: pytest.FixtureRequest) -> Network:
    """With a sharper output, and ends that come now and then."""
    torch.manual_seed(0)
    network = Network(replace(PRESETS["tiny"], copying=request.param)).eval()
    with torch.no_grad():
        network.encoder.embedding.weight.mul_(8.0)
        network.encoder.embedding.weight[EOS].mul_(1.7)
    return network


def following(network: Network, pieces: Tensor, memory: Memory) -> Tensor:
    """Log-probabilities [U, V] after each of the pieces of one row, without a cache."""
    head, embedding = network.summarize, network.encoder.embedding.weight
    ids = pieces.view(1, -1)
    hidden = head.states(embed(ids, embedding), memory)
    places = torch.nonzero(ids >= 0, as_tuple=True)
    return head.log_probabilities(embedding, hidden, Recent.of(ids), places, memory)


def greedy(network: Network, memory: Memory) -> list[int]:
    """Without a cache: the whole prefix anew for each piece."""
    pieces: list[int] = []
    while len(pieces) < LIMIT:
        best = int(following(network, torch.tensor([BOS, *pieces]), memory)[-1].argmax())
        if best == EOS:
            break
        pieces.append(best)
    return pieces


def search(
    network: Network, inputs: dict[str, Tensor], beams: int, **options: int
) -> list[list[tuple[list[int], float]]]:
    return beam_search(
        network, "summarize", inputs, bos=BOS, eos=EOS, beams=beams, limit=LIMIT, **options
    )  # fmt: skip


@torch.no_grad()
def test_one_beam_is_greedy_decoding(network: Network, inputs: dict[str, Tensor]) -> None:
    memory = network.memory("summarize", inputs)
    found = search(network, inputs, 1)
    for row, hypotheses in enumerate(found):
        assert len(hypotheses) == 1
        wanted = greedy(network, memory.row(row))
        assert hypotheses[0][0] == wanted


@torch.no_grad()
def test_the_cache_changes_nothing(network: Network, inputs: dict[str, Tensor]) -> None:
    memory = network.memory("summarize", inputs)
    head, embedding = network.summarize, network.encoder.embedding.weight
    ids = torch.randint(16, 8192, (len(memory.mask), 7), generator=torch.Generator().manual_seed(1))
    whole = [following(network, row, memory.row(at)) for at, row in enumerate(ids)]
    cache = TextHead.new_cache(len(head.layers))
    for position in range(ids.shape[1]):
        step = head.next_piece(embedding, ids[:, : position + 1], memory, cache)
        wanted = torch.stack([row[position] for row in whole])
        torch.testing.assert_close(step, wanted, rtol=1e-4, atol=1e-4)


def test_hypotheses_are_distinct_sorted_and_scored_by_their_own_probability(
    network: Network, inputs: dict[str, Tensor]
) -> None:
    with torch.no_grad():
        memory = network.memory("summarize", inputs)
    for row, hypotheses in enumerate(search(network, inputs, 3)):
        scores = [score for _, score in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(pieces) for pieces, _ in hypotheses}) == len(hypotheses) <= 3
        for pieces, score in hypotheses:
            ended = len(pieces) < LIMIT
            target = [*pieces, EOS] if ended else pieces
            ids = torch.tensor([BOS, *target[:-1]])
            with torch.no_grad():
                logs = following(network, ids, memory.row(row))
            total = logs[torch.arange(len(target)), torch.tensor(target)].sum()
            assert score == pytest.approx(float(total) / len(target) ** 0.6, rel=1e-3)


def test_all_hypotheses_begin_as_they_are_told(network: Network, inputs: dict[str, Tensor]) -> None:
    begin = [40, 41, 42]
    found = beam_search(
        network, "summarize", inputs, bos=BOS, eos=EOS, beams=3, limit=LIMIT, begin=begin
    )
    for row, hypotheses in enumerate(found):
        own = {key: value[row : row + 1] for key, value in inputs.items()}
        assert hypotheses
        for pieces, score in hypotheses:
            assert pieces[:3] == begin and len(pieces) > 3
            if len(pieces) < LIMIT:
                (sure,) = log_probabilities(network, "summarize", own, [pieces], bos=BOS, eos=EOS)
                assert score == pytest.approx(sure / (len(pieces) + 1) ** 0.6, rel=1e-3)


def test_no_hypothesis_begins_as_it_must_not(network: Network, inputs: dict[str, Tensor]) -> None:
    never = [found[0][0][0] for found in search(network, inputs, 1)]  # what would come first
    found = beam_search(
        network, "summarize", inputs, bos=BOS, eos=EOS, beams=3, limit=LIMIT, never=never
    )
    firsts = [pieces[0] for hypotheses in found for pieces, _ in hypotheses if pieces]
    assert firsts and not set(firsts) & set(never)


def test_no_run_of_pieces_comes_twice_where_that_is_asked(
    network: Network, inputs: dict[str, Tensor]
) -> None:
    with torch.no_grad():
        network.encoder.embedding.weight[EOS] = 0.0  # hypotheses go on to the limit
    free, checked = search(network, inputs, 2), search(network, inputs, 2, no_repeat=2)
    assert any(_repeats(pieces) for row in free for pieces, _ in row), "else nothing is tested"
    assert not any(_repeats(pieces) for row in checked for pieces, _ in row)


def _repeats(pieces: list[int]) -> bool:
    pairs = list(pairwise(pieces))
    return len(set(pairs)) < len(pairs)


def test_texts_are_as_probable_as_their_loss_says(
    network: Network, inputs: dict[str, Tensor]
) -> None:
    more = inputs["input_more_slot"] < inputs["input_ids"].shape[1]
    one = {
        key: value[more] if key.startswith("input_more") else value[:1]
        for key, value in inputs.items()
    }
    texts = [[9, 8, 7], [9], [3, 4, 5, 6]]
    found = log_probabilities(network, "generate", one, texts, bos=5, eos=6)
    for text, value in zip(texts, found, strict=True):
        labels = torch.tensor([[*text, 6]])
        batch = {**one, "decoder_ids": torch.tensor([[5, *text]]), "labels": labels}
        with torch.no_grad():
            loss = network.losses("generate", batch)["text"]
        assert value == pytest.approx(-float(loss), rel=1e-4)
