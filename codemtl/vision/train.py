"""A whole training run: configuration and data in, a model folder with its figures out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codemtl.errors import UsageError
from codemtl.vision.config import VisionConfig, make_config, parse_settings
from codemtl.vision.data import Examples, load_split
from codemtl.vision.drawing import curves, draw_boxes, sheet
from codemtl.vision.folders import (
    CONFIG,
    WEIGHTS,
    check_writable,
    fit_to_data,
    resolve_precision,
    save_network,
    write_json,
)
from codemtl.vision.memory import check_memory, enough_memory
from codemtl.vision.metrics import measure, predictions
from codemtl.vision.model import parameter_count
from codemtl.vision.pictures import encode_png, write_whole, writing
from codemtl.vision.place import locked
from codemtl.vision.predict import boxes_of
from codemtl.vision.trainer import Trainer, load_checkpoint, save_checkpoint

METRICS, LOG = "metrics.json", "log.jsonl"
CURVE, SHEET, EXAMPLE = "curve.png", "examples.png", "example.png"
_LOG_EVERY = 50  # steps
_SHOWN = 12  # test pictures on the sheet
_SPEED = "images_per_second"  # in every row of a log
_RESERVE = 0.05  # of the time budget, for what follows the last step


def train(
    *,
    model: str,
    data: Path | None,
    out: Path,
    tasks: str | None = None,
    seed: int | None = None,
    time_budget: float | None = None,
    resume: bool = False,
    settings: Sequence[str] = (),
) -> dict[str, Any]:
    """Train ``document`` or ``reference`` on the scenes, or on the COCO folder ``data``.

    Writes a model folder to ``out`` and returns what its metrics.json holds. A ``time_budget`` in
    seconds ends the run early, the learning rate with it. Raises UsageError, DataError, WriteError.
    """
    start = time.perf_counter(), time.process_time()
    values = {"model": model, **parse_settings(settings)}
    values |= {"channels": 3} if data is not None and "channels" not in values else {}
    values |= {"tasks": tasks} if tasks is not None else {}
    values |= {"seed": seed} if seed is not None else {}
    config = make_config(values)
    check_memory(config, scenes=data is None)
    check_writable(out)
    check = partial(_check_place, out, resume)
    check()
    if config.threads:
        torch.set_num_threads(config.threads)
    splits = {}
    with progress_bar() as bar:
        tasks_shown: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks_shown:
                tasks_shown[what] = bar.add_task(what, total=total)
            bar.update(tasks_shown[what], completed=done)

        for split in ("train", "validation", "test"):
            splits[split] = load_split(config, data, split, advance)
    if data is not None:
        config = _fitted(config, data, splits)
    with locked(out, check), enough_memory():
        return Run(config, splits, out, start, time_budget).go()


def _check_place(out: Path, resume: bool) -> None:
    """UsageError if no run is in ``out`` to resume, or a new one would replace what is there."""
    begun = any((out / "checkpoints").glob("step-*"))  # not one whose first checkpoint failed
    if resume:
        if not begun:
            raise UsageError(f"{out} holds no run to go on with; leave --resume out to begin one")
        return
    if begun:
        raise UsageError(f"{out} holds a run already; give --resume to go on, or another --out")
    if (out / CONFIG).exists() or (out / WEIGHTS).exists():
        raise UsageError(f"{out} holds a model already; choose another --out")
    taken = [name for name in (METRICS, CURVE, SHEET, EXAMPLE) if (out / name).exists()]
    taken += [LOG] if (out / LOG).exists() and not _only_begun(out / LOG) else []
    if taken:
        raise UsageError(f"{out} holds {', '.join(taken)} already; choose another --out")


def _only_begun(log: Path) -> bool:
    """Whether it is the log of a run of this kind: one stopped before its first checkpoint."""
    try:
        rows = list(read_log(log))
        return log.stat().st_size == 0 or (
            bool(rows) and all(any(_SPEED in key for key in row) for row in rows)
        )
    except (OSError, ValueError, TypeError):
        return False


def _fitted(config: VisionConfig, data: Path, splits: Mapping[str, Examples]) -> VisionConfig:
    names = splits["train"].names
    for split, examples in splits.items():
        if examples.names != names:
            raise UsageError(f"{data / split} has other categories than {data / 'train'}")
    most = max(examples.classes.shape[1] for examples in splits.values())
    return fit_to_data(config, names, most)


def progress_bar() -> Progress:
    """A bar on stderr, only on a terminal."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), disable=not sys.stderr.isatty(), console=Console(stderr=True),
    )  # fmt: skip


