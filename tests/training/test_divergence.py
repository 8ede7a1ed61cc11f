"""A run that diverges says so and saves nothing that cannot be loaded."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from codemtl.errors import UsageError
from codemtl.model.checkpoints import load_network
from codemtl.training import divergence
from codemtl.training.config import load_config
from codemtl.training.divergence import check_gradient, check_weights
from codemtl.training.loop import MicroBatch, Trainer
from codemtl.training.run import train

CONFIG = load_config(preset="tiny")
ALONE: Any = SimpleNamespace(num_processes=1, device=torch.device("cpu"))
SETTINGS = [
    "threads=1", "accumulation=1", "micro_tokens=256", "evaluate_batches=1", "evaluate_every=1",
    "checkpoint_every=1", "model.width=16", "model.layers=1", "model.hidden=16",
]  # fmt: skip


def test_too_high_a_learning_rate_is_named(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UsageError, match=r"at step \d of 9 .* learning_rate below 1e.30") as told:
        train(preset="tiny", data=tiny, out=out, max_steps=9,
              overrides=[*SETTINGS, "learning_rate=1e30", "warmup=0"])  # fmt: skip
    assert told.value.exit_code == 2
    assert (out / "report.html").is_file()
    if (out / "config.json").exists():
        load_network(out)


def spoil(monkeypatch: pytest.MonkeyPatch, at: int, value: float, gradient: bool) -> None:
    """In the step ``at``, before or after it, as if the training had come to it."""
    step, backward = Trainer.train_step, Trainer.backward

    def spoilt_step(self: Trainer, window: list[MicroBatch]) -> dict[str, float]:
        row = step(self, window)
        if self.step == at and not gradient:
            self.parameters[0].data.view(-1)[0] = value
        return row

    def spoilt_backward(self: Trainer, *arguments: Any) -> Any:
        found = backward(self, *arguments)
        if self.step + 1 == at and gradient:
            grads = [one.grad for one in self.parameters if one.grad is not None]
            grads[0].view(-1)[0] = value
        return found

    monkeypatch.setattr(Trainer, "train_step", spoilt_step)
    monkeypatch.setattr(Trainer, "backward", spoilt_backward)


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize(
    ("gradient", "fault"),
    [(True, "at step 3 of 4 the norm of the gradient is"), (False, "at step 3 of 4 weights of")],
)
def test_what_is_not_finite_is_not_saved(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, gradient: bool,
    fault: str,
) -> None:  # fmt: skip
    out, rising = tmp_path / "run", iter(range(100))
    monkeypatch.setattr("codemtl.training.run.score", lambda row: next(rising))
    spoil(monkeypatch, 3, value, gradient)
    with pytest.raises(UsageError, match=fault):
        train(preset="tiny", data=tiny, out=out, max_steps=4, overrides=SETTINGS)
    assert load_network(out)[1]["step"] == 2
    kept = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert kept == ["step-0000001", "step-0000002"]


def test_the_tasks_whose_loss_is_not_finite_are_named() -> None:
    check_gradient(1.0, {"repair": nan}, CONFIG, 3, ALONE)
    losses = {"summarize": inf, "generate": 1.0, "repair": nan}
    fault = r"is nan, and so is the loss of repair and summarize; .* below 0\.003 "
    with pytest.raises(UsageError, match=fault):
        check_gradient(nan, losses, CONFIG, 3, ALONE)


@pytest.mark.parametrize(("first", "own"), [(1.0, inf), (inf, 1.0)])
def test_all_ranks_decide_as_the_first(
    monkeypatch: pytest.MonkeyPatch, first: float, own: float
) -> None:
    monkeypatch.setattr(divergence, "agreed", lambda values, accelerator: [first])
    if first == inf:
        with pytest.raises(UsageError, match="the norm of the gradient is inf"):
            check_gradient(own, {}, CONFIG, 3, ALONE)
    else:
        check_gradient(own, {}, CONFIG, 3, ALONE)


class Part(nn.Parameter):
    """A parameter that is spread over ranks, as far as the check can see."""

    full_tensor = True

    def to_local(self) -> Tensor:
        return self.data.as_subclass(Tensor)  # type: ignore[no-any-return,no-untyped-call]


@pytest.mark.parametrize("others", [0.0, 1.0])
def test_a_rank_hears_of_what_is_wrong_with_the_parts_of_others(others: float) -> None:
    ranks: Any = SimpleNamespace(num_processes=2, reduce=lambda tensor, how: tensor + others)
    parameters = [Part(torch.ones(2)), nn.Parameter(torch.ones(3))]
    if others:
        with pytest.raises(UsageError, match="weights of the network are not finite"):
            check_weights(parameters, CONFIG, 3, ranks)
    else:
        check_weights(parameters, CONFIG, 3, ranks)
