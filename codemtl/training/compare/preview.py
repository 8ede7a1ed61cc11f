"""What a comparison would do: its runs, what there is of each, and what is left to spend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codemtl.training.compare.plan import Plan
from codemtl.training.compare.runs import FINISHED, read_outcome, state

_HOUR = 3600


def preview(plan: Plan, out: Path, jobs: int = 1) -> dict[str, Any]:
    """The runs of a plan in order; hours are told once finished runs in ``out`` tell the pace.

    ``jobs`` of them are made at once, as the finished ones were, as far as is known.
    """
    states = {run.name: state(out / run.name) for run in plan.runs}
    left = [run for run in plan.runs if states[run.name] != FINISHED]
    pace = _pace(plan, out, states)
    return {
        "version": 1,
        "steps": plan.base.steps,
        "micro_batches": plan.base.steps * plan.base.accumulation,
        "micro_tokens": plan.base.micro_tokens,
        "runs": [
            {"name": run.name, "arm": run.arm, "steps": run.settings.steps,
             "joint_runs": plan.joint_runs([run]), "begins_with": run.source or None,
             "state": states[run.name]}
            for run in plan.runs
        ],
        "joint_runs": plan.joint_runs(plan.runs),
        "joint_runs_left": plan.joint_runs(left),
        "hours_left": None if pace is None
        else pace * sum(run.micro_batches for run in left) / _HOUR / jobs,
    }  # fmt: skip


def _pace(plan: Plan, out: Path, states: dict[str, str]) -> float | None:
    """Seconds a micro-batch in the finished runs; None while there is none that was not stopped."""
    seconds, micro_batches = 0.0, 0
    for run in plan.runs:
        if states[run.name] == FINISHED:
            outcome = read_outcome(out / run.name)
            if not outcome["resumed"]:
                seconds += outcome["seconds"]
                micro_batches += run.micro_batches
    return seconds / micro_batches if micro_batches else None
