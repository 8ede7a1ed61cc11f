"""Part of the data, wrong labels, an unrelated task: in training alone, and the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from codemtl.errors import DataError, UsageError
from codemtl.tasks import corruption
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Layout
from codemtl.tasks.noise import mislabel
from codemtl.tasks.registry import TASKS
from codemtl.tasks.reversal import Reversal
from codemtl.training.config import load_config
from codemtl.training.mixture import MicroBatches
from codemtl.training.shards import Shards
from codemtl.training.subsets import subset


@pytest.fixture
def make(shards: Shards, specials: SpecialIds, layout: Layout) -> Any:
    def call(*changes: str, noise: float = 0.0, kept: Any = None) -> MicroBatches:
        config = load_config(preset="tiny", overrides=["micro_tokens=1024", *changes])
        return MicroBatches(
            shards, specials, layout, config, micro_batches=20, label_noise=noise, kept=kept
        )

    return call


def members_of(shards: Shards, task: str) -> list[int]:
    return np.flatnonzero(TASKS[task].usable(shards)).tolist()  # type: ignore[no-any-return]


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(one.arrays[key], other.arrays[key]) for key in one.arrays)


def test_a_subset_has_the_asked_size_and_holds_the_smaller_ones() -> None:
    small, large = (subset(1000, fraction, 3) for fraction in (0.05, 0.25))
    assert small.sum() == 50 and large.sum() == 250
    assert (small <= large).all()
    assert not np.array_equal(small, subset(1000, 0.05, 4))
    assert subset(10, 0.001, 0).sum() == 1 and subset(10, 1.0, 0).all()


def test_only_the_kept_examples_are_trained_on(make: Any, shards: Shards) -> None:
    kept = subset(len(shards), 0.25, 0)
    for plan in make(kept=kept).plans.values():
        assert kept[plan.members].all() and len(plan.members)
    nothing = np.zeros(len(shards), np.bool_)
    nothing[np.flatnonzero(shards.summaries == 0)[0]] = True
    with pytest.raises(DataError, match=r"no example for summarize in the 0\.3% of them"):
        make("tasks.repair.share=0", kept=nothing)


def test_without_noise_nothing_changes_and_with_it_the_inputs_do_not(make: Any) -> None:
    true, wrong = make(), make(noise=1.0)
    for task, stage in (("repair", "dense"), ("repair", "single"), ("summarize", "")):
        one, other = (data.make(task, 3, stage) for data in (true, wrong))
        assert same(one, make().make(task, 3, stage))
        assert same(other, make(noise=1.0).make(task, 3, stage))
        inputs = [key for key in one.arrays if key.startswith("input_")]
        assert inputs
        assert all(np.array_equal(one.arrays[key], other.arrays[key]) for key in inputs)
        assert not same(one, other)


def test_noise_hits_the_asked_share_and_the_same_examples_in_every_epoch(
    make: Any, shards: Shards
) -> None:
    noise = make(noise=0.3).noise
    hits = [[noise.hits(task, index) for index in range(3000)] for task in ("repair", "summarize")]
    assert np.mean(hits[0]) == pytest.approx(0.3, abs=0.03)
    assert hits[0] != hits[1]
    members = members_of(shards, "summarize")
    others = make(noise=1.0).noise.others("summarize", members[:50])
    for index, other in zip(members, others, strict=False):
        assert other is not None and len(other.summary)
        assert not np.array_equal(other.pieces, shards[index].pieces)


def test_wrong_texts_are_those_of_other_examples(make: Any, shards: Shards) -> None:
    told = {tuple(shards[i].summary.tolist()) for i in members_of(shards, "summarize")}
    labels = make(noise=1.0).make("summarize", 0).arrays["labels"]
    for row in labels:
        assert tuple(row[row >= 0][:-1].tolist()) in told  # without <eos>


def test_a_masked_line_gets_another_functions_text(make: Any) -> None:
    one, other = (make(noise=noise).make("generate", 1) for noise in (0.0, 1.0))
    assert np.array_equal(one.arrays["input_ids"], other.arrays["input_ids"])
    pairs = list(zip(one.arrays["labels"], other.arrays["labels"], strict=True))
    differ = [a[a >= 0].tolist() != b[b >= 0].tolist() for a, b in pairs]
    assert np.mean(differ) > 0.8  # some lines, as `else:`, are the same anywhere


def test_masked_code_is_mislabelled_as_often_as_asked(make: Any) -> None:
    true, wrong = make(), make(noise=0.9)
    same = []
    for number in range(16):
        one, two = (data.make("generate", number).arrays["labels"] for data in (true, wrong))
        width = min(one.shape[1], two.shape[1])
        same += (one[:, :width] == two[:, :width]).all(1).tolist()
    assert np.mean(same) < 0.15


@pytest.mark.parametrize("dense", [True, False])
def test_wrong_labels_of_repair_are_possible_and_wrong(shards: Shards, dense: bool) -> None:
    corrupt = corruption.corrupt_dense if dense else corruption.corrupt_single
    cleared = blamed = 0
    for index in members_of(shards, "repair")[:150]:
        rng = np.random.default_rng(index)
        item = corrupt(shards[index], rng)
        wrong = mislabel(item, rng)
        assert not (wrong.replaced & item.replaced).any()
        assert (wrong.replaced == ((wrong.action >= 0) | (wrong.name >= 0))).all()
        for site in np.flatnonzero(wrong.replaced):
            if item.group[site] >= 0:
                group = item.example.groups[item.group[site]]
                assert wrong.name[site] in group and wrong.name[site] != item.state[site]
            else:
                assert wrong.action[site] in item.permitted[site]
        assert wrong.pieces is item.pieces
        cleared += bool(item.replaced.any() and not wrong.replaced.any())
        blamed += bool(not item.replaced.any() and wrong.replaced.any())
    assert cleared and blamed


def test_reversal_is_what_it_says(make: Any, shards: Shards, specials: SpecialIds) -> None:
    pieces = np.arange(100, 140, dtype=np.int32)
    arrays = Reversal().collate([pieces, pieces[:3]], specials).arrays
    assert arrays["input_ids"][0].tolist() == [specials.ctx, specials.fn, *pieces]
    labels = arrays["labels"]
    assert labels[0].tolist() == [*pieces[::-1][: Reversal.limit - 1], specials.eos]
    assert labels[1][:4].tolist() == [*pieces[2::-1], specials.eos]
    one, other = (make("tasks.reversal.share=1").make("reversal", number) for number in (0, 1))
    assert not np.array_equal(one.arrays["labels"][:1], other.arrays["labels"][:1])


def test_the_unrelated_task_is_mixed_in_by_its_share(make: Any) -> None:
    data = make("tasks.reversal.share=1")
    assert data.shares["reversal"] == pytest.approx(0.5)
    number = data.tasks.index("reversal")
    one, other = data[number], make("tasks.reversal.share=1")[number]
    assert one["counts"]["text"] > 0 and one["tokens"] <= 1024 + one["counts"]["text"]
    assert all(torch.equal(one["arrays"][key], other["arrays"][key]) for key in one["arrays"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("data_fraction=0", "data_fraction is 0; it must be above 0, at most 1"),
        ("validation_fraction=1.5", "validation_fraction is 1.5"),
        ("label_noise=-0.1", "label_noise is -0.1; it must be from 0 to 1"),
        ("tasks.reversal.stages.dense=1", "there is no such stage; known: none"),
    ],
)
def test_bad_settings_are_explained(change: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault.replace(".", r"\.")):
        load_config(preset="tiny", overrides=[change])
