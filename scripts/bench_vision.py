"""Did multi-task learning help on images? Both models, each task alone and both, several seeds.

    python scripts/bench_vision.py --out RUNS [--seeds 0,1,2] [--models reference] [--jobs 2]

Every run is one `codemtl vision train` in a process of its own; ended runs are not repeated, and
one that was stopped is resumed. With ``--jobs 2`` two run at a time, of one thread each. All runs
of a model take the same number of steps. Figures are of the 2,000 frozen test scenes: means over
seeds, with the standard deviation. Seconds are of the whole training, by the clock and of the
processor (all threads): where others use the machine, the second tells more. The gain of
multi-task learning is the difference to the single-task run of the same seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from codemtl.scripting import argument_parser, print_command, script

MODELS, TASKS = ("reference", "document"), ("cls,det", "cls", "det")  # in the order of the runs
FIGURES = {"accuracy": "accuracy", "ap": "AP", "ap50": "AP50"}


def main() -> None:
    options = _arguments()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    models = options.models.split(",")
    if options.jobs > 1:
        options.set.append("threads=1")
    which = list(product(models, TASKS, seeds))
    with ThreadPoolExecutor(options.jobs) as pool:
        made = list(pool.map(partial(run, options), *zip(*which, strict=True)))
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (model, tasks, _), metrics in zip(which, made, strict=True):
        found.setdefault((model, tasks), []).append(metrics)
    print_command()
    facts = found[models[0], TASKS[0]][0]
    print(
        f"seeds {options.seeds}; {facts['threads']} threads, precision {facts['precision']}; "
        f"{facts['test']['images']} test scenes"
    )
    print()
    print("| model | tasks | accuracy | AP | AP50 | parameters | steps | seconds | processor |")
    print("|" + " --- |" * 9)
    for (model, tasks), rows in found.items():
        figures = " | ".join(spread([row["test"].get(key) for row in rows]) for key in FIGURES)
        steps = f"{statistics.mean(row['steps'] for row in rows):.0f}"
        seconds, processor = (
            f"{statistics.mean(row[key] for row in rows):.0f}"
            for key in ("seconds", "processor_seconds")
        )
        parameters = f"{rows[0]['parameters']:,}"
        print(
            f"| {model} | {tasks} | {figures} | {parameters} | {steps} | {seconds} | {processor} |"
        )
    print()
    for model in models:
        print(gains(model, found))


def run(options: argparse.Namespace, model: str, tasks: str, seed: int) -> dict[str, Any]:
    """The metrics of one run, which is made if it is not there."""
    out = options.out / f"{model}-{tasks.replace(',', '-')}-{seed}"
    metrics = out / "metrics.json"
    if not metrics.is_file():
        command = [
            sys.executable, "-m", "codemtl", "vision", "train", "--model", model,
            "--tasks", tasks, "--seed", str(seed), "--out", str(out),
        ]  # fmt: skip
        command += ["--resume"] if (out / "checkpoints").exists() else []
        command += [part for one in options.set for part in ("--set", one)]
        print(f"{out.name} ...", file=sys.stderr)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    document: dict[str, Any] = json.loads(metrics.read_text("utf-8"))
    return document


def spread(values: list[float | None], sign: str = "") -> str:
    """Mean and standard deviation in per cent."""
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    deviation = f" ± {statistics.stdev(there):.1%}" if len(there) > 1 else ""
    return f"{statistics.mean(there):{sign}.1%}{deviation}"


def gains(model: str, found: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """What both tasks together gained over each alone, seed by seed."""
    parts = []
    for key, name in FIGURES.items():
        alone = found[model, "cls" if key == "accuracy" else "det"]
        pairs = zip(found[model, "cls,det"], alone, strict=True)
        parts.append(f"{name} {spread([a['test'][key] - b['test'][key] for a, b in pairs], '+')}")
    both, cls, det = (found[model, tasks][0]["parameters"] for tasks in ("cls,det", "cls", "det"))
    seconds = [
        statistics.mean(row["processor_seconds"] for row in found[model, tasks])
        for tasks in ("cls,det", "cls", "det")
    ]
    return (
        f"{model}, gain of multi-task learning: {', '.join(parts)}; one network of {both:,} "
        f"parameters instead of two of {cls + det:,}; {seconds[0]:.0f} processor seconds of "
        f"training instead of {seconds[1] + seconds[2]:.0f}"
    )


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
