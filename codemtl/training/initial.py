"""Beginning a run from the weights of a model folder: fine-tuning, transfer to another task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codemtl.errors import UsageError
from codemtl.model.checkpoints import load_network
from codemtl.model.network import Network
from codemtl.model.tokenizer import FILE_NAME

_INHERITED = ("name", "calibration", "calibrated_on")  # of config.json


def load_initial(network: Network, folder: Path, data: Path) -> dict[str, Any]:
    """Give ``network`` the weights of a model folder; heads of further tasks may be new.

    Returns what the run's model keeps of the folder's config.json. Raises ModelError if the folder
    is no sound model, UsageError if its sizes or its tokenizer are not those of the run on
    ``data``.
    """
    found, values = load_network(folder)
    theirs, ours = found.config.to_dict(), network.config.to_dict()
    for name, value in ours.items():
        if name != "added_tasks" and theirs[name] != value:
            raise UsageError(
                f"the weights of {folder} have model.{name} = {theirs[name]}, this run {value}; "
                f"give --set model.{name}={theirs[name]}"
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
    return {key: values[key] for key in _INHERITED if key in values}
