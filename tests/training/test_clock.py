"""A run by the clock: its schedule ends with its time, and its time with all that is written."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from codemtl.errors import UsageError
from codemtl.training import clock as module
from codemtl.training.clock import MARGIN, Clock
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.evaluation import Validation
from codemtl.training.loop import MicroBatch, Trainer, learning_rate
from codemtl.training.run import Run, train

SETTINGS = [
    "threads=1", "accumulation=2", "micro_tokens=512", "evaluate_batches=1", "steps=100000",
    "evaluate_every=1000", "checkpoint_every=1000", "diagnose_every=1000", "log_every=1000",
    "final_rate=0.01", "tasks.summarize.share=0", "tasks.generate.share=0",
]  # fmt: skip
VALIDATION = 2.0  # seconds by the fake time; a step takes one


class FakeTime:
    """What `monotonic` gives."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    made = FakeTime()
    monkeypatch.setattr(module, "monotonic", made)
    return made


class Seen:
    """What a run did, step by step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.dense: list[bool] = []


@pytest.fixture
def seen(fake: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Steps and validations take their fake time."""
    found = Seen()
    backward, validate = Trainer.backward, Validation.run

    def slow_step(self: Trainer, window: list[MicroBatch], *more: Any) -> Any:
        fake.now += 1
        found.rates.append(self.optimizer.param_groups[0]["lr"])
        found.dense += [micro["dense"] for micro in window]
        return backward(self, window, *more)

    def slow_validation(self: Validation, *arguments: Any) -> dict[str, float]:
        fake.now += VALIDATION
        return validate(self, *arguments)

    monkeypatch.setattr(Trainer, "backward", slow_step)
    monkeypatch.setattr(Validation, "run", slow_validation)
    return found


def configured(*changes: str) -> TrainingConfig:
    return load_config(preset="tiny", overrides=[*SETTINGS, *changes])


def ticking(*changes: str) -> Clock:
    return Clock(configured(*changes), Accelerator(cpu=True))


def test_the_cosine_follows_steps_or_time_whichever_is_further() -> None:
    config = configured("steps=100", "warmup=10", "final_rate=0.1", "learning_rate=1")
    assert learning_rate(config, 20, 0.5) == learning_rate(config, 50)
    assert learning_rate(config, 55, 0.2) == learning_rate(config, 55)
    assert learning_rate(config, 20, 1.0) == pytest.approx(0.1)
    assert learning_rate(config, 4, 0.05) == learning_rate(config, 4) == pytest.approx(0.5)
    assert learning_rate(config, 4, 0.05, warmup=5.0) == 1.0
    assert learning_rate(config, 5, 0.05, warmup=5.0) == pytest.approx(1.0)


def test_a_clock_without_a_budget_stands(fake: FakeTime) -> None:
    clock = ticking()
    for _ in range(20):
        clock.start()
        fake.now += 1
        clock.tick()
        clock.put_aside()
    assert (clock.progress, clock.warmup, clock.reserve) == (0.0, clock.config.warmup, None)
    assert not clock.over and not clock.rehearses and clock.state_dict() == {}
    assert clock.place(7, 1000) == 7


def test_time_room_and_warm_up(fake: FakeTime) -> None:
    clock = ticking("seconds=100", "warmup=50")
    clock.start()
    fake.now += 5  # the first step compiles
    clock.tick()
    assert clock.progress == pytest.approx(0.05) and clock.warmup == 50
    for _ in range(9):
        assert not clock.rehearses
        fake.now += 0.5
        clock.start()  # begins nothing anew
        clock.tick()
    assert clock.progress == pytest.approx(9.5 / 99.5)
    assert clock.warmup == pytest.approx(20)  # a tenth of 200 steps
    fake.now += 0.5
    clock.tick()
    assert clock.rehearses
    fake.now += 10 / MARGIN
    clock.put_aside()
    assert clock.reserve == pytest.approx(10) and not clock.rehearses
    fake.now += 40 - 10 / MARGIN
    clock.tick()
    assert clock.progress == pytest.approx(50 / 89.5)
    assert clock.place(7, 1000) == int(1000 * 50 / 89.5)
    fake.now += 39.5
    clock.tick()
    assert clock.over and clock.progress == 1.0


def test_a_budget_of_less_than_a_step_ends_with_it(fake: FakeTime) -> None:
    clock = ticking("seconds=3")
    clock.start()
    fake.now += 5
    clock.tick()
    assert clock.over


