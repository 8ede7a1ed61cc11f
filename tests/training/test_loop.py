"""The joint step: how a window is cut into micro-batches must not change its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from codemtl.model.config import PRESETS
from codemtl.model.network import Network
from codemtl.tasks import corruption, repair
from codemtl.tasks.batches import Batch, SpecialIds
from codemtl.tasks.example import Layout
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import Vocabulary
from codemtl.training.config import load_config
from codemtl.training.gradients import reduce_gradients
from codemtl.training.loop import MicroBatch, Trainer, learning_rate, windows
from codemtl.training.shards import Shards
from codemtl.training.weighting import make_weighting


def micro(batch: Batch) -> MicroBatch:
    return {
        "task": batch.task, "dense": True, "counts": batch.counts, "tokens": batch.tokens,
        "slots": batch.slots,
        "arrays": {key: torch.from_numpy(value) for key, value in batch.arrays.items()},
    }  # fmt: skip


@pytest.fixture
def batches(shards: Shards, specials: SpecialIds, layout: Layout) -> Any:
    """Twelve functions for repair and six summaries, cut into a number of micro-batches each."""
    rng = np.random.default_rng(0)
    some = [shards[i] for i in np.flatnonzero(shards.site_counts > 2)[:12].tolist()]
    inputs = [corruption.corrupt_dense(example, rng) for example in some]
    summarize, vocabulary = Summarize(), Vocabulary(specials, layout)
    told = [shards[i] for i in np.flatnonzero(summarize.usable(shards))[:6].tolist()]

    def cut(parts: int) -> list[MicroBatch]:
        found = []
        for part in range(parts):
            rows = slice(part * 12 // parts, (part + 1) * 12 // parts)
            found.append(micro(repair.collate(inputs[rows], specials, dense=True)))
            rows = slice(part * 6 // parts, (part + 1) * 6 // parts)
            found.append(micro(summarize.collate(told[rows], vocabulary)))
        return found

    return cut


def trainer(weighting: str = "static", **weights: float) -> Trainer:
    torch.manual_seed(0)
    changes = [f"tasks.{task}.weight={weight}" for task, weight in weights.items()]
    fixed = ["precision=no", "tasks.repair.terms.token=3", f"weighting.name={weighting}"]
    config = load_config(preset="tiny", overrides=[*fixed, *changes])
    method = make_weighting(config.weighting, list(config.tasks), seed=0)
    return Trainer(config, Network(PRESETS["tiny"]), method, Accelerator(cpu=True))


def gradient(made: Trainer, window: list[MicroBatch]) -> dict[str, Tensor]:
    made.backward(window, made._window_counts(window), made._weights())
    return {n: p.grad for n, p in made.network.named_parameters() if p.grad is not None}


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], scale: float = 1.0) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        bound = 1e-4 * float(value.abs().max()) + 1e-7
        assert float((value * scale - other[name]).abs().max()) <= bound * scale, name


def test_the_cut_of_a_window_does_not_change_its_gradient(batches: Any) -> None:
    whole = gradient(trainer(), batches(1))
    assert_close(whole, gradient(trainer(), batches(3)))
    assert not any(name.startswith("generate.") for name in whole)


def test_static_weights_scale_the_gradient_of_their_task(batches: Any) -> None:
    base = gradient(trainer(summarize=0.0), batches(1))
    doubled = gradient(trainer(repair=2.0, summarize=0.0), batches(1))
    assert_close(base, doubled, scale=2.0)


def test_gradients_of_tasks_add_up(batches: Any) -> None:
    both = gradient(trainer(), batches(1))
    one = gradient(trainer(summarize=0.0), batches(1))
    two = gradient(trainer(repair=0.0), batches(1))
    assert_close(both, {name: one[name] + two[name] for name in both})


def test_a_step_reports_means_and_leaves_absent_tasks_alone(batches: Any) -> None:
    made = trainer()
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    row = made.train_step(batches(2))
    assert made.step == 1
    assert row["repair/loss"] == pytest.approx(
        row["repair/bug"] + 3 * row["repair/token"] + row["repair/edit"], rel=1e-5
    )
    assert {key for key in row if key.endswith("/weight")} == {"repair/weight", "summarize/weight"}
    after = made.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.") for name in changed)
    assert not any(name.startswith("generate.") for name in changed)


def test_gradients_taken_by_task_add_up_to_the_plain_one(batches: Any) -> None:
    plain, taken = gradient(trainer(), batches(2)), gradient(trainer("gradnorm"), batches(2))
    assert_close(plain, taken)


def test_methods_on_gradients_change_the_shared_parameters_alone(batches: Any) -> None:
    plain, mgda = gradient(trainer(), batches(2)), gradient(trainer("mgda"), batches(2))
    assert_close(*({n: g for n, g in one.items() if n[:7] != "encoder"} for one in (plain, mgda)))
    matrix = "encoder.stack.layers.1.feed_forward.down.weight"
    assert not torch.allclose(plain[matrix], mgda[matrix], rtol=0.01)


def test_a_window_of_one_task_is_a_plain_step(batches: Any) -> None:
    window = [one for one in batches(2) if one["task"] == "repair"]
    plain, upgrad = gradient(trainer(), window), gradient(trainer("upgrad"), window)
    assert all(torch.equal(plain[name], upgrad[name]) for name in plain)


class TwoRanks:
    """An accelerator of two ranks of which the other one answers with prepared tensors."""

    num_processes = 2
    device = torch.device("cpu")

    def __init__(self, others: list[Tensor]) -> None:
        self.others = others

    def reduce(self, tensor: Tensor, reduction: str) -> Tensor:
        assert reduction == "sum"
        return tensor + self.others.pop(0)


def test_gradients_are_summed_over_ranks() -> None:
    made = trainer()
    first, second, third = made.parameters[:3]
    first.grad, second.grad = torch.full_like(first, 2.0), None
    present = torch.zeros(len(made.parameters))
    present[1] = 1  # the other rank has a gradient of the second parameter alone
    flat = torch.cat([torch.zeros(first.numel()), torch.full((second.numel(),), 3.0)])
    reduce_gradients(made.parameters, TwoRanks([present, flat]))  # type: ignore[arg-type]
    assert first.grad is not None and (first.grad == 2).all() and first.grad.shape == first.shape
    assert second.grad is not None and (second.grad == 3).all()
    assert third.grad is None


def test_the_learning_rate_warms_up_and_falls() -> None:
    config = load_config(preset="tiny", overrides=["steps=100", "warmup=10", "final_rate=0.1"])
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(config.learning_rate / 10)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.1 * config.learning_rate)


def test_windows_hold_whole_steps() -> None:
    micros: list[MicroBatch] = [{"number": number} for number in range(7)]
    assert [len(window) for window in windows(iter(micros), 3)] == [3, 3]
