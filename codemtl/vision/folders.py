"""A model folder: weights in safetensors, configuration and class names in JSON, no pickle."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from codemtl.errors import ModelError, UsageError, WriteError
from codemtl.vision.config import VisionConfig, make_config
from codemtl.vision.model import Network, make_network
from codemtl.vision.pictures import write_whole

WEIGHTS, CONFIG = "model.safetensors", "config.json"
_KIND = "codemtl-vision"


def check_writable(out: Path) -> None:
    """Raise WriteError if ``out`` cannot be written to, or be made; it is not made."""
    try:
        places = (out, *out.absolute().parents)  # a link to nothing is in the way
        there = next(place for place in places if place.is_symlink() or place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise unwritable(out, error) from error


def make_folder(out: Path) -> None:
    """Create the folder to write to. Raises WriteError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from error


def unwritable(out: Path, error: OSError) -> WriteError:
    """The error that says why ``out`` cannot be written to."""
    return WriteError(f"cannot write to --out {out}: {error.strerror}; name another")


def weights_bytes(network: nn.Module) -> bytes:
    """The state of a network as a safetensors file."""
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    data: bytes = save(state)
    return data


def save_network(
    network: nn.Module, config: VisionConfig, names: tuple[str, ...], out: Path
) -> None:
    """Write what ``load_network`` reads."""
    write_whole(out / WEIGHTS, weights_bytes(network))
    write_json(out / CONFIG, {"model_type": _KIND, "classes": list(names), **config.to_dict()})


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file in one step."""
    write_whole(path, (json.dumps(document, indent=2) + "\n").encode())


def load_network(
    folder: Path,
) -> tuple[Network, VisionConfig, tuple[str, ...]]:
    """A trained network, its configuration and the names of its classes. Raises ModelError."""
    if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no {WEIGHTS} and {CONFIG}; "
            "name a folder that `codemtl vision train` wrote"
        )
    try:
        values = json.loads((folder / CONFIG).read_text("utf-8"))
        if not isinstance(values, dict) or values.pop("model_type", None) != _KIND:
            raise ModelError(f"{folder / CONFIG}: not the configuration of a {_KIND} model")
        names = tuple(map(str, values.pop("classes")))
        config = make_config(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
        raise ModelError(f"{folder / CONFIG} cannot be read: {error}; train anew") from error
    if len(names) != config.num_classes:
        raise ModelError(f"{folder / CONFIG}: {len(names)} classes named, not {config.num_classes}")
    try:
        network = make_network(config)
        state = load((folder / WEIGHTS).read_bytes())
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, OverflowError, MemoryError) as error:
        short = str(error).replace("\n", " ")[:200]
        raise ModelError(f"{folder / WEIGHTS} is damaged or of another model: {short}") from error
    if not all(bool(torch.isfinite(one).all()) for one in state.values()):
        raise ModelError(f"{folder / WEIGHTS} holds numbers that are not finite; train anew")
    return network, config, names


def resolve_precision(wanted: str, device: torch.device) -> str:
    """What "auto" means on a device: "bf16" where its arithmetic has it, else "no"."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "no"


def fit_to_data(config: VisionConfig, names: tuple[str, ...], most: int) -> VisionConfig:
    """The configuration with as many classes and boxes as the data have."""
    return replace(config, num_classes=len(names), num_detections=max(config.num_detections, most))
