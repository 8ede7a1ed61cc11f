"""Copying: a decoder may point at a piece of the encoder's input and write it again.

Most of what code repeats are names, which a decoder has to spell piece by piece from what it
attends to. Here it may say instead "as there", as in the pointer-generator network (See et al.
2017, arXiv:1704.04368):

    p(v) = (1 - c) p_vocabulary(v) + c Σ p_input(i)    over the pieces i of the input that are v

A piece of the input is known by the state of its word, itself, and the piece before it, so that
what followed the last piece there can follow it here. With ``copy_runs`` it is counted besides how
many of the last pieces that were written stand before it in the same order, spaces left out, as
the encoder leaves them out: whoever has copied three pieces wants the fourth (the induction heads
of Olsson et al. 2022, arXiv:2209.11895, without having to learn them).

Legend: B batch, U pieces of the decoder, P pieces of the input, T its words, D width, N pieces to
be predicted, V vocabulary, R pieces of a run at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.layers import embed, norm
from codemtl.tasks.example import SPACE

RARELY = -2.0  # log-odds of copying before anything is learned
LEAST = 1e-9  # probability that counts as none
RUN = 4  # pieces of a run that are counted
GOING_ON, WHETHER = 1.0, 0.4  # log-odds for each piece of a run, about what is learned
NOTHING = -1  # no piece

Places = tuple[Tensor, ...]  # rows and columns [N]: a mask would be counted at each use


class Source(NamedTuple):
    """The pieces of the inputs, in order: what they are, and the keys that they are found by."""

    ids_BP: Tensor
    keys_BPD: Tensor
    real_BP: Tensor  # false on padding
    before_BPR: Tensor  # what stands before each, as `last_written`

    @classmethod
    def of(cls, ids_BP: Tensor, keys_BPD: Tensor, real_BP: Tensor) -> Source:
        """Of pieces and their keys."""
        before_BPR = functional.pad(last_written(ids_BP), (0, 0, 1, -1), value=NOTHING - 1)
        return cls(ids_BP, keys_BPD, real_BP, before_BPR)


class Recent(NamedTuple):
    """What was written last, at each place of the decoder."""

    ids_BU: Tensor
    without_spaces_BUR: Tensor  # latest first

    @classmethod
    def of(cls, ids_BU: Tensor) -> Recent:
        """Of all that the decoder was given."""
        return cls(ids_BU, last_written(ids_BU))

    def last(self) -> Recent:
        """That of the last place alone."""
        return Recent(self.ids_BU[:, -1:], self.without_spaces_BUR[:, -1:])


class Copying(nn.Module):
    """Whether to copy, and which piece."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.piece_norm = norm(config)
        self.key = nn.Linear(3 * config.width, config.width, bias=False)
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.whether = nn.Parameter(torch.zeros(config.width))
        self.often = nn.Parameter(torch.full((1,), RARELY))
        runs = config.copy_runs
        self.going_on = nn.Parameter(torch.full((RUN,), GOING_ON)) if runs else None
        self.whether_going_on = nn.Parameter(torch.full((RUN,), WHETHER)) if runs else None

    def source(self, embedding: Tensor, states_BTD: Tensor, batch: dict[str, Tensor]) -> Source:
        """From the encoder's states and ``copy_ids``, ``copy_words`` [B, P] of `text_inputs`."""
        ids_BP, words_BP = batch["copy_ids"], batch["copy_words"]
        where = words_BP.clamp(min=0)[..., None].expand(-1, -1, states_BTD.shape[-1])
        pieces_BPD = self.piece_norm(embed(ids_BP, embedding)).to(states_BTD.dtype)
        before_BPD = functional.pad(pieces_BPD, (0, 0, 1, -1))
        known = torch.cat((states_BTD.gather(1, where), pieces_BPD, before_BPD), -1)
        return Source.of(ids_BP, self.key(known), words_BP >= 0)

    def mixed(
        self,
        logits_NV: Tensor,
        hidden_BUD: Tensor,
        recent: Recent,
        asked: Places,
        source: Source,
    ) -> Tensor:
        """Log-probabilities [N, V] of what comes next at the places ``asked`` of [B, U].

        ``logits`` are what the vocabulary says there, ``recent`` what was written up to there.
        """
        query_BUD = self.query(hidden_BUD)
        scores_BUP = query_BUD @ source.keys_BPD.transpose(1, 2) * query_BUD.shape[-1] ** -0.5
        scores_BUP = scores_BUP.float()
        odds_BU = (hidden_BUD.float() * self.whether).sum(-1) + self.often
        if self.going_on is not None and self.whether_going_on is not None:
            for index, run_BUP in enumerate(_runs(recent, source)):
                scores_BUP = scores_BUP + self.going_on[index] * run_BUP
                odds_BU = odds_BU + self.whether_going_on[index] * run_BUP.any(-1)
        scores_BUP = scores_BUP.masked_fill(~source.real_BP[:, None], -torch.inf)
        places_NP = scores_BUP.softmax(-1)[asked]
        pieces_NP = source.ids_BP[:, None].expand(scores_BUP.shape)[asked]
        copied_NV = torch.zeros_like(logits_NV).scatter_add(1, pieces_NP, places_NP)
        odds_N1 = odds_BU[asked][:, None]
        return torch.logaddexp(
            functional.logsigmoid(-odds_N1) + logits_NV.log_softmax(-1),
            functional.logsigmoid(odds_N1) + copied_NV.clamp(min=LEAST).log(),
        )


def last_written(ids_BU: Tensor) -> Tensor:
    """[B, U, R]: at each place the last pieces up to it, latest first, spaces left out."""
    spaces_BU = ids_BU == SPACE
    spaceless_BU = ids_BU.gather(1, spaces_BU.to(torch.uint8).argsort(stable=True, dim=1))
    back_BUR = (~spaces_BU).cumsum(1)[..., None] - torch.arange(1, RUN + 1, device=ids_BU.device)
    rows_BUU = spaceless_BU[:, None].expand(-1, ids_BU.shape[1], -1)
    return rows_BUU.gather(2, back_BUR.clamp(min=0)).masked_fill(back_BUR < 0, NOTHING)


def _runs(recent: Recent, source: Source) -> Iterator[Tensor]:
    """[B, U, P] each: whether the one last piece, the two last, … stand before a piece.

    Where the input has spaces, as a summary does, they have to be written as well.
    """
    ids_BP = source.ids_BP
    just_before_BP = functional.pad(ids_BP, (1, -1), value=NOTHING - 1)
    spaceless_BP = (ids_BP != SPACE) & (just_before_BP != SPACE)
    going_BUP = (recent.ids_BU[:, :, None] == just_before_BP[:, None]) | spaceless_BP[:, None]
    for index in range(RUN):
        same_BUP = (
            recent.without_spaces_BUR[:, :, index, None] == source.before_BPR[:, None, :, index]
        )
        going_BUP = going_BUP & same_BUP
        yield going_BUP
