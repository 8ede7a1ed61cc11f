"""Encoder and heads as one plain torch module; loads without importing transformers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from codemtl.model.config import ModelConfig
from codemtl.model.encoder import Encoder, Spelling
from codemtl.model.repair_head import RepairHead, RepairScores, repair_losses
from codemtl.model.text_head import TextHead

TASKS = ("repair", "summarize", "generate")
PROJECTIONS = ("out", "down")  # back into the residual stream


class Heads(nn.Module):
    """What can be asked of an encoder and its heads, however they were made."""

    encoder: Encoder
    repair: RepairHead
    summarize: TextHead
    generate: TextHead

    def text_head(self, task: str) -> TextHead:
        """The decoder of a text-producing task."""
        head: TextHead = getattr(self, task)
        return head

    def encode(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Encoder states [B, T, D] and their mask [B, 1, 1, T]."""
        states, mask = self.encoder(Spelling.of(batch, "input_"), batch["lengths"])
        return states, mask

    def repair_scores(self, batch: dict[str, Tensor]) -> RepairScores:
        """Logits of the repair head."""
        states, _ = self.encode(batch)
        names = self.encoder.words(Spelling.of(batch, "name_"))
        scores: RepairScores = self.repair(states, names, batch)
        return scores

    def losses(self, task: str, batch: dict[str, Tensor], dense: bool = False) -> dict[str, Tensor]:
        """Summed loss terms of one micro-batch of ``task``; ``dense`` as in ``repair_losses``."""
        if task == "repair":
            return repair_losses(self.repair_scores(batch), batch, dense)
        states, mask = self.encode(batch)
        return self.text_head(task).loss(
            self.encoder.embedding.weight, states, mask, batch["decoder_ids"], batch["labels"]
        )


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
    """f(x; θ) = [f_repair, f_summarize, f_generate] over one shared encoder.

    ``extra`` names text heads of tasks that only training knows; the other weights begin as
    without them, and a model folder leaves them out.
    """

    def __init__(self, config: ModelConfig, extra: Sequence[str] = ()) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.repair = RepairHead(config)
        self.summarize = TextHead(config)
        self.generate = TextHead(config)
        self.apply(lambda module: initialise(module, config.layers))
        self.extra = tuple(extra)
        for name in extra:
            head = TextHead(config)
            head.apply(lambda module: initialise(module, config.layers))
            self.add_module(name, head)

    def kept(self) -> dict[str, Tensor]:
        """The state that belongs to a model folder."""
        state: dict[str, Tensor] = self.state_dict()
        return {k: v for k, v in state.items() if k.partition(".")[0] not in self.extra}

    def forward(
        self, task: str, batch: dict[str, Tensor], dense: bool = False
    ) -> dict[str, Tensor]:
        """The losses, so that wrappers of modules see the call."""
        return self.losses(task, batch, dense)