def test_a_run_ends_in_time_with_its_schedule(seen: Seen, fake: FakeTime, tiny: Path,
                                              tmp_path: Path) -> None:  # fmt: skip
    config, began = configured("seconds=40", "evaluate_every=15", "warmup=5"), fake.now
    run = Run(config, tiny, tmp_path / "run")
    run.go()
    steps = run.trainer.step
    assert 38 <= fake.now - began <= 40
    peak, last = max(seen.rates), seen.rates[-1]
    assert peak > 0.9 * config.learning_rate and seen.rates.index(peak) < 10
    assert last < 0.05 * config.learning_rate
    assert seen.dense[0] and not seen.dense[-1]
    assert 0.45 < sum(seen.dense) / len(seen.dense) < 0.6  # the validations took time as well
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    evaluated = [row["step"] for row in rows if any(key[:10] == "validation" for key in row)]
    assert evaluated == [4, 15, 30, steps]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "not finished" not in page and f"step {steps} of" in page


def test_nothing_is_done_twice_where_the_time_ends(
    seen: Seen, fake: FakeTime, tiny: Path, tmp_path: Path
) -> None:
    began = fake.now
    run = Run(configured("seconds=40", "evaluate_every=31", "warmup=5"), tiny, tmp_path / "run")
    run.go()  # step 31 ends after 35 s, and its validation would leave no time for the last one
    assert 35 <= fake.now - began <= 40


def test_the_steps_still_end_a_run(seen: Seen, tiny: Path, tmp_path: Path) -> None:
    run = Run(configured("seconds=1000", "steps=6"), tiny, tmp_path / "run")
    run.go()
    assert run.trainer.step == 6 and not seen.dense[-1]


def test_a_resumed_run_has_the_time_that_was_left(
    seen: Seen, fake: FakeTime, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*SETTINGS, "checkpoint_every=15", "warmup=5"]
    step = Trainer.train_step

    def interrupted(self: Trainer, window: list[MicroBatch]) -> dict[str, float]:
        if self.step == 20:
            raise KeyboardInterrupt
        return step(self, window)

    def go(resume: bool, budget: float = 40.0) -> None:
        train(preset="tiny", data=tiny, out=tmp_path / "run", time_budget=budget,
              resume=resume, overrides=settings)  # fmt: skip

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(resume=False)
    state = json.loads(
        (tmp_path / "run" / "checkpoints" / "step-0000015" / "state.json").read_text()
    )["clock"]
    assert state["spent"] == 15 + VALIDATION and state["reserve"] == MARGIN * VALIDATION
    with pytest.raises(UsageError, match=r"was made with seconds = 40\.0, not 90\.0"):
        go(resume=True, budget=90.0)
    began, before = fake.now, len(seen.rates)
    go(resume=True)
    assert 38 <= state["spent"] + fake.now - began <= 40
    assert fake.now - began == len(seen.rates) - before + VALIDATION  # no second rehearsal
    assert seen.rates[before] == pytest.approx(seen.rates[15], rel=0.05)
    assert seen.rates[-1] < 0.05 * max(seen.rates) and not seen.dense[-1]
    began = fake.now
    go(resume=True)  # nothing is left
    assert fake.now == began


@pytest.mark.slow
def test_workers_follow_the_clock(seen: Seen, tiny: Path, tmp_path: Path) -> None:
    Run(configured("seconds=30", "workers=1"), tiny, tmp_path / "run").go()
    assert seen.dense == sorted(seen.dense, reverse=True)
    assert 0.4 < sum(seen.dense) / len(seen.dense) < 0.75  # a few were made ahead


@pytest.mark.slow
def test_real_time(tiny: Path, tmp_path: Path) -> None:
    budget = 15.0
    config = configured(f"seconds={budget}")
    run = Run(config, tiny, tmp_path / "run")
    began: list[float] = []
    stages: list[bool] = []
    step = run.trainer.train_step

    def noted(window: list[MicroBatch]) -> dict[str, float]:
        began.append(time.monotonic())
        stages.extend(micro["dense"] for micro in window)
        return step(window)

    run.trainer.train_step = noted  # type: ignore[method-assign]
    run.go()
    assert time.monotonic() - began[0] < budget + 1  # a busy machine's pace is uneven
    assert run.trainer.clock.over and run.trainer.step < config.steps
    assert run.trainer.optimizer.param_groups[0]["lr"] < 0.1 * config.learning_rate
    assert stages[0] and not stages[-1]
    assert (tmp_path / "run" / "model.safetensors").is_file()
