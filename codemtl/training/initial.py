"""The network that a run begins with: new, around a pretrained encoder, or that of a model folder.

The last is for fine-tuning and for transfer to another task.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from codemtl.errors import UsageError
from codemtl.model.adapters import tune
from codemtl.model.checkpoints import load_network
from codemtl.model.config import ModelConfig
from codemtl.model.encoder import Encoder
from codemtl.model.folder import read_config
from codemtl.model.network import Network
from codemtl.model.pretrained import find, load_weights
from codemtl.model.respelling import Respelling
from codemtl.model.text_head import TextHead
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer
from codemtl.model.trunk import TrunkEncoder
from codemtl.training.config import TrainingConfig
from codemtl.training.precision import bound_plans, resolve_precision
from codemtl.training.processes import join

_MAY_BE_NEW = ("copying", "copy_runs", "siblings")  # of the model's configuration
_INHERITED = ("name", "calibration", "calibrated_on")  # of config.json


def inherited(folder: Path) -> dict[str, Any]:
    """What a run that begins with the model in ``folder``, or goes on there, keeps of it."""
    values = read_config(folder)
    return {key: values[key] for key in _INHERITED if key in values}


def load_initial(network: Network, folder: Path, data: Path) -> dict[str, Any]:
    """Give ``network`` the weights of a model folder.

    Further tasks' heads may be new, so may be copying, and by runs, and that siblings are read.

    Returns what the run's model keeps of the folder's config.json. Raises ModelError if the folder
    is no sound model, UsageError if its sizes or its tokenizer are not those of the run on
    ``data``.
    """
    found, _ = load_network(folder)
    theirs, ours = found.config.to_dict(), network.config.to_dict()
    for name, value in ours.items():
        may_be_new = name == "added_tasks" or (name in _MAY_BE_NEW and value)
        if not may_be_new and theirs[name] != value:
            other = json.dumps(theirs[name])
            raise UsageError(
                f"the weights of {folder} have model.{name} = {other}, this run "
                f"{json.dumps(value)}; give --set model.{name}={other}"
            )
    tokenizer = folder / FILE_NAME
    if not tokenizer.is_file() or tokenizer.read_bytes() != (data / FILE_NAME).read_bytes():
        raise UsageError(
            f"{tokenizer} is not the tokenizer that {data} was prepared with; prepare the data "
            "anew or begin from other weights"
        )
    state = network.state_dict()
    known = {name: value for name, value in found.state_dict().items() if name in state}
    network.load_state_dict({**state, **known})
    return inherited(folder)


def resolved(config: TrainingConfig, tokenizer: CodeTokenizer, data: Path) -> TrainingConfig:
    """The configuration with what data and machine decide: vocabulary, precision, compilation."""
    size, stated = tokenizer.vocab_size, config.model.vocab_size
    if stated not in (size, ModelConfig().vocab_size):
        raise UsageError(
            f"model.vocab_size is {stated}, but {data / FILE_NAME} has {size} pieces; "
            "leave the setting out"
        )
    device = join().default_device
    bound_plans(device)
    precision = resolve_precision(config.precision, device)
    return replace(
        config, model=replace(config.model, vocab_size=size), precision=precision,
        compile=config.compile and (bool(config.model.encoder) or _can_compile()),
    )  # fmt: skip


def _can_compile() -> bool:
    """Whether torch finds what it compiles layers with; if it does not, say so."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    name = os.environ.get("CXX", usual)
    fetched = sys.platform == "linux" and os.environ.get("TORCH_INDUCTOR_INSTALL_GXX")
    if join().device.type != "cpu" or fetched or shutil.which(name):
        return True
    if join().is_main_process:
        print(
            f"codemtl: there is no C++ compiler {name!r}, so nothing is compiled (compile = false) "
            "and training is slower; install one to change that",
            file=sys.stderr,
        )
    return False


def with_trunk(
    config: TrainingConfig, tokenizer: CodeTokenizer, init: Path | None
) -> tuple[TrainingConfig, Respelling | None]:
    """What is to be known of the encoder that ``model.encoder`` names, if it names one.

    A model folder that the run begins with holds the same encoder whole.
    """
    name = config.model.encoder
    if not name:
        return config, None
    if init is not None:
        theirs = ModelConfig.from_dict(read_config(init))
        if theirs.encoder == name and theirs.trunk is not None:
            model = replace(config.model, trunk=theirs.trunk)
            return replace(config, model=model), Respelling.load(init, tokenizer, theirs.trunk)
    with join().main_process_first():  # which downloads what is not there
        found = find(name)
    model = replace(config.model, trunk=found.trunk)
    return replace(config, model=model), Respelling(tokenizer, found.tokenizer, found.trunk)


def make_network(
    config: TrainingConfig, data: Path, init: Path | None
) -> tuple[Network, dict[str, Any]]:
    """The network that a run starts with: new, around a pretrained trunk, or that of ``init``.

    Also what the model inherits of the ``init`` folder's config.json.
    """
    network = Network(config.model)
    kept = {} if init is None else load_initial(network, init, data)
    if isinstance(network.encoder, TrunkEncoder):
        if init is None:
            load_weights(network.encoder, config.model.encoder)
        tune(network.encoder, config.model)
    elif isinstance(network.encoder, Encoder):
        if config.frozen_layers:
            _freeze(network.encoder, config.frozen_layers)
        if config.compile:
            _compile(network, network.encoder, heads=config.compile_heads)
    return network, kept


def check_frozen(config: TrainingConfig, init: Path | None, *, begun: bool) -> None:
    """Raise UsageError where layers would stay as they are that a new run makes at random."""
    if config.frozen_layers and init is None and not begun:
        raise UsageError(
            f"frozen_layers is {config.frozen_layers}, but without --init these layers begin at "
            "random; name trained weights by --init"
        )


def _freeze(encoder: Encoder, layers: int) -> None:
    """Leave words and the first layers as they are; no gradient is computed for them."""
    encoder.requires_grad_(False)
    encoder.stack.layers[layers:].requires_grad_(True)
    encoder.stack.norm.requires_grad_(layers < len(encoder.stack.layers))


def _compile(network: Network, encoder: Encoder, *, heads: bool) -> None:
    """The encoder's layers; where memory is slower than arithmetic the heads are worth it too."""
    # else the epsilon of a norm is an input of its own, and all layers are compiled twice
    torch._dynamo.config.specialize_float = True
    for layer in encoder.stack.layers:  # compiled once for all of them
        layer.compile(dynamic=True)
    if not heads:
        return
    texts = [head for head in network.children() if isinstance(head, TextHead)]
    for module, method in (
        (encoder, "words"), (network.repair, "losses"), *((head, "loss") for head in texts),
        *((head.copying, "source") for head in texts if head.copying is not None),
    ):  # fmt: skip
        setattr(module, method, torch.compile(getattr(module, method), dynamic=True))
