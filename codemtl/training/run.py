"""A whole training run: configuration and data in, a model folder out."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader

from codemtl.errors import DataError, UsageError
from codemtl.model.checkpoints import save_network, write_atomic
from codemtl.model.network import Network
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer
from codemtl.tasks.batches import SpecialIds
from codemtl.training.checkpoints import load_newest, save_checkpoint
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.evaluation import Validation, score
from codemtl.training.loop import Meter, Trainer, log_folder, windows
from codemtl.training.mixture import MicroBatches
from codemtl.training.prepare import piece_layout
from codemtl.training.shards import Shards
from codemtl.training.weighting.static import StaticWeighting


def special_ids(tokenizer: CodeTokenizer) -> SpecialIds:
    """The ids that inputs are made with."""
    return SpecialIds(
        tokenizer.pad_id, tokenizer.mask_id, tokenizer.ctx_id, tokenizer.fn_id, tokenizer.doc_id,
        tokenizer.bos_id, tokenizer.eos_id,
    )  # fmt: skip


def train(
    *,
    preset: str | None = None,
    config: Path | None = None,
    data: Path,
    out: Path,
    max_steps: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    overrides: list[str] | None = None,
) -> dict[str, float]:
    """Train on the prepared shards in ``data`` and write a model folder to ``out``.

    Returns the metrics of the chosen checkpoint. Raises UsageError, DataError.
    """
    changes = list(overrides or [])
    changes += [f"steps={max_steps}"] if max_steps is not None else []
    changes += [f"seed={seed}"] if seed is not None else []
    settings = load_config(config, preset, changes)
    if (out / "checkpoints").exists() and not resume:
        raise UsageError(f"{out} holds a run already; give --resume to go on, or another --out")
    if not (data / FILE_NAME).exists():
        raise DataError(f"{data} has no {FILE_NAME}; name the folder of a prepared dataset")
    return Run(settings, data, out).go()


class Run:
    """The parts of one run, and its loop."""

    def __init__(self, config: TrainingConfig, data: Path, out: Path) -> None:
        self.config, self.data, self.out = config, data, out
        if config.threads:
            torch.set_num_threads(config.threads)
        set_seed(config.seed)
        self.accelerator = Accelerator(
            mixed_precision=config.precision, log_with="tensorboard", project_dir=log_folder(out)
        )
        tokenizer = CodeTokenizer.load(data)
        if tokenizer.vocab_size != config.model.vocab_size:
            raise UsageError(
                f"model.vocab_size is {config.model.vocab_size}, but {data / FILE_NAME} has "
                f"{tokenizer.vocab_size} pieces"
            )
        network = Network(config.model).to(self.accelerator.device)
        if config.compile:
            network.encoder.compile(dynamic=True)
        weights = {name: task.weight for name, task in config.tasks.items()}
        self.trainer = Trainer(config, network, StaticWeighting(weights), self.accelerator)
        self.training = self._micro_batches("train", tokenizer)
        self.validation = Validation(
            self._micro_batches("validation", tokenizer), config.evaluate_batches
        )
        self.best: tuple[float, int] = (-1.0, 0)

    def _micro_batches(self, split: str, tokenizer: CodeTokenizer) -> MicroBatches:
        config = self.config
        total = config.steps * config.accumulation
        training = split == "train"
        return MicroBatches(
            Shards(self.data, split), special_ids(tokenizer), piece_layout(tokenizer),
            shares={name: task.share for name, task in config.tasks.items()},
            tokens=config.micro_tokens,
            micro_batches=total if training else 1,
            dense_until=int(total * config.dense_share),
            seed=config.seed,
            rank=self.accelerator.process_index if training else 0,
            world=self.accelerator.num_processes if training else 1,
        )  # fmt: skip

    def go(self) -> dict[str, float]:
        """Train to the last step; resumes from the newest checkpoint if there is one."""
        config, trainer = self.config, self.trainer
        load_newest(trainer, self.out)
        self._read_best()
        self.accelerator.init_trackers("logs")
        start = trainer.step * config.accumulation
        loader = DataLoader(
            self.training, batch_size=None, sampler=range(start, len(self.training)),
            num_workers=config.workers, prefetch_factor=4 if config.workers else None,
            multiprocessing_context="spawn" if config.workers else None,
        )  # fmt: skip
        meter = Meter()
        with self._progress() as progress:
            bar = progress.add_task("training", total=config.steps, completed=trainer.step)
            for window in windows(iter(loader), config.accumulation):
                meter.add(window, trainer.train_step(window))
                progress.update(bar, completed=trainer.step)
                if trainer.step % config.log_every == 0:
                    row = meter.read()
                    progress.update(bar, description=f"{row['tokens_per_second']:.0f} tokens/s")
                    self._log(row)
                last = trainer.step == config.steps
                since = time.perf_counter()
                if trainer.step % config.evaluate_every == 0 or last:
                    self._evaluate()
                if trainer.step % config.checkpoint_every == 0 or last:
                    self._checkpoint()
                meter.pause(time.perf_counter() - since)
        self.accelerator.end_training()
        return dict(json.loads((self.out / "metrics.json").read_text("utf-8"))["validation"])

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
            disable=not sys.stderr.isatty(), console=_stderr(),
        )  # fmt: skip

    def _log(self, row: dict[str, float]) -> None:
        self.accelerator.log(row, step=self.trainer.step)
        if self.accelerator.is_main_process:
            with open(self.out / "log.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self.trainer.step, **_rounded(row)}) + "\n")

    def _evaluate(self) -> None:
        """Evaluate on the main process; a better score becomes the run's model."""
        if not self.accelerator.is_main_process:
            return
        row = self.validation.run(self.trainer.network, self.accelerator.device)
        self._log({f"validation/{key}": value for key, value in row.items()})
        found = score(row)
        if found > self.best[0]:
            self.best = (found, self.trainer.step)
            save_network(self.trainer.network, self.out, step=self.trainer.step)
            shutil.copy(self.data / FILE_NAME, self.out / FILE_NAME)
            metrics: dict[str, Any] = {
                "step": self.trainer.step, "score": found, "validation": row,
                "config": self.config.to_dict(),
            }  # fmt: skip
            write_atomic(
                self.out / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode()
            )

    def _read_best(self) -> None:
        """What the run had chosen before it was stopped."""
        path = self.out / "metrics.json"
        if self.trainer.step and path.exists():
            metrics = json.loads(path.read_text("utf-8"))
            if metrics["step"] <= self.trainer.step:
                self.best = (metrics["score"], metrics["step"])

    def _checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.trainer, self.out)
        self.accelerator.wait_for_everyone()


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 5) for key, value in row.items()}


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)
