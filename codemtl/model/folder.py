"""What a model folder says of itself: config.json, read and checked without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codemtl.errors import ModelError
from codemtl.model.config import ModelConfig
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import ACTIONS

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
MODEL_TYPE = "codemtl"


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises ModelError if it is missing or of another kind."""
    path = folder / CONFIG
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: there is no such model folder; name one that `codemtl train` wrote"
        )
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as a model's configuration: {error}") from error
    if not isinstance(values, dict) or values.get("model_type") != MODEL_TYPE:
        raise ModelError(f"{path}: this is not a codemtl model (model_type is not {MODEL_TYPE!r})")
    return values


def shape_of(values: dict[str, Any], folder: Path) -> ModelConfig:
    """The sizes that config.json states. Raises ModelError if this code cannot use them."""
    try:
        config = ModelConfig.from_dict(values)
    except ModelError as error:
        raise ModelError(f"{folder / CONFIG}: {error}") from error
    if config.actions != len(ACTIONS):
        raise ModelError(
            f"{folder / CONFIG}: the model knows {config.actions} kinds of edit, this version of "
            f"codemtl {len(ACTIONS)}; train it anew, or use the version that it was trained with"
        )
    return config


def check_vocabulary(folder: Path, tokenizer: CodeTokenizer, config: ModelConfig) -> None:
    """Raise ModelError if the tokenizer is another model's."""
    if tokenizer.vocab_size != config.vocab_size:
        raise ModelError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} pieces, the model "
            f"{config.vocab_size}; they do not belong together"
        )
