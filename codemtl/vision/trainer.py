"""One training step, readable from top to bottom, and what a checkpoint of a run holds.

L(θ) = Σ_i λ_i L_i(θ),   i in cls, det

Both tasks see every picture of a batch.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save
from torch import Tensor, nn

from codemtl.errors import DataError, UsageError
from codemtl.vision.config import VisionConfig
from codemtl.vision.data import Examples, Targets, batch_numbers
from codemtl.vision.folders import weights_bytes
from codemtl.vision.model import make_network
from codemtl.vision.pictures import write_whole, writing
from codemtl.vision.weighting import make_weighting

STATE = "state.json"


class Trainee(nn.Module):
    """Network and weighting together, so that replicas share the gradients of both."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.network = make_network(config)
        self.weighting = make_weighting(config)

    def forward(self, images: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """The joint loss, and each task's. ``images`` are bytes [B, H, W, C]."""
        outputs = self.network(images.float() / 255)
        with torch.autocast(images.device.type, enabled=False):
            exact = {key: value.float() for key, value in outputs.items()}
            losses = self.network.losses(exact, targets)
            return self.weighting(losses), {key: one.detach() for key, one in losses.items()}


class Trainer:
    """What a step needs, and what a checkpoint holds."""

    def __init__(self, config: VisionConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.trainee = Trainee(config)
        matrices = [one for one in self.trainee.parameters() if one.ndim > 1]
        others = [one for one in self.trainee.parameters() if one.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        self.module, self.optimizer = accelerator.prepare(self.trainee, optimizer)
        self.average = copy.deepcopy(self.trainee.network)
        self.step = 0
        self.seconds = 0.0  # of the parts of the run before this one, by the clock ...
        self.processor_seconds = 0.0  # ... and of all its threads

    def train_step(self, images: Tensor, targets: Targets, progress: float) -> dict[str, float]:
        """One optimizer step at ``progress`` (0 to 1) of the run; returns what to log.

        Raises UsageError, in all processes, if the gradient over all of them is not finite.
        """
        self.module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate = learning_rate(self.config, progress)
        loss, losses = self.module(images, targets)
        self.accelerator.backward(loss)
        parameters, longest = self.trainee.parameters(), self.config.clip or math.inf
        norm = float(self.accelerator.clip_grad_norm_(parameters, longest))
        if not math.isfinite(norm):  # what it would make of the weights no command could load
            raise UsageError(
                f"the training diverged: at step {self.step + 1} the norm of the gradient is {norm}"
                "; begin anew, in another --out, with a learning_rate below "
                f"{self.config.learning_rate:g} or a longer warmup"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self._average()
        row = {"learning_rate": rate, "loss": float(loss.detach())}
        return row | {f"{task}/loss": float(one) for task, one in losses.items()}

    def batch(self, examples: Examples) -> tuple[Tensor, Targets]:
        """The pictures of the next step that fall to this process."""
        numbers = batch_numbers(len(examples), self.config.batch_size, self.step, self.config.seed)[
            self.accelerator.process_index :: self.accelerator.num_processes
        ]
        images, targets = examples.batch(numbers)
        device = self.accelerator.device
        return images.to(device), Targets(*(one.to(device) for one in targets))

    def _average(self) -> None:
        """Move the averaged network towards the present one; faster in the beginning."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            old, new = (_floats(one) for one in (self.average, self.trainee.network))
            torch._foreach_lerp_(old, new, 1 - decay)


def _floats(network: nn.Module) -> list[Tensor]:
    return [one for one in network.state_dict().values() if one.is_floating_point()]


def learning_rate(config: VisionConfig, progress: float) -> float:
    """Linear warm-up, then a cosine down to nothing."""
    if progress < config.warmup:
        return config.learning_rate * (progress / config.warmup * 0.99 + 0.01)
    share = (progress - config.warmup) / max(1e-9, 1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def save_checkpoint(trainer: Trainer, out: Path, data: str, precision: str) -> None:
    """Write ``out/checkpoints/step-N`` whole, then remove the older ones."""
    folder = out / "checkpoints"
    target, partial = folder / f"step-{trainer.step:07d}", folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    with writing(partial):
        partial.mkdir(parents=True)
    files = {
        "trainee.safetensors": weights_bytes(trainer.trainee),
        "average.safetensors": weights_bytes(trainer.average),
        "optimizer.safetensors": save(_optimizer_tensors(trainer)),
    }
    state = {
        "step": trainer.step, "seconds": trainer.seconds,
        "processor_seconds": trainer.processor_seconds,
        "config": trainer.config.to_dict(), "run": _run(trainer, data, precision),
        "sha256": {name: hashlib.sha256(one).hexdigest() for name, one in files.items()},
    }  # fmt: skip
    try:
        for name, content in {**files, STATE: json.dumps(state, indent=2).encode()}.items():
            write_whole(partial / name, content)
        shutil.rmtree(target, ignore_errors=True)
        with writing(target):
            partial.rename(target)
    except BaseException:  # a full disk most of all
        shutil.rmtree(partial, ignore_errors=True)
        raise
    with writing(folder):
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    for old in folder.glob("step-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def _run(trainer: Trainer, data: str, precision: str) -> dict[str, Any]:
    """What must be the same, or the resumed run would be another."""
    return {
        "data": data, "precision": precision, "threads": torch.get_num_threads(),
        "processes": trainer.accelerator.num_processes,
    }  # fmt: skip


def load_checkpoint(trainer: Trainer, out: Path, data: str, precision: str) -> None:
    """Restore the newest checkpoint of ``out``, if there is one.

    Raises UsageError if the run was configured otherwise, DataError if files were altered.
    """
    found = sorted((out / "checkpoints").glob("step-*"))
    if not found:
        return
    folder = found[-1]
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        before = {**state["config"], **state["run"]}
        for name, digest in state["sha256"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                raise ValueError(f"{name} was altered")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder} is damaged: {error}; remove it and start anew") from error
    now = {**trainer.config.to_dict(), **_run(trainer, data, precision)}
    if before.get("data") != data:
        raise UsageError(
            f"{folder} was made with other pictures; resume with the same --data and settings, "
            "or choose another --out"
        )
    for key, value in now.items():
        if key not in ("evaluate_every", "checkpoint_every") and before.get(key) != value:
            raise UsageError(
                f"{folder} was made with {key} = {before.get(key)!r}, not {value!r}; "
                "resume in the same way or choose another --out"
            )
    trainer.trainee.load_state_dict(load_file(folder / "trainee.safetensors"))
    trainer.average.load_state_dict(load_file(folder / "average.safetensors"))
    parameters = dict(trainer.trainee.named_parameters())
    optimizer = trainer.optimizer.state
    for key, tensor in load_file(folder / "optimizer.safetensors").items():
        name, _, part = key.partition("|")
        parameter = parameters[name]
        if tensor.shape == parameter.shape:  # in the parameter's layout, as the optimizer does
            optimizer[parameter][part] = torch.empty_like(parameter).copy_(tensor)
        else:
            optimizer[parameter][part] = tensor.to(parameter.device)
    trainer.step, trainer.seconds = state["step"], state["seconds"]
    trainer.processor_seconds = state["processor_seconds"]


def _optimizer_tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Optimizer state by parameter name."""
    names = {id(parameter): name for name, parameter in trainer.trainee.named_parameters()}
    return {
        f"{names[id(parameter)]}|{part}": value.detach().cpu().contiguous()
        for parameter, state in trainer.optimizer.state.items()
        for part, value in state.items()
    }
