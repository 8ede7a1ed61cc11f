"""A whole training run: configuration and data in, a model folder out."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader

from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import save_network
from codemtl.model.folder import CONFIG as CONFIG_NAME
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer, piece_layout, special_ids
from codemtl.training.checkpoints import (
    PARTIAL,
    gathered_state,
    load_newest,
    newest_state,
    save_checkpoint,
)
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.dataset import fingerprint, shards_folder
from codemtl.training.divergence import check_weights
from codemtl.training.evaluation import Validation, score, scored
from codemtl.training.gradients import agreed
from codemtl.training.initial import (
    check_frozen,
    inherited,
    make_network,
    resolved,
    with_trunk,
)
from codemtl.training.loop import MicroBatch, Trainer, windows
from codemtl.training.meter import Meter
from codemtl.training.mixture import MicroBatches, workers_context
from codemtl.training.packing import pack_counted, pack_micro_batch
from codemtl.training.place import check_begun, check_free, check_writable, locked
from codemtl.training.probes import SIZE, Probes, as_row
from codemtl.training.processes import join, on_cpu
from codemtl.training.records import add_row, read_json, rewind_log
from codemtl.training.report import LOG, METRICS, write_report
from codemtl.training.report.summary import Summary, summarize_run
from codemtl.training.shards import Shards
from codemtl.training.subsets import HELD_OUT_SEED, subset
from codemtl.training.weighting import make_weighting

REPORT_EVERY = 60.0  # seconds at least between reports of a run that goes on


def train(
    *,
    preset: str | None = None,
    config: Path | None = None,
    data: Path,
    out: Path,
    max_steps: int | None = None,
    time_budget: float | None = None,
    seed: int | None = None,
    resume: bool = False,
    overrides: list[str] | None = None,
    init: Path | None = None,
) -> dict[str, float]:
    """Train on the shards or the mined corpus in ``data`` and write a model folder to ``out``.

    ``init`` is a model folder whose weights the run begins with; a resumed run has its own. A
    ``time_budget`` in seconds ends it early, with its schedule; such a run repeats inexactly.
    Returns the step, score and accuracies of the chosen checkpoint. Raises UsageError, DataError.
    """
    changes = list(overrides or [])
    changes += [f"steps={max_steps}"] if max_steps is not None else []
    changes += [f"seconds={time_budget}"] if time_budget is not None else []
    changes += [f"seed={seed}"] if seed is not None else []
    settings = load_config(config, preset, changes)
    check_writable(out)
    if resume:
        check_begun(out)
    return train_as(settings, data, out, resume=resume, init=init)


def train_as(
    settings: TrainingConfig,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    init: Path | None = None,
) -> dict[str, float]:
    """As `train`, by a configuration that is made; ``resume`` begins where nothing is yet."""
    if not resume:
        check_free(out)
    newest = newest_state(out) if resume else None
    check_frozen(settings, init, begun=newest is not None)
    if newest is not None and settings.precision == "auto":
        settings = replace(settings, precision=newest[1]["config"]["precision"])
    processes = join()
    with processes.main_process_first():
        folder = prepared(data, settings)
    with locked(out, processes, resume=resume):
        return Run(settings, folder, out, init).go()


def prepared(data: Path, settings: TrainingConfig) -> Path:
    """The shards in ``data``, which are made first of a mined corpus. Raises DataError."""
    with progress_bar() as progress:
        bar = progress.add_task("preparing", total=None)
        folder = shards_folder(
            data, settings.model, lambda done, total: progress.update(
                bar, completed=done, total=total
            )
        )  # fmt: skip
        progress.remove_task(bar)
        return folder


def progress_bar() -> Progress:
    """A bar on stderr, only on a terminal."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), disable=not sys.stderr.isatty(), console=Console(stderr=True),
    )  # fmt: skip


class Speed(NamedTuple):
    """Seconds of each part of a run."""

    step: float
    evaluation: float  # after which the model is written
    checkpoint: float


