"""The figures of a trained model on the test split, or on the user's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from codemtl.errors import DataError
from codemtl.vision.config import check_names, parse_settings
from codemtl.vision.data import load_split
from codemtl.vision.folders import load_network, resolve_precision
from codemtl.vision.metrics import measure
from codemtl.vision.model import parameter_count


def evaluate(model: Path, data: Path | None, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Accuracy, AP and AP50 of the model folder ``model``, of the tasks that it was trained for.

    ``settings`` may name another ``split``. Raises UsageError, ModelError, DataError.
    """
    values = {"split": "test", **parse_settings(settings)}
    check_names(values, {"split": None})
    network, config, names = load_network(model)
    examples = load_split(config, data, str(values["split"]))
    if examples.names != names:
        raise DataError(
            f"the pictures' classes ({', '.join(examples.names)}) are not the model's "
            f"({', '.join(names)})"
        )
    precision = resolve_precision(config.precision, torch.device("cpu"))
    return {
        "model": config.model, "tasks": list(config.tasks), "split": values["split"],
        "parameters": parameter_count(network),
        **measure(network, examples, precision),
    }  # fmt: skip
