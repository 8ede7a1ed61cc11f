"""Load once; text in, verified edits or text out.

Nothing here imports torch until a model is loaded: ``load_predictor`` is the only door to a
runtime.
"""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from codemtl.errors import ModelError
from codemtl.inference.predictor import Calibration, GenerationRequest, Predictor

__all__ = [
    "MODEL_FILES",
    "SHIPPED_MODEL",
    "Calibration",
    "GenerationRequest",
    "Predictor",
    "check_model_folder",
    "describe",
    "load_predictor",
]

SHIPPED_MODEL = Path(__file__).parent.parent / "weights"
LIBRARIES = (
    "torch",
    "onnxruntime",
    "tokenizers",
    "safetensors",
    "tree-sitter",
    "tree-sitter-python",
    "numpy",
)
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")

# ONNX Runtime reads it when it is imported, and else notes events, to be sent to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load_predictor(model: Path | None = None, threads: int | None = None) -> Predictor:
    """Load a model folder, or the shipped weights, into the fastest runtime there is.

    Args:
        model: a folder that ``codemtl train`` wrote; None for the weights in the package.
        threads: CPU threads that the model may use; None leaves it to the runtime.

    Raises:
        ModelError: the folder is missing, incomplete or does not fit the code.
    """
    folder = check_model_folder(model)
    from codemtl.model.folder import read_config

    if read_config(folder).get("trunk") is None:
        from codemtl.inference import onnx_runtime

        return onnx_runtime.load(folder, threads)
    from codemtl.inference import torch_runtime

    return torch_runtime.load(folder, threads)


def check_model_folder(model: Path | None = None) -> Path:
    """The folder to load, after the checks that need no torch; ModelError names what is wrong."""
    folder = SHIPPED_MODEL if model is None else model
    way_out = (
        "name a folder that `codemtl train` wrote, or leave out --model (model in pyproject.toml)"
    )
    if model is None and not (folder / MODEL_FILES[0]).exists():
        raise ModelError(
            "this installation holds no weights; train some with `codemtl train`"
            " and name their folder by --model"
        )
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise ModelError(f"model folder {folder} {fault}; {way_out}")
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"model folder {folder} lacks {', '.join(missing)}; {way_out}")
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read: {error}; {way_out}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'} holds no settings; {way_out}")
    return folder


def describe(model: Path | None = None) -> dict[str, Any]:
    """Versions, the loaded model, its device, and its card; for ``codemtl info``."""
    from codemtl import __version__

    folder = check_model_folder(model)
    predictor = load_predictor(model)
    card = folder / "README.md"
    return {
        "codemtl": __version__,
        "python": platform.python_version(),
        **{name: _version_of(name) for name in LIBRARIES},
        "device": predictor.device,
        "model": predictor.name,
        "revision": predictor.revision,
        "folder": str(folder),
        "card": card.read_text("utf-8") if card.is_file() else None,
    }


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
