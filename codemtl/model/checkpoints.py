"""Model folders: model.safetensors + config.json + tokenizer.json, read without transformers.

Weights may be stored in int8 to save space (`model.quantization`); they are used in fp32. What is
read is checked against the network that the configuration describes: names, shapes and finiteness.
Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from codemtl.errors import ModelError
from codemtl.model.adapters import plain_state
from codemtl.model.atomic import write_atomic
from codemtl.model.folder import CONFIG, MODEL_TYPE, WEIGHTS, read_config, shape_of
from codemtl.model.network import Network
from codemtl.model.quantization import dequantized, quantized


def save_network(
    network: Network,
    folder: Path,
    *,
    quantize: bool = False,
    state: Mapping[str, Tensor] | None = None,
    **extra: Any,
) -> str:
    """Write weights and configuration; ``extra`` joins config.json. Returns the SHA-256.

    ``state`` are the network's tensors where they have been gathered from several processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = plain_state(network, network.state_dict() if state is None else state)
    tensors = {
        name: value.detach().to("cpu", torch.float32).contiguous() for name, value in plain.items()
    }
    data = save(quantized(tensors) if quantize else tensors, metadata={"format": "pt"})
    write_atomic(folder / WEIGHTS, data)
    digest = hashlib.sha256(data).hexdigest()
    config = {"model_type": MODEL_TYPE, **network.config.to_dict(), "sha256": digest, **extra}
    write_atomic(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    return digest


class _Undrawn(TorchFunctionMode):
    """Nothing is drawn for weights that are loaded anyway.

    On the device "meta" drawing is all Python, whose import takes longer than the weights.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs.get("tensor", args[0] if args else None)
        return function(*args, **kwargs)


def load_network(folder: Path) -> tuple[Network, dict[str, Any]]:
    """The network of a model folder, in evaluation mode and fp32, and its config.json.

    Raises ModelError naming the file and what is wrong with it.
    """
    values = read_config(folder)
    config = shape_of(values, folder)
    path = folder / WEIGHTS
    try:
        tensors = dequantized(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as weights: {error}") from error
    # a trunk makes some of its buffers itself, so it cannot be begun without memory
    with torch.device("meta" if config.trunk is None else "cpu"), _Undrawn():
        network = Network(config)
    _check(network, tensors, path)
    network.load_state_dict(tensors, assign=True)
    network.requires_grad_(False)
    return network.eval(), values


def _check(network: Network, tensors: dict[str, Tensor], path: Path) -> None:
    """Names, shapes and finiteness."""
    expected = {name: value.shape for name, value in network.state_dict().items()}
    odd = sorted(expected.keys() ^ tensors.keys())
    if odd:
        state = "lacks" if odd[0] in expected else "has an unknown tensor"
        raise ModelError(f"{path}: does not fit its {CONFIG}: it {state} {odd[0]}")
    for name, value in tensors.items():
        if value.shape != expected[name]:
            raise ModelError(
                f"{path}: {name} has shape {tuple(value.shape)}, {CONFIG} asks for "
                f"{tuple(expected[name])}"
            )
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: {name} holds values that are not finite")