class Run:
    """The parts of one run, and its loop."""

    def __init__(
        self,
        config: VisionConfig,
        splits: Mapping[str, Examples],
        out: Path,
        start: tuple[float, float],
        time_budget: float | None,
    ) -> None:
        self.config, self.splits, self.out = config, splits, out
        self.start, self.processor_start = start  # seconds, by the clock and of the processor
        self.time_budget = time_budget
        device = PartialState().default_device
        self.precision = resolve_precision(config.precision, device)
        set_seed(config.seed)
        AcceleratorState._reset_state()  # else a process could not train in another precision
        self.accelerator = Accelerator(mixed_precision=self.precision)
        self.trainer = Trainer(config, self.accelerator)
        self.data = splits["train"].fingerprint()

    def go(self) -> dict[str, Any]:
        """Train to the end, resuming from a checkpoint if there is one; returns the metrics."""
        config, trainer = self.config, self.trainer
        load_checkpoint(trainer, self.out, self.data, self.precision)
        self.start -= trainer.seconds
        self.processor_start -= trainer.processor_seconds
        self._rewind()
        prepared = self._seconds()
        with progress_bar() as bar:
            shown = bar.add_task("training", total=config.steps, completed=trainer.step)
            rows = []
            while trainer.step < config.steps and (progress := self._progress()) < 1:
                since = time.perf_counter()
                row = trainer.train_step(*trainer.batch(self.splits["train"]), progress)
                rows.append(row | {_SPEED: config.batch_size / (time.perf_counter() - since)})
                bar.update(shown, completed=trainer.step, description=f"loss {row['loss']:.3f}")
                if trainer.step % _LOG_EVERY == 0:
                    self._log(_means(rows))
                    rows = []
                if trainer.step % config.evaluate_every == 0:
                    self._evaluate()
                if trainer.step % config.checkpoint_every == 0:
                    self._checkpoint()
        if not trainer.step:
            raise UsageError(
                f"preparing took {prepared:.1f} s, which leaves no time for a step in "
                f"{self.time_budget:g} s; give a longer --time-budget"
            )
        self._checkpoint()
        return self._finish()

    def _progress(self) -> float:
        """How much of the run is over, by steps or by time, whichever is further."""
        steps = self.trainer.step / self.config.steps
        if self.time_budget is None:
            return steps
        spent = torch.tensor(self._seconds() / (self.time_budget * (1 - _RESERVE)))
        if self.accelerator.num_processes > 1:  # all must stop at the same step
            spent = self.accelerator.reduce(spent.to(self.accelerator.device), "mean")
        return max(steps, float(spent))

    def _seconds(self) -> float:
        return time.perf_counter() - self.start

    def _log(self, row: Mapping[str, float]) -> None:
        if self.accelerator.is_main_process:
            rounded = {key: round(value, 6) for key, value in row.items()}
            line = json.dumps({"step": self.trainer.step, **rounded}) + "\n"
            with writing(self.out / LOG), open(self.out / LOG, "a", encoding="utf-8") as file:
                file.write(line)

    def _evaluate(self) -> None:
        if self.accelerator.is_main_process:
            row = measure(self.trainer.average, self.splits["validation"], self.precision)
            self._log({f"validation/{key}": value for key, value in row.items()})

    def _checkpoint(self) -> None:
        self.trainer.seconds = self._seconds()
        self.trainer.processor_seconds = time.process_time() - self.processor_start
        if self.accelerator.is_main_process:
            save_checkpoint(self.trainer, self.out, self.data, self.precision)
        self.accelerator.wait_for_everyone()

    def _rewind(self) -> None:
        """Bring the log back to the step that the run goes on from."""
        path = self.out / LOG
        if self.accelerator.is_main_process and path.exists():
            kept = [row for row in read_log(path) if row["step"] <= self.trainer.step]
            write_whole(path, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def _finish(self) -> dict[str, Any]:
        """Measure the averaged network and write the folder; the main process does it."""
        config, network = self.config, self.trainer.average
        metrics: dict[str, Any] = {
            "model": config.model, "tasks": list(config.tasks), "seed": config.seed,
            "steps": self.trainer.step, "parameters": parameter_count(network),
            "seconds": round(self.trainer.seconds, 1),
            "processor_seconds": round(self.trainer.processor_seconds, 1),
            "threads": torch.get_num_threads(), "precision": self.precision,
        }  # fmt: skip
        if not self.accelerator.is_main_process:
            return metrics
        save_network(network, config, self.splits["train"].names, self.out)
        for split in ("validation", "test"):
            metrics[split] = measure(network, self.splits[split], self.precision)
        self._log({f"validation/{key}": value for key, value in metrics["validation"].items()})
        write_json(self.out / METRICS, {**metrics, "config": config.to_dict()})
        write_whole(self.out / CURVE, curves(list(read_log(self.out / LOG))))
        self._draw()
        return metrics

    def _draw(self) -> None:
        """Twelve test pictures with predictions, and one alone to try ``predict`` on."""
        examples = self.splits["test"]
        images = examples.images[:_SHOWN]
        (answers,) = predictions(self.trainer.average, images, self.precision)
        drawn, captions = [], []
        for i, pixels in enumerate(images):
            picture = Image.fromarray(pixels.squeeze(-1).numpy())
            if i == 0:
                write_whole(self.out / EXAMPLE, encode_png(picture))
            drawn.append(draw_boxes(picture, boxes_of(answers, i, examples.names), scale=2))
            true = examples.labels[i]
            caption = f"is {examples.names[true]}" if true >= 0 else "is nothing"
            if answers.probabilities_BC is not None:
                said = int(answers.probabilities_BC[i].argmax())
                caption = f"says {examples.names[said]}, {caption}"
            captions.append(caption)
        write_whole(self.out / SHEET, encode_png(sheet(drawn, captions)))


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log; a last line that was cut off in the middle is left out."""
    for line in path.read_text("utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
