"""The plan of an epoch: complete, tight, a pure function of seed and position, shared by ranks."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from codemtl.errors import DataError
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Layout
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.evaluation import Validation
from codemtl.training.mixture import MicroBatches, Plan, sampling_shares
from codemtl.training.shards import Shards

SHARES = {"repair": 0.7, "summarize": 0.15, "generate": 0.15}


def configured(*changes: str, dense: float = 0.5) -> TrainingConfig:
    shares = [f"tasks.{task}.share={share}" for task, share in SHARES.items()]
    stages = f"tasks.repair.stages={{dense={dense}, single={1 - dense}}}"
    return load_config(preset="tiny", overrides=[*shares, stages, "seed=3", *changes])


ONLY_REPAIR = ("tasks.summarize.share=0", "tasks.generate.share=0")


@pytest.fixture
def make(shards: Shards, specials: SpecialIds, layout: Layout) -> Any:
    def call(
        *changes: str, dense: float = 0.5, rank: int = 0, world: int = 1, micro_batches: int = 120
    ) -> MicroBatches:
        return MicroBatches(
            shards, specials, layout, configured(*changes, dense=dense),
            micro_batches=micro_batches, rank=rank, world=world,
        )  # fmt: skip

    return call


@pytest.mark.parametrize("every", [4, 1])
def test_one_in_so_many_micro_batches_of_the_real_stage_holds_real_bugs(
    make: Any, shards: Shards, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    data = make(f"real_every={every}")
    asked: list[list[int]] = []
    kind = data.kinds["repair"]
    monkeypatch.setattr(
        type(kind), "batch", lambda self, examples, vocabulary, draw: asked.append(draw.indices)
    )
    data.real = Plan(np.array([5, 6]), shards.lengths, 100_000, seed=0)
    for number in range(2 * every):
        data.make("repair", number, "real")
    assert [sorted(row) == [5, 6] for row in asked] == ([False] * (every - 1) + [True]) * 2


@pytest.mark.parametrize(
    ("changes", "alone"),
    [
        (["real_every=1", "tasks.repair.stages={real=1, dense=0}"], True),
        (["real_every=1", "tasks.repair.stages={dense=0.5, real=0.5}"], False),
        (["real_every=2", "tasks.repair.stages={real=1}"], False),
        (["real_every=2", "real_clean=1", "tasks.repair.stages={real=1}"], True),
        (["real_every=2", "real_clean=1", "tasks.repair.stages={single=0.5, real=0.5}"], False),
    ],
)
def test_who_learns_from_no_made_bugs_is_judged_by_real_ones_alone(
    make: Any, shards: Shards, changes: list[str], alone: bool
) -> None:
    data = make(*ONLY_REPAIR, *changes)
    assert not data.real_alone, "there are none"
    data.real = Plan(np.flatnonzero(np.arange(len(shards)) < 3), shards.lengths, 9_000, seed=0)
    assert data.real_alone == alone
    judged = {stage for _, stage in Validation(data, 1, str).batches}
    assert judged == ({"real"} if alone else {"dense", "single", "real"})


def test_real_bugs_judge_no_run_that_does_not_learn_from_them(make: Any, shards: Shards) -> None:
    data = make("tasks.repair.stages={dense=0.5, single=0.5, real=0}")
    data.real = Plan(np.arange(3), shards.lengths, 9_000, seed=0)
    stages = {stage for batch, stage in Validation(data, 1, str).batches if batch.task == "repair"}
    assert stages == {"dense", "single"}


def test_real_bugs_alone_need_some(make: Any, shards: Shards) -> None:
    data = make("tasks.repair.stages={real=1}")
    with pytest.raises(DataError, match="hold none"):
        data.check_real()
    data.real = Plan(np.arange(3), shards.lengths, 9_000, seed=0)
    data.check_real()
    make("tasks.repair.stages={single=0.9, real=0.1}").check_real()


def test_beside_real_bugs_functions_can_be_left_as_they_stand(make: Any, shards: Shards) -> None:
    half, whole = make(), make("real_clean=1")
    assert whole.make("repair", 0, "real").arrays["bug"].any(), "there are none"
    for data in (half, whole):
        data.real = Plan(np.array([5]), shards.lengths, 9_000, seed=0)
    bugs = [np.concatenate([
        data.make("repair", number, "real").arrays["bug"] for number in range(3)
    ]) for data in (half, whole)]  # fmt: skip
    assert 0.25 < bugs[0].mean() < 0.6
    assert not bugs[1].any()
    assert whole.make("repair", 0, "single").arrays["bug"].any(), "only in that stage"


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    arrays, others = one["arrays"], other["arrays"]
    return (
        {k: v for k, v in one.items() if k != "arrays"}
        == {k: v for k, v in other.items() if k != "arrays"}
        and arrays.keys() == others.keys()
        and all(torch.equal(arrays[key], others[key]) for key in arrays)
    )


@pytest.mark.parametrize("tokens", [300, 2048, 100_000])
def test_every_example_comes_exactly_once_an_epoch(shards: Shards, tokens: int) -> None:
    members = np.flatnonzero(shards.site_counts > 0)
    plan = Plan(members, shards.lengths, tokens, seed=1)
    seen: dict[int, Counter[int]] = {0: Counter(), 1: Counter(), 2: Counter()}
    number = 0
    while (found := plan.batch(number))[0] < 3:
        epoch, indices = found
        seen[epoch].update(indices.tolist())
        longest = int(shards.lengths[indices].max())
        assert len(indices) == 1 or longest * len(indices) <= tokens
        number += 1
    assert all(counter == Counter(members.tolist()) for counter in seen.values())


def test_epochs_differ_and_any_position_can_be_asked_first(shards: Shards) -> None:
    members = np.arange(len(shards))
    forward = Plan(members, shards.lengths, 2048, seed=1)
    wanted = [forward.batch(number) for number in range(60)]
    assert {epoch for epoch, _ in wanted} >= {0, 1}
    backward = Plan(members, shards.lengths, 2048, seed=1)
    for number in reversed(range(60)):
        epoch, indices = backward.batch(number)
        assert epoch == wanted[number][0]
        assert np.array_equal(indices, wanted[number][1])
    other = Plan(members, shards.lengths, 2048, seed=2)
    assert not np.array_equal(other.batch(0)[1], wanted[0][1])


def test_micro_batches_are_a_pure_function_of_seed_and_position(make: Any) -> None:
    one, two = make(), make()
    order = np.random.default_rng(0).permutation(40)
    late = {int(number): two[int(number)] for number in order}
    assert all(same(one[number], late[number]) for number in range(40))
    other = make("seed=4")
    assert not all(same(one[number], other[number]) for number in range(40))


def test_it_travels_to_a_worker_without_its_data(make: Any) -> None:
    data = make()
    wanted = data[7]
    sent = pickle.dumps(data)
    assert len(sent) < 100_000
    assert same(pickle.loads(sent)[7], wanted)


def test_corruption_is_drawn_anew_each_epoch(make: Any) -> None:
    data = make(*ONLY_REPAIR)
    plan = data.plans["repair"]
    first = plan.batch(0)[1]
    number = next(
        n for n in range(1, 500) if plan.batch(n)[0] == 1 and np.isin(first, plan.batch(n)[1]).any()
    )
    one, two = data.make("repair", 0, "dense"), data.make("repair", number, "dense")
    assert one.arrays["site_label"].sum() > 0 and two.arrays["site_label"].sum() > 0
    shared = np.intersect1d(first, plan.batch(number)[1])
    rows = [np.flatnonzero(plan.batch(n)[1] == shared[0])[0] for n in (0, number)]
    width = min(one.arrays["site_label"].shape[1], two.arrays["site_label"].shape[1])
    labels = [b.arrays["site_label"][row, :width] for b, row in zip((one, two), rows, strict=True)]
    assert not np.array_equal(*labels)


def test_ranks_share_the_tasks_and_no_example(make: Any) -> None:
    ranks = [make(rank=rank, world=2) for rank in range(2)]
    assert ranks[0].tasks == ranks[1].tasks
    numbers = [
        {(task, int(data.cursor[i]) * 2 + rank) for i, task in enumerate(data.tasks)}
        for rank, data in enumerate(ranks)
    ]
    assert not numbers[0] & numbers[1]
    for task in SHARES:
        both = sorted(number for part in numbers for name, number in part if name == task)
        assert both == list(range(len(both)))
    first = ranks[0][0]["arrays"]["input_ids"], ranks[1][0]["arrays"]["input_ids"]
    assert first[0].shape != first[1].shape or not torch.equal(*first)


def test_tasks_come_by_their_shares(make: Any) -> None:
    counts = Counter(make(micro_batches=4000).tasks)
    for task, share in SHARES.items():
        assert abs(counts[task] / 4000 - share) < 0.03


def test_little_is_padding(make: Any) -> None:
    data = make()
    micros = [data[number] for number in range(len(data))]
    tokens, slots = sum(m["tokens"] for m in micros), sum(m["slots"] for m in micros)
    assert 1 - tokens / slots <= 0.15


def test_the_targets_of_a_micro_batch_of_masked_code_are_alike(make: Any) -> None:
    data = make(micro_batches=60)
    shares, seen = [], set()
    for number in range(12):
        batch = data.make("generate", number)
        labels = batch.arrays["labels"] >= 0
        shares.append(labels.mean())
        seen.add(labels.shape[1])
    assert np.mean(shares) > 0.6  # 0.55 if each line is drawn by itself
    assert len(seen) > 4  # short and long ones come


def test_dense_comes_first(make: Any) -> None:
    data = make(*ONLY_REPAIR, micro_batches=4)
    assert [data[i]["dense"] for i in range(4)] == [True, True, False, False]
    assert "token" in data[0]["counts"] and "site" in data[3]["counts"]
    assert data[3]["arrays"]["site_label"].sum(1).max() <= 1


def test_a_micro_batch_may_be_further_in_the_curriculum_than_its_number(make: Any) -> None:
    data = make(*ONLY_REPAIR, micro_batches=4)
    assert same(data[0, 0], data[0]) and same(data[1, 1], data[1])
    assert not data[0, 3]["dense"]


def test_a_task_without_examples_is_named(specials: SpecialIds, layout: Layout) -> None:
    class Empty:
        lengths = site_counts = summaries = np.zeros(3, np.int32)
        buggy = np.zeros(3, np.bool_)

        def __len__(self) -> int:
            return 3

    with pytest.raises(DataError, match="no example for repair"):
        MicroBatches(Empty(), specials, layout, configured(), micro_batches=1)  # type: ignore[arg-type]


def test_a_curriculum_cuts_the_run_into_stages() -> None:
    config = configured(dense=0.6)
    stages = [config.stage("repair", number, 10) for number in range(10)]
    assert stages == ["dense"] * 6 + ["single"] * 4
    assert config.stage("summarize", 0, 10) == ""
    assert configured(dense=0.0).stage("repair", 0, 10) == "single"
    only = configured(dense=1.0)
    assert (
        {only.stage("repair", n, 7) for n in range(7)} == {only.last_stage("repair")} == {"dense"}
    )
    relative = configured("tasks.repair.stages={dense=1, single=3}")
    assert [relative.stage("repair", n, 4) for n in range(4)] == ["dense", *["single"] * 3]


def test_an_epoch_that_begins_anew_is_counted(make: Any) -> None:
    data = make(*ONLY_REPAIR, "tasks.repair.micro_tokens=8192")
    plan = data.plans["repair"]
    size = next(n for n in range(100) if plan.batch(n)[0] == 1)
    assert [plan.passes(number) for number in (size - 1, 2 * size - 1)] == [1.0, 2.0]
    seen = [data[number]["epoch"] for number in range(size + 1)]
    assert seen == sorted(seen) and 0 < seen[0] < 1 < seen[-1] < 2


def test_each_task_may_have_its_own_size_of_micro_batch(make: Any) -> None:
    data = make("tasks.summarize.micro_tokens=512")
    slots = {task: [] for task in SHARES}  # type: dict[str, list[int]]
    for number in range(40):
        micro = data[number]
        slots[micro["task"]].append(micro["arrays"]["input_ids"].numel())
    assert max(slots["summarize"]) <= 512 < 1024 < max(slots["repair"]) <= 2048


def test_shares_by_temperature() -> None:
    sizes = {"repair": 800, "summarize": 100, "generate": 100}
    assert sampling_shares(configured(), sizes) == pytest.approx(SHARES)
    one = sampling_shares(configured("temperature=1"), sizes)
    assert list(one.values()) == pytest.approx([0.8, 0.1, 0.1])
    three = sampling_shares(configured("temperature=3"), sizes)
    assert list(three.values()) == pytest.approx([0.5, 0.25, 0.25])
    cold = sampling_shares(configured("temperature=0.001"), sizes)
    assert list(cold.values()) == [1, 0, 0]
