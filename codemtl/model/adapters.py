"""What is trained of a trunk: all of it, nothing, or low-rank adapters through peft.

Adapters (LoRA, Hu et al. 2021, arXiv:2106.09685) live only while a run goes on and in its
checkpoints. A model folder holds the trunk with the adapters added in, so that whoever uses it
needs no peft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from codemtl.errors import MissingExtraError
from codemtl.model.config import ModelConfig
from codemtl.model.trunk import TrunkEncoder


def tune(encoder: TrunkEncoder, config: ModelConfig) -> None:
    """Leave trainable of the trunk what ``config.tuning`` says. Raises MissingExtraError."""
    if config.tuning == "frozen":
        encoder.trunk.requires_grad_(False)
    elif config.tuning == "lora":
        _adapt(encoder.trunk, config.lora_rank)


def _adapt(trunk: Any, rank: int) -> None:
    """Adapters of every linear layer in place; everything else of the trunk is frozen."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("peft", "lora") from error
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    inject_adapter_in_model(settings, trunk)


def plain_state(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's ``tensors`` by name, adapters added to the layers that they belong to."""
    state: dict[str, Tensor] = {}
    adapted: dict[str, Any] = {
        name + ".": module
        for name, module in network.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    for name, value in tensors.items():
        owner = next((prefix for prefix in adapted if name.startswith(prefix)), None)
        if owner is None:
            state[name] = value
        elif name.startswith(owner + "base_layer."):
            key = name.removeprefix(owner + "base_layer.")
            added = _added(adapted[owner], owner, tensors) if key == "weight" else 0
            state[owner + key] = (value + added).detach()
    return state


def _added(layer: Any, name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """What an adapter adds to the weight of its layer."""
    up, down = (tensors[f"{name}lora_{part}.default.weight"] for part in "BA")
    added: Tensor = up @ down * layer.scaling["default"]
    return added.T if layer.fan_in_fan_out else added
