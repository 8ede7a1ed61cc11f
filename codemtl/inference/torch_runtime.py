"""The torch runtime: a model folder in memory, for texts, and for encoders of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from codemtl.inference.repair_runtime import RepairRuntime
from codemtl.inference.torch_texts import TextRuntime
from codemtl.model.checkpoints import load_network
from codemtl.model.folder import check_vocabulary
from codemtl.model.int8 import has_int8, use_int8
from codemtl.model.network import Network
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.tasks.batches import Arrays


def load(folder: Path, threads: int | None = None) -> TorchPredictor:
    """Load a model folder. Raises ModelError."""
    if threads:
        torch.set_num_threads(threads)
    network, values = load_network(folder)
    tokenizer = CodeTokenizer.load(folder)
    check_vocabulary(folder, tokenizer, network.config)
    trunk = network.config.trunk
    respelling = None if trunk is None else Respelling.load(folder, tokenizer, trunk)
    predictor = TorchPredictor(network, tokenizer, values, respelling)
    if has_int8():
        use_int8(network)
        predictor.device += ", int8"
    return predictor


class TorchPredictor(RepairRuntime, TextRuntime):
    """See ``inference.predictor.Predictor``."""

    def __init__(
        self,
        network: Network,
        tokenizer: CodeTokenizer,
        values: dict[str, Any],
        respelling: Respelling | None = None,
    ) -> None:
        """``respelling`` of a network whose encoder is a trunk."""
        RepairRuntime.__init__(self, network.config, tokenizer, values)
        TextRuntime.__init__(self, network, tokenizer, respelling)

    @torch.no_grad()
    def chances(self, arrays: Arrays) -> tuple[NDArray[np.float32], ...]:
        """See `RepairRuntime`."""
        scores = self.network.repair_scores(self._tensors(arrays))
        actions, names = scores.action_BSA.softmax(-1), scores.name_BSK.softmax(-1)
        return (
            scores.bug_B.numpy(),
            scores.site_BS.softmax(-1).numpy(),
            actions.numpy() * arrays["action_mask"],
            names.numpy() * arrays["name_mask"],
        )
