"""Copying: a decoder may point at a piece of the encoder's input and write it again.

Most of what code repeats are names, which a decoder has to spell piece by piece from what it
attends to. Here it may say instead "as there", as in the pointer-generator network (See et al.
2017, arXiv:1704.04368):

    p(v) = (1 - c) p_vocabulary(v) + c Σ p_input(i)    over the pieces i of the input that are v

A piece of the input is known by the state of its word, itself, and the piece before it, so that
what followed the last piece there can follow it here.

Legend: B batch, U pieces of the decoder, P pieces of the input, T its words, D width, N pieces to
be predicted, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.layers import embed, norm

RARELY = -2.0  # log-odds of copying before anything is learned
LEAST = 1e-9  # probability that counts as none

Places = tuple[Tensor, ...]  # rows and columns [N]: a mask would be counted at each use


class Source(NamedTuple):
    """The pieces of the inputs, in order: what they are, and the keys that they are found by."""

    ids_BP: Tensor
    keys_BPD: Tensor
    real_BP: Tensor  # false on padding


class Copying(nn.Module):
    """Whether to copy, and which piece."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.piece_norm = norm(config)
        self.key = nn.Linear(3 * config.width, config.width, bias=False)
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.whether = nn.Parameter(torch.zeros(config.width))
        self.often = nn.Parameter(torch.full((1,), RARELY))

    def source(self, embedding: Tensor, states_BTD: Tensor, batch: dict[str, Tensor]) -> Source:
        """From the encoder's states and ``copy_ids``, ``copy_words`` [B, P] of `text_inputs`."""
        ids_BP, words_BP = batch["copy_ids"], batch["copy_words"]
        where = words_BP.clamp(min=0)[..., None].expand(-1, -1, states_BTD.shape[-1])
        pieces_BPD = self.piece_norm(embed(ids_BP, embedding)).to(states_BTD.dtype)
        before_BPD = functional.pad(pieces_BPD, (0, 0, 1, -1))
        known = torch.cat((states_BTD.gather(1, where), pieces_BPD, before_BPD), -1)
        return Source(ids_BP, self.key(known), words_BP >= 0)

    def mixed(self, logits_NV: Tensor, hidden_BUD: Tensor, asked: Places, source: Source) -> Tensor:
        """Log-probabilities [N, V] of what comes next at the places ``asked`` of [B, U].

        ``logits`` are what the vocabulary says there.
        """
        query_BUD = self.query(hidden_BUD)
        scores_BUP = query_BUD @ source.keys_BPD.transpose(1, 2) * query_BUD.shape[-1] ** -0.5
        scores_BUP = scores_BUP.float().masked_fill(~source.real_BP[:, None], -torch.inf)
        places_NP = scores_BUP.softmax(-1)[asked]
        pieces_NP = source.ids_BP[:, None].expand(scores_BUP.shape)[asked]
        copied_NV = torch.zeros_like(logits_NV).scatter_add(1, pieces_NP, places_NP)
        odds_N1 = (hidden_BUD[asked].float() * self.whether).sum(-1, keepdim=True) + self.often
        return torch.logaddexp(
            functional.logsigmoid(-odds_N1) + logits_NV.log_softmax(-1),
            functional.logsigmoid(odds_N1) + copied_NV.clamp(min=LEAST).log(),
        )
