"""What each weighting costs a step, against static: three tasks, one micro-batch of each a step.

    python scripts/bench_weightings.py --preset small --data data/tiny [--rounds 12] [--methods ...]

All methods run in one process on one network and the same windows, in turns whose order is turned
round by round; the ratio to static is taken within a round, and its median is shown. Where others
use the machine, CPU time tells more than the clock. What comes only now and then is measured by
itself and added per step: CoBa's probe, and, on a line of its own, the gradient diagnostics.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from codemtl.scripting import argument_parser, print_command, script
from codemtl.training.config import load_config
from codemtl.training.loop import MicroBatch
from codemtl.training.run import Run
from codemtl.training.weighting import METHODS, make_weighting

WARM_UP = 2  # rounds that do not count
LIMITS = {False: 1.03, True: 1.35}  # of methods on losses, on gradients


class Spent(NamedTuple):
    """Seconds."""

    clock: float
    cpu: float


def main() -> None:
    options = _arguments()
    changes = [f"accumulation={options.micro}", "weighting.name=static", *options.set]
    config = load_config(None, options.preset, ["compile=false", "threads=1", *changes])
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, options.data, Path(folder))
        methods = {
            name: make_weighting({"name": name}, list(run.training.plans), config.seed)
            for name in dict.fromkeys(["static", *options.methods])
        }
        rounds = []
        for number in range(WARM_UP + options.rounds):
            window = _window(run, number, options.micro)
            names = list(methods)
            names = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: _step(run, methods[name], window) for name in names})
            print(f"round {number}", file=sys.stderr)
        rounds = rounds[WARM_UP:]
        probe = _timed(lambda: run.probes.fixed_losses(run.trainer.network))
        stages = {task: config.stage(task, 0, 1) for task in run.training.plans}
        look = _timed(lambda: run.probes.look(run.trainer.network, run.trainer.shared, 1, stages))
    print_command()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, seed {config.seed}, "
          f"{len(rounds)} rounds, {options.micro} micro-batches a step")  # fmt: skip
    static = Spent(*(statistics.median(r["static"][i] for r in rounds) for i in range(2)))
    print(f"static: {static.clock:.3f} s a step, {static.cpu:.3f} s of CPU time")
    print("\n| weighting | on | CPU time | clock | goal |\n| --- | --- | --- | --- | --- |")
    for name, method in methods.items():
        extra = probe.cpu / method.probe_every / static.cpu if method.probe_every else 0.0
        cpu, clock = (
            statistics.median(r[name][i] / r["static"][i] for r in rounds) + extra for i in (1, 0)
        )
        on = "gradients" if method.on_gradients else "losses"
        limit = LIMITS[method.on_gradients]
        print(f"| {name} | {on} | {cpu:.3f} | {clock:.3f} | {limit:.2f} |")
    share = look.cpu / config.diagnose_every / static.cpu
    print(f"\ndiagnostics every {config.diagnose_every} steps: {share:.2%} of the CPU time")


def _window(run: Run, number: int, size: int) -> list[MicroBatch]:
    """``size`` micro-batches, the tasks in turn."""
    data, tasks = run.training, list(run.training.plans)
    window: list[MicroBatch] = []
    for place in range(size):
        task = tasks[place % len(tasks)]
        where = number * size + place
        stage = run.config.stage(task, number % 2, 2)
        batch = data.make(task, where, stage)
        arrays = {key: torch.from_numpy(value) for key, value in batch.arrays.items()}
        window.append({
            "task": task, "dense": stage == "dense", "counts": batch.counts, "arrays": arrays,
        })  # fmt: skip
    return window


def _step(run: Run, method: Any, window: list[MicroBatch]) -> Spent:
    """One step by a method; what it does only now and then is measured elsewhere."""
    run.trainer.weighting = method
    every, method.probe_every = method.probe_every, 0
    spent = _timed(lambda: run.trainer.train_step(window))
    method.probe_every = every
    return spent


def _timed(what: Any) -> Spent:
    clock, cpu = time.perf_counter(), time.process_time()
    what()
    return Spent(time.perf_counter() - clock, time.process_time() - cpu)


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", type=Path, required=True, help="a folder of prepared shards")
    parser.add_argument("--rounds", type=int, default=12, help="that count")
    parser.add_argument("--micro", type=int, default=3, help="micro-batches a step")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
