"""From the outcomes of runs to gains: every arm against single-task models, task by task."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from codemtl.training.compare.held_out import LOWER_IS_BETTER, MEASURES
from codemtl.training.compare.plan import (
    ARMS,
    IN_SERIES,
    JOINT,
    LEARNED,
    RANDOM,
    SINGLE,
    SINGLE_COMPUTE,
    TRANSFER,
    UNRELATED,
    WHOLE,
    Options,
    Plan,
    PlannedRun,
    source_of,
)
from codemtl.training.compare.statistics import Outcomes, paired

Found = Mapping[str, Mapping[str, Any]]  # outcome by the name of the run
BASELINES = (SINGLE, SINGLE_COMPUTE)


def results(plan: Plan, options: Options, found: Found) -> dict[str, Any]:
    """The document of a comparison, but for tables and the image baseline."""
    arms = [arm for arm in ARMS if arm in options.arms]
    first = found[plan.runs[0].name]
    return {
        "version": 1,
        "tasks": list(plan.tasks),
        "steps": plan.base.steps,
        "micro_batches": plan.base.steps * plan.base.accumulation,
        "micro_tokens": plan.base.micro_tokens,
        "seeds": list(options.seeds),
        "split": options.split,
        "cases": {task: _cases(plan, found, task) for task in plan.tasks},
        "threads": first["threads"],
        "torch": first["torch"],
        "arms": {arm: _arm(plan, options, found, arm, arms) for arm in arms},
        "series": _series(plan, options, found),
    }  # fmt: skip


def _cases(plan: Plan, found: Found, task: str) -> int:
    return len(outcomes(plan, found, SINGLE, task, MEASURES[task][0]).hits[0])


def label(arm: str, options: Options) -> str:
    """What an arm is called in tables."""
    return {
        JOINT: "joint, equal weights", RANDOM: "joint, random weights",
        LEARNED: f"joint, {options.weighting}", UNRELATED: "joint and an unrelated task",
        TRANSFER: "transfer", SINGLE: "single, equal updates",
        SINGLE_COMPUTE: "single, equal compute",
    }[arm]  # fmt: skip


def outcomes(
    plan: Plan, found: Found, arm: str, task: str, measure: str, condition: str = WHOLE
) -> Outcomes:
    """What an arm does in the cases of a task, seed by seed."""
    rows = [
        found[run.name]["outcomes"][task][measure]
        for run in _runs(plan, arm, condition)
        if run.task in ("", task)
    ]
    return Outcomes.of(rows)


def _runs(plan: Plan, arm: str, condition: str = WHOLE) -> list[PlannedRun]:
    return [run for run in plan.runs if run.arm == arm and run.condition == condition]


def _arm(
    plan: Plan, options: Options, found: Found, arm: str, arms: Sequence[str]
) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for task in plan.tasks:
        tasks[task] = {
            measure: {
                "value": (mine := outcomes(plan, found, arm, task, measure)).value(),
                "seeds": mine.by_seed().tolist(),
            }
            for measure in MEASURES[task]
        }
        if arm == TRANSFER:
            tasks[task]["from"] = source_of(plan.base.tasks, plan.tasks, task)
    against = {
        base: _against(plan, found, arm, base)
        for base in BASELINES
        if base in arms and base != arm
    }  # fmt: skip
    return {
        "label": label(arm, options), "tasks": tasks, "against": against,
        "cost": _cost(plan, options, found, arm),
    }  # fmt: skip


def _against(plan: Plan, found: Found, arm: str, base: str) -> Any:
    """The gains of an arm over single-task models; what is a gain is above zero."""
    gains: dict[str, dict[str, Any]] = {}
    for task in plan.tasks:
        for measure in MEASURES[task]:
            ours, theirs = (outcomes(plan, found, one, task, measure) for one in (arm, base))
            if measure == LOWER_IS_BETTER:
                ours, theirs = theirs, ours
            gains.setdefault(task, {})[measure] = paired(ours, theirs).to_dict()
    return {"gains": gains, **_summary(plan.tasks, gains)}


def _summary(tasks: Sequence[str], gains: Mapping[str, Any]) -> dict[str, Any]:
    """The worst task, and how many are worse than alone: at all, and beyond their interval."""
    judged = {task: gains[task][MEASURES[task][0]] for task in tasks}
    worst = min(judged, key=lambda task: judged[task]["value"])
    return {
        "worst": {"task": worst, **judged[worst]},
        "regressed": sum(gain["value"] < 0 for gain in judged.values()),
        "surely_regressed": sum(gain["high"] < 0 for gain in judged.values()),
    }


def _cost(plan: Plan, options: Options, found: Found, arm: str) -> dict[str, Any]:
    """Of all models that the arm needs for all tasks: means over seeds.

    Times are of runs that were made without a stop, and None if there is none such.
    """
    runs = _runs(plan, arm)
    sources = {run.source for run in runs}  # of transfer: the model to begin with is trained too
    trained = [*runs, *(run for run in plan.runs if run.name in sources)]
    made, spent = ([found[run.name] for run in part] for part in (runs, trained))
    count, whole = len(options.seeds), not any(one["resumed"] for one in spent)
    unrelated = [one["unrelated_accuracy"] for one in made if one["unrelated_accuracy"] is not None]
    speeds = [one["tokens_per_second"] for one in made if one["tokens_per_second"] is not None]
    return {
        "models": len(runs) // count,
        "parameters": sum(one["parameters"] for one in made) // count,
        "micro_batches": sum(run.micro_batches for run in trained) // count,
        "seconds": sum(one["seconds"] for one in spent) / count if whole else None,
        "processor_seconds": sum(one["processor_seconds"] for one in spent) / count
        if whole else None,
        "tokens_per_second": statistics.mean(speeds) if speeds else None,
        "memory": max(one["memory"] for one in made),
        "unrelated_accuracy": statistics.mean(unrelated) if unrelated else None,
    }  # fmt: skip


def _series(plan: Plan, options: Options, found: Found) -> dict[str, list[dict[str, Any]]]:
    """Joint and single under other conditions, in order; all data and true labels among them."""
    series: dict[str, list[dict[str, Any]]] = {}
    asked = {
        "fraction": sorted({*options.fractions, 1.0}) if options.fractions else [],
        "noise": sorted({*options.noise, 0.0}) if options.noise else [],
    }
    for kind, values in asked.items():
        for value in values:
            same = value == (1.0 if kind == "fraction" else 0.0)
            condition = WHOLE if same else f"{kind}-{value:g}"
            point: dict[str, Any] = {"at": value, "tasks": {}}
            for task in plan.tasks:
                measure = MEASURES[task][0]
                both = {
                    arm: outcomes(plan, found, arm, task, measure, condition) for arm in IN_SERIES
                }
                point["tasks"][task] = {
                    **{arm: {"value": one.value(), "seeds": one.by_seed().tolist()}
                       for arm, one in both.items()},
                    "gain": paired(both[JOINT], both[SINGLE]).to_dict(),
                }  # fmt: skip
            series.setdefault(kind, []).append(point)
    return series
