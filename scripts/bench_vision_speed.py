"""What training and prediction cost on top of the network: images/s of both, in turns.

    python scripts/bench_vision_speed.py [--model reference] [--turns 20]

- training: batches drawn from the scenes in memory, ``Trainer.train_step`` (losses, weighting,
  clipping, optimizer, averaged weights), as ``codemtl vision train`` runs them; bare: forward and
  backward of the same network on a ready batch, from a constant gradient at its outputs;
- prediction: from pictures as bytes to labels and boxes; bare: the forward pass on ready floats.

Turns alternate, so that a slow moment of the machine hits both; the ratio is the median over turns.
Where others use the machine, the ratio of CPU times tells more.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from accelerate import Accelerator

from codemtl.scripting import argument_parser, print_command, script
from codemtl.vision.config import make_config
from codemtl.vision.data import scene_examples
from codemtl.vision.folders import resolve_precision
from codemtl.vision.metrics import predictions
from codemtl.vision.trainer import Trainer

WARM_UP = 2  # turns that do not count


class Turns:
    """The four things that are timed, each on the same pictures."""

    def __init__(self, model: str, precision: str, batches: int) -> None:
        config = make_config({"model": model, "precision": precision})
        self.precision = resolve_precision(precision, torch.device("cpu"))
        accelerator = Accelerator(mixed_precision=self.precision, cpu=True)
        self.trainer = Trainer(config, accelerator)
        self.batches, self.size = batches, config.batch_size
        self.examples = scene_examples("train", batches * config.batch_size)
        self.floats = [
            part.float() / 255 for part in torch.split(self.examples.images, config.batch_size)
        ]
        self.network = self.trainer.trainee.network

    def training(self) -> None:
        for _ in range(self.batches):
            self.trainer.train_step(*self.trainer.batch(self.examples), progress=0.5)

    def bare_training(self) -> None:
        self.network.train()
        for images in self.floats:
            self._forward(images, backward=True)
        self.network.zero_grad()

    def prediction(self) -> None:
        for _ in predictions(self.network, self.examples.images, self.precision, self.size):
            pass

    def bare_prediction(self) -> None:
        self.network.eval()
        with torch.inference_mode():
            for images in self.floats:
                self._forward(images, backward=False)

    def _forward(self, images: torch.Tensor, *, backward: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = list(self.network(images).values())
        if backward:
            torch.autograd.backward(outputs, [torch.full_like(one, 1e-3) for one in outputs])


def main() -> None:
    options = _arguments()
    turns = Turns(options.model, options.precision, options.batches)
    print_command()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {turns.precision}")
    compare("training", turns.training, turns.bare_training, turns, options.turns)
    compare("prediction", turns.prediction, turns.bare_prediction, turns, options.turns)


def compare(
    name: str, full: Callable[[], None], bare: Callable[[], None], turns: Turns, count: int
) -> None:
    """Time both in turns and print the ratios."""
    rows: list[dict[str, float]] = []
    spent = {"full": 0.0, "bare": 0.0}
    images = turns.batches * turns.size
    for turn in range(WARM_UP + count):
        row = {}
        for key in ("full", "bare") if turn % 2 else ("bare", "full"):
            start, cpu = time.perf_counter(), time.process_time()
            (full if key == "full" else bare)()
            row[key] = images / (time.perf_counter() - start)
            spent[key] += (time.process_time() - cpu) * (turn >= WARM_UP)
        rows.append(row)
    rows = rows[WARM_UP:]
    speeds = {key: statistics.median(row[key] for row in rows) for key in spent}
    ratios = sorted(row["full"] / row["bare"] for row in rows)
    print(
        f"{name}: {speeds['full']:.0f} images/s, bare {speeds['bare']:.0f}; ratio "
        f"{statistics.median(ratios):.3f} (turns from {ratios[0]:.3f} to {ratios[-1]:.3f}); "
        f"by CPU time {spent['bare'] / spent['full']:.3f}"
    )


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--model", default="reference", choices=["document", "reference"])
    parser.add_argument("--precision", default="auto", choices=["auto", "no", "bf16"])
    parser.add_argument("--turns", type=int, default=20, help="of each that count")
    parser.add_argument("--batches", type=int, default=4, help="of a turn")
    return parser.parse_args()


if __name__ == "__main__":
    script(main)
