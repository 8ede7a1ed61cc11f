"""Throughput and memory of `codemtl train` against a Hugging Face Trainer on the same model.

    python scripts/bench_trainer.py --preset small --data data/tiny [--task generate] [--steps 20]

Both train one task (the Trainer has no mixture) with the same network, optimizer, examples,
arithmetic and mean number of positions a batch:

- codemtl: the run's own loader, step, meter and log;
- defaults: a Trainer that draws batches of a fixed number of functions at random;
- grouped: the same with ``train_sampling_strategy="group_by_length"``.

Each arm runs in a process of its own, so that its peak memory can be told; rounds alternate. Tokens
are without padding; the first steps do not count. Where others use the machine, tokens a second of
CPU time tell more than those of the clock.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codemtl.scripting import argument_parser, print_command, script
from codemtl.training.config import load_config
from codemtl.training.loop import windows
from codemtl.training.meter import Meter
from codemtl.training.optimizer import make_optimizer
from codemtl.training.probes import task_loss
from codemtl.training.run import Run

ARMS = ("codemtl", "defaults", "grouped")
WARM_UP = 3  # steps that do not count


def main() -> None:
    options = _arguments()
    if options.arm:
        print(json.dumps(_measure(options)))
        return
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for number in range(options.rounds):
        for arm in ARMS if number % 2 == 0 else reversed(ARMS):
            command = [sys.executable, *sys.argv, "--arm", arm]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[arm].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {number}: {arm} {found[arm][-1]}", file=sys.stderr)
    print_command()
    print(f"torch {torch.__version__}, {options.rounds} rounds of {options.steps} steps, "
          f"task {options.task}; medians")  # fmt: skip
    keys = ("per_cpu_second", "per_second", "padding", "mib")
    median = {a: {k: statistics.median(r[k] for r in found[a]) for k in keys} for a in ARMS}
    print("\n| | tokens/s of CPU time | tokens/s | padding | peak memory (MiB) | codemtl is |")
    print("| --- | --- | --- | --- | --- | --- |")
    for arm, row in median.items():
        times = median["codemtl"]["per_cpu_second"] / row["per_cpu_second"]
        print(f"| {arm} | {row['per_cpu_second']:.0f} | {row['per_second']:.0f} | "
              f"{row['padding']:.1%} | {row['mib']:.0f} | {times:.2f}x |")  # fmt: skip


class Clock:
    """Tokens and seconds from the end of the warm-up on."""

    def __init__(self) -> None:
        self.steps = self.tokens = self.slots = 0
        self.clock = self.cpu = 0.0

    def step(self, tokens: int, slots: int) -> None:
        """Called at the end of each step."""
        self.steps += 1
        if self.steps == WARM_UP:
            self.clock, self.cpu = time.perf_counter(), time.process_time()
        elif self.steps > WARM_UP:
            self.tokens, self.slots = self.tokens + tokens, self.slots + slots

    def read(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "per_second": self.tokens / (time.perf_counter() - self.clock),
            "per_cpu_second": self.tokens / (time.process_time() - self.cpu),
            "padding": 1 - self.tokens / self.slots, "mib": peak / 1024,
        }  # fmt: skip


def _measure(options: argparse.Namespace) -> dict[str, float]:
    others = [task for task in ("repair", "summarize", "generate") if task != options.task]
    config = load_config(None, options.preset, [
        *(f"tasks.{task}.share=0" for task in others), "accumulation=1", "compile=false",
        f"steps={WARM_UP + options.steps}", "threads=1", *options.set,
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, options.data, Path(folder))
        if options.arm == "codemtl":
            return _ours(run)
        return _theirs(run, Path(folder), grouped=options.arm == "grouped")


def _ours(run: Run) -> dict[str, float]:
    run.accelerator.init_trackers("logs")
    clock, meter = Clock(), Meter()
    for window in windows(iter(run._loader()), 1):
        meter.add(window, run.trainer.train_step(window))
        if run.trainer.step % run.config.log_every == 0:
            run._log(meter.read())
        clock.step(window[0]["tokens"], window[0]["slots"])
    found = clock.read()
    run.accelerator.end_training()
    return found


class Wrapped(nn.Module):
    """The network as a Trainer wants it: a batch in, a loss out."""

    def __init__(self, run: Run, task: str) -> None:
        super().__init__()
        self.network, self.task = run.trainer.network, task
        self.terms = run.config.tasks[task].terms
        self.tokens = self.slots = 0

    def forward(
        self, arrays: dict[str, Tensor], counts: dict[str, float], size: tuple[int, int]
    ) -> dict[str, Tensor]:
        self.tokens, self.slots = size
        sums = self.network(self.task, arrays)
        return {"loss": task_loss(self.terms, sums, counts)}


def _theirs(run: Run, folder: Path, *, grouped: bool) -> dict[str, float]:
    """A Hugging Face Trainer over the same examples."""
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    (task,) = run.training.plans
    plan, clock, model = run.training.plans[task], Clock(), Wrapped(run, task)
    lengths = plan.lengths[plan.members]
    batches = [plan.batch(number)[1] for number in range(WARM_UP + run.config.steps)]
    rows = max(1, round(float(np.mean([len(batch) for batch in batches]))))

    numbers = itertools.count()

    def collate(items: list[dict[str, int]]) -> dict[str, Any]:
        number = next(numbers) % len(plan._epochs[0])  # what is drawn once a batch is drawn anew
        plan._epochs[0][number] = np.array([item["index"] for item in items])  # these rows
        batch = run.training.make(task, number, run.config.last_stage(task))
        arrays = {key: torch.from_numpy(value) for key, value in batch.arrays.items()}
        return {"arrays": arrays, "counts": batch.counts, "size": (batch.tokens, batch.slots)}

    class Ticks(TrainerCallback):
        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            clock.step(model.tokens, model.slots)

    optimizer = make_optimizer(model.network, run.config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), per_device_train_batch_size=rows, use_cpu=True,
        max_steps=run.config.steps, max_grad_norm=run.config.clip, seed=run.config.seed,
        bf16=run.accelerator.mixed_precision == "bf16",
        train_sampling_strategy="group_by_length" if grouped else "random",
        remove_unused_columns=False, save_strategy="no", report_to=[], disable_tqdm=True,
    )  # fmt: skip
    data = Dataset.from_dict({"index": plan.members.tolist(), "length": lengths.tolist()})
    trainer = Trainer(
        model=model, args=arguments, train_dataset=data, data_collator=collate,
        optimizers=(optimizer, schedule), callbacks=[Ticks()],
    )  # fmt: skip
    trainer.train()
    return clock.read()


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", type=Path, required=True, help="a folder of prepared shards")
    parser.add_argument("--task", default="generate", choices=("repair", "summarize", "generate"))
    parser.add_argument("--steps", type=int, default=20, help="of each arm and round that count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
