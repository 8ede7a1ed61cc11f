"""Finds a pretrained Hugging Face encoder by name or folder, and takes its weights.

Only safetensors are read and no code of a model's own is run. A name that is no folder goes through
transformers' ``from_pretrained``, which downloads it once and then finds it in its cache.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import nn

from codemtl.errors import ModelError
from codemtl.model.config import TrunkConfig
from codemtl.model.trunk import TrunkEncoder, build, encoder_part, library

_ABSENT = -1
_USUAL_WINDOW = 512  # of encoders that do not say theirs


class Found(NamedTuple):
    """A pretrained encoder, without its weights."""

    trunk: TrunkConfig
    tokenizer: Tokenizer


def find(name: str) -> Found:
    """The encoder of a name or folder. Raises ModelError that says why it cannot be used."""
    _check_path(name)
    models = library()
    config = _tried(name, "configuration", models.AutoConfig.from_pretrained)
    tokenizer = _tried(name, "tokenizer", models.AutoTokenizer.from_pretrained)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"the encoder {name} has no fast tokenizer, which alone tells where its pieces lie in "
            "the text; save one with it: a tokenizer.json"
        )
    architecture = json.loads(config.to_json_string(use_diff=True))
    for key in ("_name_or_path", "architectures", "transformers_version", "dtype"):
        architecture.pop(key, None)
    draft = TrunkConfig(architecture, _USUAL_WINDOW, **_special_ids(tokenizer))
    with torch.device("meta"):
        module = build(draft)
    stated = tokenizer.model_max_length or _USUAL_WINDOW
    window = min(_positions(module), int(stated))
    return Found(TrunkConfig(architecture, window, **_special_ids(tokenizer)), backend)


def load_weights(encoder: TrunkEncoder, name: str) -> None:
    """Give the trunk its pretrained weights, in fp32. Raises ModelError."""
    models = library()
    if not sys.stderr.isatty():
        models.utils.logging.disable_progress_bar()
    whole, report = _tried(
        name, "weights", models.AutoModel.from_pretrained,
        dtype=torch.float32, use_safetensors=True, output_loading_info=True,
    )  # fmt: skip
    part = encoder_part(whole)
    prefix = "" if part is whole else "encoder."
    state = part.state_dict()
    missing = sorted({prefix + key for key in state} & set(report["missing_keys"]))
    if missing:
        raise ModelError(
            f"the encoder {name} lacks the weights {missing[0]}; its files are incomplete"
        )
    encoder.trunk.load_state_dict(state)


def _check_path(name: str) -> None:
    """What can only be a path must be a folder."""
    path = Path(name).expanduser()
    if path.is_dir():
        return
    if path.exists() or name.startswith((".", "~", os.sep)) or name.count("/") > 1:
        raise ModelError(
            f"model.encoder: there is no folder {name}; give one that holds config.json, "
            "model.safetensors and tokenizer.json, or a model's name on the hub"
        )


def _tried(name: str, part: str, read: Callable[..., Any], **options: Any) -> Any:
    """``read(name)`` with transformers' complaints turned into one line."""
    path = Path(name).expanduser()
    try:
        return read(str(path) if path.is_dir() else name, trust_remote_code=False, **options)
    except Exception as error:  # OSError, ValueError, and whatever a tokenizer's parser raises
        pickled = path.is_dir() and any(path.glob("pytorch_model*.bin"))
        if part == "weights" and pickled:
            raise ModelError(
                f"the encoder {name} has its weights in pytorch_model.bin, which is not read, for "
                "nothing is unpickled; save the model with safetensors"
            ) from error
        told = " ".join(str(error).split()).rstrip(".")
        raise ModelError(
            f"cannot read the {part} of the encoder {name}: {told}; give a folder with "
            "config.json, model.safetensors and tokenizer.json, or a name on the hub while there "
            "is a network"
        ) from error


def _special_ids(tokenizer: Any) -> dict[str, int]:
    """The ids of the pieces that frame an input, end it, and stand for what is to be written."""
    backend = tokenizer.backend_tokenizer
    pad, begin = tokenizer.pad_token_id, _first(tokenizer.cls_token_id, tokenizer.bos_token_id)
    end = _first(tokenizer.sep_token_id, tokenizer.eos_token_id, begin, pad)
    mask = _first(tokenizer.mask_token_id, backend.token_to_id("<extra_id_0>"))
    if end is None:
        raise ModelError("the encoder's tokenizer has no piece that ends a text; give it one")
    found = {"pad": pad if pad is not None else end, "begin": begin, "end": end, "mask": mask}
    return {key: _ABSENT if value is None else int(value) for key, value in found.items()}


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _positions(module: Any) -> int:
    """How many pieces an encoder can read at once."""
    for name, child in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(child, nn.Embedding):
            unused = -1 if child.padding_idx is None else child.padding_idx  # RoBERTa's first ones
            return child.num_embeddings - unused - 1
    stated = (
        getattr(module.config, key, None) for key in ("max_position_embeddings", "n_positions")
    )
    return _first(*stated) or _USUAL_WINDOW
