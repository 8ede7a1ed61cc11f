"""Losses of each task on real batches; what must not depend on padding; names out of view."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from codemtl.model.network import Network
from codemtl.model.repair_head import MASKED, RepairScores
from codemtl.tasks import corruption, repair
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Example


def tensors(batch: Batch) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in batch.arrays.items()}


def mean_loss(terms: dict[str, Tensor], counts: dict[str, float]) -> Tensor:
    return torch.stack([terms[key] / max(count, 1.0) for key, count in counts.items()]).sum()


@pytest.mark.parametrize("name", ["dense", "repair", "summarize", "generate"])
def test_each_loss_is_finite_and_reaches_encoder_and_head(
    network: Network, batches: dict[str, Batch], name: str
) -> None:
    batch = batches[name]
    terms = network(batch.task, tensors(batch), name == "dense")
    assert batch.counts.keys() <= terms.keys()
    loss = mean_loss(terms, batch.counts)
    assert torch.isfinite(loss) and loss > 0
    loss.backward()
    touched = {key for key, p in network.named_parameters() if p.grad is not None}
    for key, parameter in network.named_parameters():
        own = key.startswith(("encoder.", f"{batch.task}."))
        assert (key in touched) == own, key
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "repair", "summarize", "generate"])
def test_twenty_functions_can_be_learned_by_heart(
    network: Network, batches: dict[str, Batch], name: str
) -> None:
    batch, arrays = batches[name], tensors(batches[name])
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = mean_loss(network(batch.task, arrays, name == "dense"), batch.counts)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.35 * losses[0], losses[::10]
    if name == "dense":
        assert_names_out_of_view_are_chosen(network, batch, arrays)


def assert_names_out_of_view_are_chosen(
    network: Network, batch: Batch, arrays: dict[str, Tensor]
) -> None:
    """Labels that occur nowhere in the input have no encoder state; still they are learned."""
    names = batch.arrays["name_mask"].shape[2]
    seen = set(batch.arrays["occurrence_slot"].tolist())
    labels = batch.arrays["name_label"]
    out = [
        (row, site)
        for row, site in np.argwhere(labels >= 0).tolist()
        if row * names + labels[row, site] not in seen
    ]
    assert len(out) >= 2, "the batch holds too few such names for this test"
    with torch.no_grad():
        chosen = network.eval().repair_scores(arrays).name_BSK.argmax(-1).numpy()
    right = [chosen[row, site] == labels[row, site] for row, site in out]
    assert np.mean(right) > 0.7


def scores_of(
    network: Network, items: list[corruption.RepairInput], specials: SpecialIds
) -> RepairScores:
    with torch.no_grad():
        return network.repair_scores(tensors(repair.collate(items, specials, dense=False)))


def test_scores_of_a_row_do_not_depend_on_the_rows_beside_it(
    network: Network, examples: list[Example], specials: SpecialIds
) -> None:
    by_length = sorted(examples, key=lambda e: len(e.pieces))
    short = corruption.as_input(next(e for e in by_length if len(e.site_family) > 3))
    long = corruption.as_input(max(by_length, key=lambda e: len(e.site_family)))
    alone = scores_of(network, [short], specials)
    beside = scores_of(network, [short, long], specials)
    sites, names = len(short.start), len(short.example.names)
    assert beside.site_BS.shape[1] > sites and beside.name_BSK.shape[2] > names
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(alone.bug_B[0], beside.bug_B[0], **close)
    torch.testing.assert_close(alone.site_BS[0], beside.site_BS[0, :sites], **close)
    torch.testing.assert_close(alone.action_BSA[0], beside.action_BSA[0, :sites], **close)
    torch.testing.assert_close(alone.name_BSK[0], beside.name_BSK[0, :sites, :names], **close)
    assert (beside.site_BS[0, sites:] == MASKED).all()
    assert (beside.name_BSK[0, :, names:] == MASKED).all()


def test_the_bug_logit_of_a_function_without_sites_does_not_depend_on_padding(
    network: Network, examples: list[Example], specials: SpecialIds
) -> None:
    bare = [e for e in examples if not len(e.site_family)]
    if not bare:
        source = min(examples, key=lambda e: len(e.site_family))
        keep = np.zeros(0, np.int64)
        item = corruption.as_input(source)
        item.start, item.end = item.start[keep], item.end[keep]
        item.family, item.state, item.group = (
            item.family[keep], item.state[keep], item.group[keep],
        )  # fmt: skip
        item.replaced, item.action, item.name = (
            item.replaced[keep], item.action[keep], item.name[keep],
        )  # fmt: skip
        item.permitted = []
    else:
        item = corruption.as_input(bare[0])
    long = corruption.as_input(max(examples, key=lambda e: len(e.site_family)))
    alone = scores_of(network, [item], specials).bug_B[0]
    beside = scores_of(network, [item, long], specials).bug_B[0]
    torch.testing.assert_close(alone, beside, rtol=1e-4, atol=1e-5)


def test_only_permitted_edits_get_probability(network: Network, batches: dict[str, Batch]) -> None:
    batch = batches["repair"]
    with torch.no_grad():
        scores = network.repair_scores(tensors(batch))
    permitted = torch.from_numpy(batch.arrays["name_mask"])
    probabilities = scores.name_BSK.softmax(-1)
    some = permitted.any(-1)
    assert (probabilities[~permitted & some.unsqueeze(-1)] == 0).all()
    assert (scores.action_BSA[~torch.from_numpy(batch.arrays["action_mask"])] == MASKED).all()


def test_text_loss_does_not_depend_on_padding(network: Network, batches: dict[str, Batch]) -> None:
    batch = batches["summarize"]
    together = tensors(batch)
    alone = torch.zeros(())
    for row in range(len(together["lengths"])):
        length = int(together["lengths"][row])
        target = int((together["labels"][row] >= 0).sum())
        width = together["input_ids"].shape[1]
        own = together["input_more_slot"] // width == row
        pieces = int((together["copy_words"][row] >= 0).sum())
        part = {
            "input_ids": together["input_ids"][row : row + 1, :length],
            "input_more_slot": together["input_more_slot"][own] - row * width,
            "input_more_pieces": together["input_more_pieces"][own],
            "input_more_place": together["input_more_place"][own],
            "lengths": together["lengths"][row : row + 1],
            "copy_ids": together["copy_ids"][row : row + 1, :pieces],
            "copy_words": together["copy_words"][row : row + 1, :pieces],
            "decoder_ids": together["decoder_ids"][row : row + 1, :target],
            "labels": together["labels"][row : row + 1, :target],
        }
        with torch.no_grad():
            alone += network("summarize", part)["text"]
    with torch.no_grad():
        torch.testing.assert_close(network("summarize", together)["text"], alone, rtol=1e-4, atol=0)
