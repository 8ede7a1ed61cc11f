"""Checkpoints of a run: weights, optimizer and weighting state, without pickle.

A checkpoint is written to a temporary folder, its files hashed and fsynced, then renamed; reading
checks the hashes. Data position and corruption follow from the step, so nothing else is needed;
a run by the clock keeps its time besides, and its stages follow from that.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from codemtl.errors import DataError, UsageError
from codemtl.model.atomic import sync_folder, write_durable
from codemtl.training.config import TrainingConfig
from codemtl.training.loop import Trainer
from codemtl.training.sharding import gathered, spread_as

STATE = "state.json"
PARTIAL = "checkpoints/.partial-{}"  # what is left of one is removed with the next checkpoint
_KEYS = {"step", "threads", "processes", "weighting", "config", "sha256"}


def save_checkpoint(trainer: Trainer, out: Path, keep: int = 2) -> Path:
    """Write ``out/checkpoints/step-N`` and remove all but the newest ``keep``.

    Where the trunk is spread over processes, each must call this; the main one writes.
    """
    folder = out / "checkpoints"
    target = folder / f"step-{trainer.step:07d}"
    optimizer, network = _optimizer_tensors(trainer), gathered_state(trainer)
    if not trainer.accelerator.is_main_process:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = out / PARTIAL.format(f"{trainer.step:07d}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    files = {
        "model.safetensors": save(network),
        "optimizer.safetensors": save(optimizer),
    }
    state = {
        "step": trainer.step,
        "threads": torch.get_num_threads(),
        "processes": trainer.accelerator.num_processes,
        "weighting": trainer.weighting.state_dict(),
        "clock": trainer.clock.state_dict(),
        "config": trainer.config.to_dict(),
        "data": trainer.data,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files[STATE] = (json.dumps(state, indent=2) + "\n").encode()
    try:
        for name, data in files.items():
            write_durable(partial / name, data)
        sync_folder(partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except BaseException:  # a full disk most of all
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(folder)
    for old in [*sorted(folder.glob("step-*"))[:-keep], *folder.glob(".partial-*")]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def gathered_state(trainer: Trainer) -> dict[str, Tensor]:
    """The network's tensors, whole, on the CPU of the main process; {} on the others."""
    state = trainer.network.state_dict()
    return _whole(trainer, state.items())


def _whole(trainer: Trainer, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """One after the other, so that no process holds more than it keeps."""
    found = {}
    for name, value in tensors:
        whole = gathered(value)
        if trainer.accelerator.is_main_process:
            found[name] = whole.cpu().contiguous()
    return found


def _optimizer_tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Optimizer state by parameter name."""
    names = {id(p): name for name, p in trainer.network.named_parameters()}
    return _whole(trainer, (
        (f"{names[id(parameter)]}|{key}", value)
        for parameter, state in trainer.optimizer.state.items()
        for key, value in state.items()
    ))  # fmt: skip


def newest_state(out: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint's folder and its state.json; None if there is none."""
    found = sorted((out / "checkpoints").glob("step-*"))
    if not found:
        return None
    folder = found[-1]
    try:
        state = json.loads((folder / STATE).read_text("utf-8"))
        missing = _KEYS - state.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / STATE} cannot be read: {error}; remove {folder} and resume"
        ) from error
    if missing:
        raise DataError(f"{folder / STATE} lacks {min(missing)}; remove {folder} and resume")
    return folder, state


def load_newest(trainer: Trainer, out: Path) -> bool:
    """Restore the newest whole checkpoint; False if there is none.

    Raises UsageError if the run was configured otherwise, DataError if files were altered.
    """
    newest = newest_state(out)
    if newest is None:
        return False
    folder, state = newest
    _check_same_run(state, trainer, folder)
    for name, digest in state["sha256"].items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DataError(f"{path} was altered or is damaged; remove {folder} and resume")
    state_here = trainer.network.state_dict()
    trainer.network.load_state_dict({
        name: spread_as(value, state_here[name]) if name in state_here else value
        for name, value in load_file(folder / "model.safetensors").items()
    })  # fmt: skip
    parameters = dict(trainer.network.named_parameters())
    restored: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(folder / "optimizer.safetensors").items():
        name, _, part = key.partition("|")
        restored.setdefault(name, {})[part] = value
    for name, parts in restored.items():
        parameter = parameters[name]
        trainer.optimizer.state[parameter] = {
            part: spread_as(value, parameter) for part, value in parts.items()
        }
    trainer.weighting.load_state_dict(state["weighting"])
    trainer.clock.load_state_dict(state.get("clock", {}))  # an older version wrote none
    trainer.step = state["step"]
    return True


_MAY_DIFFER = (
    "log_every", "evaluate_every", "evaluate_batches", "checkpoint_every", "workers",
    "diagnose_every", "affinity_every",
    "threads",  # what they come to is compared instead
)  # fmt: skip


def _first_difference(before: Any, now: Any, name: str) -> tuple[str, Any, Any]:
    """Name and both values of the first setting that differs, inside tables too."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                return _first_difference(before.get(key), now.get(key), f"{name}.{key}")
    return name, before, now


def _completed(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration; settings that an older version did not know had their defaults."""
    default = json.loads(json.dumps(TrainingConfig().to_dict()))
    return {**default, **config, "model": {**default["model"], **config.get("model", {})}}


def _check_same_run(state: dict[str, Any], trainer: Trainer, folder: Path) -> None:
    """A resumed run must be the same run, or the result is neither of the two."""
    before, now = _completed(state["config"]), json.loads(json.dumps(trainer.config.to_dict()))
    for key, value in now.items():
        if key not in _MAY_DIFFER and before[key] != value:
            name, old, new = _first_difference(before[key], value, key)
            raise UsageError(
                f"{folder} was made with {name} = {old!r}, not {new!r}; "
                "resume with the same configuration or choose another --out"
            )
    if state.get("data", trainer.data) != trainer.data:  # an older version noted none
        raise UsageError(
            f"{folder} was made of other data; resume with the same, or choose another --out and "
            "begin with these weights by --init"
        )
    if state["processes"] != trainer.accelerator.num_processes:
        raise UsageError(
            f"{folder} was made by {state['processes']} processes, not "
            f"{trainer.accelerator.num_processes}; an exact resume needs the same number"
        )
    if state["threads"] != torch.get_num_threads():
        raise UsageError(
            f"{folder} was made with {state['threads']} threads, not {torch.get_num_threads()}; "
            f"an exact resume needs --set threads={state['threads']}"
        )
