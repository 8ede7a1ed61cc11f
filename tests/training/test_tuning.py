"""The plan of a fine-tuning: all that a run does takes time, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.training import tuning
from codemtl.training.run import Run, Speed
from codemtl.training.tuning import Plan, _affordable, _between, make_plan

SPEEDS = (Speed(15.0, 20.0, 10.0), Speed(1.0, 20.0, 0.5), Speed(0.1, 1.0, 6.0))


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("seconds", [300.0, 900.0, 3600.0])
def test_evaluations_and_checkpoints_are_paid(speed: Speed, seconds: float) -> None:
    steps, evaluations = _affordable(speed, seconds)
    checkpoints = 2 + steps // _between(speed)
    spent = steps * speed.step + (evaluations + 1) * speed.evaluation
    spent += checkpoints * speed.checkpoint
    assert 0.85 * seconds < spent <= seconds


def test_measuring_leaves_nothing_behind(
    tiny: Path, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Speed] = []
    measure = Run.measure

    def measured(self: Run, steps: int, seconds: float) -> Speed:
        seen.append(measure(self, 2, seconds))
        assert not list((tmp_path / "out").rglob("*.safetensors"))
        return seen[-1]

    monkeypatch.setattr(Run, "measure", measured)
    plan = make_plan(untrained, tiny, tmp_path / "out", 0.5)
    assert isinstance(plan, Plan) and plan.steps == tuning.LEAST_STEPS
    assert min(seen[0]) > 0