class Run:
    """The parts of one run, and its loop.

    A run with an ``init``, a model folder of the same shape, begins with its weights, and its
    result is never worse on the validation data than they are.
    """

    def __init__(
        self, config: TrainingConfig, data: Path, out: Path, init: Path | None = None
    ) -> None:
        self.data, self.out, self.init = data, out, init
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.backends.cuda.enable_cudnn_sdp(False)  # makes a plan for each new shape: 0.1 s
        set_seed(config.seed)
        tokenizer = CodeTokenizer.load(data)
        config, self.respelling = with_trunk(resolved(config, tokenizer, data), tokenizer, init)
        self.config = config
        AcceleratorState._reset_state()  # else a process could not train in another precision
        self.accelerator = Accelerator(
            cpu=on_cpu(), mixed_precision=config.precision, log_with="tensorboard",
            project_dir=out,
        )  # fmt: skip
        network, self.inherited = make_network(config, data, init)
        network.to(self.accelerator.device)
        self.training = self._micro_batches("train", tokenizer)
        self.training.check_real()
        held_out = self._micro_batches("validation", tokenizer)
        self.validation = Validation(held_out, config.evaluate_batches, tokenizer.decode)
        small = self._micro_batches("validation", tokenizer, shrink=SIZE)
        self.probes = Probes(config, small, self.accelerator)
        weighting = make_weighting(config.weighting, list(self.training.plans), config.seed)
        self.trainer = Trainer(config, network, weighting, self.accelerator, self.probes)
        self.trainer.data = fingerprint(data)
        self.best: tuple[float, int] = (-1.0, 0)
        self.reported, self.resumable = time.monotonic(), False  # if there is a checkpoint

    def _micro_batches(self, split: str, tokenizer: CodeTokenizer, shrink: int = 1) -> MicroBatches:
        training, config = split == "train", self.config
        shards = Shards(self.data, split, config.model.siblings)
        fraction = config.data_fraction if training else config.validation_fraction
        kept = subset(len(shards), fraction, config.seed if training else HELD_OUT_SEED)
        return MicroBatches(
            shards, special_ids(tokenizer), piece_layout(tokenizer), config,
            micro_batches=config.steps * config.accumulation if training else 1,
            shrink=shrink, respelling=self.respelling,
            rank=self.accelerator.process_index if training else 0,
            world=self.accelerator.num_processes if training else 1,
            kept=kept, label_noise=config.label_noise if training else 0.0,
        )  # fmt: skip

    def go(self) -> dict[str, float]:
        """Train to the last step; resumes from the newest checkpoint if there is one.

        Returns the step, score and accuracies of the chosen checkpoint.
        """
        trainer = self.trainer
        resumed = load_newest(trainer, self.out)
        if resumed and self.init is None and (self.out / CONFIG_NAME).is_file():
            self.inherited = inherited(self.out)
        self._rewind()
        self.accelerator.init_trackers(
            "logs", init_kwargs={"tensorboard": {"purge_step": trainer.step + 1}}
        )
        try:
            self.resumable = resumed
            if self.init is not None and trainer.step == 0:
                self._evaluate()
                self._checkpoint()
            self._steps()
        finally:  # an interrupted run has a report too
            self._report()
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        chosen = json.loads((self.out / METRICS).read_text("utf-8"))
        return {
            "step": chosen["step"], "score": chosen["score"], **scored(chosen["validation"])
        }  # fmt: skip

    def measure(self, steps: int, seconds: float) -> Speed:
        """How long each part takes here; the run must not go on afterwards.

        A step: from so many of them, or fewer where ``seconds`` are over before.
        """
        stamps = [time.perf_counter()]
        for window in windows(iter(self._loader()), self.config.accumulation):
            self.trainer.train_step(window)
            stamps.append(time.perf_counter())
            if len(stamps) > steps or stamps[-1] - stamps[0] > seconds:
                break
        warm = stamps[1:] if len(stamps) > 2 else stamps  # the first step allocates memory
        step = (warm[-1] - warm[0]) / (len(warm) - 1)
        since = time.perf_counter()
        place = self.out / PARTIAL.format("measured")
        try:
            save_checkpoint(self.trainer, place)
            checkpoint = time.perf_counter() - since
            self.validation.run(self.trainer.network, self.accelerator.device)
            save_network(self.trainer.network, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return Speed(step, time.perf_counter() - since - checkpoint, checkpoint)

    def _steps(self) -> None:
        config, trainer = self.config, self.trainer
        meter = Meter(self.accelerator.num_processes)
        with progress_bar() as progress:
            bar = progress.add_task("training", total=config.steps, completed=trainer.step)
            made = windows(iter(self._loader()), config.accumulation)
            for window in takewhile(lambda _: not trainer.clock.over, made):
                meter.add(window, trainer.train_step(window))
                done = max(trainer.step, trainer.clock.progress * config.steps)
                progress.update(bar, completed=done)
                if trainer.step % config.log_every == 0:
                    row = meter.read()
                    progress.update(bar, description=f"{row['tokens_per_second']:.0f} tokens/s")
                    self._log(row)
                since = time.perf_counter()
                self._after_step(self._ended())
                meter.pause(time.perf_counter() - since)
                trainer.clock.put_aside()

    def _ended(self) -> bool:
        return self.trainer.step == self.config.steps or self.trainer.clock.over

    def _after_step(self, last: bool) -> None:
        """What is due besides training."""
        config, step, rehearses = self.config, self.trainer.step, self.trainer.clock.rehearses
        self._diagnose()
        due = not self.trainer.clock.nearly_over
        if (due and step % config.evaluate_every == 0) or last or rehearses:
            self._evaluate()
            overdue = time.monotonic() - self.reported > REPORT_EVERY
            if (overdue or rehearses) and not last:
                self._report()
            if not self.resumable:  # no model without a checkpoint to go on from
                self._checkpoint()
                return
        if (due and step % config.checkpoint_every == 0) or last or rehearses:
            self._checkpoint()

    def _diagnose(self) -> None:
        """Compare the tasks' gradients when it is time; nothing of the training changes."""
        config, step = self.config, self.trainer.step
        affinity = bool(config.affinity_every) and step % config.affinity_every == 0
        due = affinity or step % config.diagnose_every == 0
        whole = self.trainer.shared and not self.trainer.sharded  # gradients of shared layers
        if not (due and whole and self.accelerator.is_main_process):
            return
        total = len(self.training)
        position = self.trainer.clock.place(step * config.accumulation - 1, total)
        stages = {task: config.stage(task, position, total) for task in self.training.plans}
        look = self.probes.look(
            self.trainer.network, self.trainer.shared, step, stages, affinity=affinity
        )
        self._log(as_row(look))

    def _report(self) -> None:
        """Write report.html from the log."""
        if self.accelerator.is_main_process:
            write_report(self.out, self.summary())
            self.reported = time.monotonic()

    def summary(self) -> Summary:
        """What the report tells besides the log."""
        shards = {"train": self.training.shards, "validation": self.validation.shards}
        return summarize_run(
            self.config, self.trainer.network, self.training,
            {split: len(part) for split, part in shards.items()},
            step=self.trainer.step, finished=self._ended(), device=str(self.accelerator.device),
            processes=self.accelerator.num_processes,
        )  # fmt: skip

    def _asked(self) -> Iterator[tuple[int, int]]:
        """The micro-batches from here to the end of the run, and their places in the curriculum.

        Each is asked for after the same step on all ranks, so they agree on its stage.
        """
        total = len(self.training)
        for number in range(self.trainer.step * self.config.accumulation, total):
            yield number, self.trainer.clock.place(number, total)

    def _loader(self) -> DataLoader[MicroBatch]:
        """These micro-batches; workers make some of them ahead."""
        workers = self.config.workers
        return DataLoader(
            self.training, batch_size=None, sampler=self._asked(), collate_fn=self.packed,
            num_workers=workers, prefetch_factor=4 if workers else None,
            multiprocessing_context=workers_context() if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
        )  # fmt: skip

    @property
    def packed(self) -> Callable[[Any], MicroBatch]:
        """How a micro-batch is packed: with what FlashAttention needs, where that is used."""
        ours = self.config.model.trunk is None and self.config.precision == "bf16"
        on_gpu = self.accelerator.device.type == "cuda"
        return pack_counted if self.config.flash and ours and on_gpu else pack_micro_batch

    def _log(self, row: dict[str, float]) -> None:
        self.accelerator.log(row, step=self.trainer.step)
        if self.accelerator.is_main_process:
            add_row(self.out / LOG, self.trainer.step, row)

    def _evaluate(self) -> None:
        """Evaluate on the main process; a better score becomes the run's model.

        Where the trunk is spread over processes, all of them take part.
        """
        sharded, main = self.trainer.sharded, self.accelerator.is_main_process
        self._check_weights()
        if not main and not sharded:
            return
        row = self.validation.run(self.trainer.network, self.accelerator.device)
        self._log({f"validation/{key}": value for key, value in row.items()})
        found, best = score(row), self.best[0]
        if sharded:
            found, best = agreed([found, best], self.accelerator)
        if found > best:
            self.best = (found, self.trainer.step)
            state = gathered_state(self.trainer) if sharded else None
            if not main:
                return
            step = self.trainer.step
            save_network(self.trainer.network, self.out, state=state, step=step, **self.inherited)
            write_atomic(self.out / FILE_NAME, (self.data / FILE_NAME).read_bytes())
            if self.respelling is not None:
                self.respelling.save(self.out)
            metrics: dict[str, Any] = {
                "step": self.trainer.step, "score": found, "validation": row,
                "config": self.config.to_dict(),
            }  # fmt: skip
            write_atomic(self.out / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())

    def _rewind(self) -> None:
        """Bring metrics and log back to the step that the run goes on from."""
        if not self.accelerator.is_main_process:
            return
        step = self.trainer.step
        chosen = read_json(self.out / METRICS)
        if step and chosen is not None:  # of a later step too: the model is there
            self.best = (chosen["score"], chosen["step"])
        rewind_log(self.out / LOG, step)

    def _check_weights(self) -> None:
        """Nothing is saved that could not be loaded."""
        trainer = self.trainer
        check_weights(trainer.parameters, self.config, trainer.step, self.accelerator)

    def _checkpoint(self) -> None:
        self._check_weights()
        if self.accelerator.is_main_process or self.trainer.sharded:
            save_checkpoint(self.trainer, self.out)
        self.accelerator.wait_for_everyone()
        self.resumable = True
