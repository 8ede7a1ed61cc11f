"""Encoder and heads as one plain torch module; loads without importing transformers."""

from __future__ import annotations

from torch import Tensor, nn

from codemtl.errors import ModelError
from codemtl.model.config import ModelConfig
from codemtl.model.encoder import Encoder, Spelling, Words
from codemtl.model.repair_head import RepairHead, RepairScores
from codemtl.model.text_head import Memory, TextHead
from codemtl.model.trunk import TrunkEncoder

PROJECTIONS = ("out", "down")  # back into the residual stream


class Heads(nn.Module):
    """What can be asked of an encoder and its heads, however they were made."""

    encoder: Words
    repair: RepairHead
    summarize: TextHead
    generate: TextHead

    def build(self, config: ModelConfig) -> None:
        """Make the encoder, the three heads that every model has, and those of added tasks."""
        self.encoder = make_encoder(config)
        self.repair = RepairHead(config)
        self.summarize = TextHead(config)
        self.generate = TextHead(config)
        for task in config.added_tasks:
            if hasattr(self, task):
                raise ModelError(f"model.added_tasks: no head can be called {task!r}")
            self.add_module(task, TextHead(config))

    def text_head(self, task: str) -> TextHead:
        """The decoder of a text-producing task. Raises ModelError if there is none."""
        head = getattr(self, task, None)
        if not isinstance(head, TextHead):
            raise ModelError(f"the model was not trained for {task}: it has no head for it")
        return head

    def encode(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Encoder states [B, T, D] and their mask [B, 1, 1, T]."""
        states, mask = self.encoder(batch)
        return states, mask

    def memory(self, task: str, batch: dict[str, Tensor]) -> Memory:
        """What the decoder of a text-producing task reads of a batch."""
        states, mask = self.encode(batch)
        return self.text_head(task).memory(self.encoder.embedding.weight, states, mask, batch)

    def repair_scores(self, batch: dict[str, Tensor]) -> RepairScores:
        """Logits of the repair head."""
        scores: RepairScores = self.repair(*self._repair_inputs(batch), batch)
        return scores

    def _repair_inputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Encoder states [B, T, D] and the candidate names as spelled [B, K, D]."""
        states, _ = self.encode(batch)
        return states, self.encoder.words(Spelling.of(batch, "name_"))

    def losses(self, task: str, batch: dict[str, Tensor], dense: bool = False) -> dict[str, Tensor]:
        """Summed loss terms of one micro-batch of ``task``; ``dense`` as in ``repair_losses``."""
        if task == "repair":
            return self.repair.losses(*self._repair_inputs(batch), batch, dense)
        embedding = self.encoder.embedding.weight
        return self.text_head(task).loss(embedding, self.memory(task, batch), batch)


def make_encoder(config: ModelConfig) -> Words:
    """Our own layers, or the trunk that the configuration holds."""
    return Encoder(config) if config.trunk is None else TrunkEncoder(config, config.trunk)


def initialise(module: nn.Module, layers: int) -> None:
    """Normal weights of 1 / sqrt(width); projections back into the residual start smaller.

    To be applied to every module, children first.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
    for name in PROJECTIONS:
        child = getattr(module, name, None)
        if isinstance(child, nn.Linear):
            nn.init.normal_(child.weight, std=(2 * layers * child.in_features) ** -0.5)


class Network(Heads):
    """f(x; θ) = [f_repair, f_summarize, f_generate, …] over one shared encoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.build(config)
        self.apply(lambda module: initialise(module, config.layers))

    def forward(
        self, task: str, batch: dict[str, Tensor], dense: bool = False
    ) -> dict[str, Tensor]:
        """The losses, so that wrappers of modules see the call."""
        return self.losses(task, batch, dense)
