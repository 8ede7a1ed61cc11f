"""What the training loop costs on top of the model, and how much of the machine it uses.

    python scripts/bench_training.py --preset small --data DATA [--steps 20]

- loop: micro-batches from the prepared shards through the data loader, ``Trainer.train_step``,
  the meter and the log, as ``codemtl train`` runs them;
- bare: forward, backward and optimizer step of the same model on the same micro-batches, collated
  beforehand; no clipping, schedule, weighting, counting or logging.

Both in tokens/s, in one process, in turns. Then the share of the machine's matrix rate: the
floating-point operations of a token's forward and backward pass (matrix products and attention,
padding included where it is computed, the optimizer's left out) times tokens/s, over what one
large matrix product reaches on the same device in the same arithmetic.

Turns of a few steps alternate, so that a slow moment of the machine hits both. The ratio is the
median over turns; where others use the machine, the ratio of CPU times tells more. Tokens are
pieces without padding. Half of the steps lie in the dense part of the schedule, half in the
single-bug part.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from codemtl.scripting import argument_parser, print_command, script
from codemtl.training.config import load_config
from codemtl.training.loop import MicroBatch, windows
from codemtl.training.meter import Meter
from codemtl.training.packing import on_device
from codemtl.training.run import Run

WARM_UP = 2  # turns that do not count: allocation, compilation of new shapes
SIDE = {"cpu": 4096, "cuda": 8192}  # of the matrices
PRODUCTS = 8


def main() -> None:
    options = _arguments()
    turns = WARM_UP + max(2, options.steps // options.turn)
    half = "tasks.repair.stages={dense=0.5, single=0.5}"
    changes = [f"steps={turns * options.turn}", half, *options.set]
    config = load_config(None, options.preset, changes)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, options.data, Path(folder))
        run.accelerator.init_trackers("logs")
        loader = windows(iter(run._loader()), config.accumulation)
        rows: list[dict[str, float]] = []
        spent = {"loop": 0.0, "bare": 0.0}  # seconds of CPU time
        padding = Padding()
        sample: list[MicroBatch] = []
        for turn in range(turns):
            first = turn * options.turn * config.accumulation
            micros = options.turn * config.accumulation
            ready = [run.packed(run.training[i]) for i in range(first, first + micros)]
            tokens = padding.count(ready)
            pair = {}
            for name in ("loop", "bare") if turn % 2 else ("bare", "loop"):
                start, cpu = time.perf_counter(), time.process_time()
                if name == "loop":
                    loop_steps(run, loader, options.turn)
                else:
                    bare_steps(run, ready)
                pair[name] = tokens / (time.perf_counter() - start)
                spent[name] += (time.process_time() - cpu) * (turn >= WARM_UP)
            rows.append(pair)
            sample += ready[:1]
            print(f"turn {turn}: {pair}", file=sys.stderr)
        run.accelerator.end_training()
        work = flops(run, sample) / sum(micro["tokens"] for micro in sample)
        peak = matrix_rate(run)
    rows = rows[WARM_UP:]
    print_command()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, seed {config.seed}")
    print(
        f"counted: {len(rows)} turns of {options.turn} steps of {config.accumulation} micro-batches"
    )
    for name in ("loop", "bare"):
        print(f"{name}: {statistics.median(row[name] for row in rows):.0f} tokens/s (median)")
    ratios = sorted(row["loop"] / row["bare"] for row in rows)
    middle = statistics.median(ratios)
    print(f"loop / bare: {middle:.3f} (turns from {ratios[0]:.3f} to {ratios[-1]:.3f})")
    print(f"CPU time, bare / loop: {spent['bare'] / spent['loop']:.3f}")
    print(f"padding: {padding.share:.1%} of all positions")
    speed = statistics.median(row["loop"] for row in rows) * work
    print(f"matrix products: {peak / 1e9:.0f} GFLOP/s in {run.accelerator.mixed_precision}")
    print(f"training: {work / 1e6:.1f} MFLOP a token, {speed / 1e9:.0f} GFLOP/s, "
          f"{speed / peak:.1%} of that")  # fmt: skip


class Padding:
    """Share of computed positions that hold no token."""

    def __init__(self) -> None:
        self.tokens = self.slots = 0

    def count(self, micros: Sequence[MicroBatch]) -> int:
        """Add micro-batches; returns their tokens."""
        tokens: int = sum(micro["tokens"] for micro in micros)
        self.tokens += tokens
        self.slots += sum(micro["slots"] for micro in micros)
        return tokens

    @property
    def share(self) -> float:
        return 1 - self.tokens / self.slots


def loop_steps(run: Run, loader: Iterator[list[MicroBatch]], steps: int) -> None:
    """Steps as in ``Run.go``."""
    meter = Meter()
    for _ in range(steps):
        window = next(loader)
        meter.add(window, run.trainer.train_step(window))
        if run.trainer.step % run.config.log_every == 0:
            run._log(meter.read())


def bare_steps(run: Run, micros: Sequence[MicroBatch]) -> None:
    """The same arithmetic without the loop."""
    trainer = run.trainer
    for number, micro in enumerate(micros, 1):
        arrays = on_device(micro["arrays"], run.accelerator.device)
        with run.accelerator.autocast():
            terms = trainer.network(micro["task"], arrays, micro["dense"])
        losses = [terms[name] / count for name, count in micro["counts"].items() if count]
        run.accelerator.backward(torch.stack(losses).sum())
        if number % run.config.accumulation == 0:
            trainer.optimizer.step()
            trainer.optimizer.zero_grad(set_to_none=True)
    if run.accelerator.device.type == "cuda":
        torch.cuda.synchronize()  # the loop waits for the device, to report its losses


@torch.compiler.set_stance("force_eager")
def flops(run: Run, micros: Sequence[MicroBatch]) -> int:
    """Floating-point operations of forward and backward passes."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        for micro in micros:
            with run.accelerator.autocast():
                terms = run.trainer.network(
                    micro["task"],
                    on_device(micro["arrays"], run.accelerator.device),
                    micro["dense"],
                )
            run.accelerator.backward(torch.stack([terms[name] for name in micro["counts"]]).sum())
    return int(counter.get_total_flops())


def matrix_rate(run: Run) -> float:
    """Floating-point operations a second of large products in the run's arithmetic; the best."""
    device = run.accelerator.device
    kind = torch.bfloat16 if run.accelerator.mixed_precision == "bf16" else torch.float32
    side = SIDE[device.type]
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    best = 0.0
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        (left @ right).flatten()[:1].item()  # waits for a device
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", type=Path, required=True, help="a folder of prepared shards")
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps of each that count")
    parser.add_argument(
        "--turn", type=int, default=4, help="steps in a row before the other's turn"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
