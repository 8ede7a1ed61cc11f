"""The repair head: p(bug) · p(site | bug) · p(edit | site, bug), and its losses.

Legend: B functions, T words, D width, S sites, A actions, K candidate names, N occurrences.
A site is the more suspicious the better another choice scores there than what stands there.
Candidate names are pointed at: a key is made of the name's pieces and of the encoder states where
it occurs in view, so names outside the window can be chosen too. In the manner of pointer networks
for variable misuse (Vasic et al. 2019, arXiv:1904.01720); the dense objective is ELECTRA's (Clark
et al. 2020, arXiv:2003.10555) over sites of candidate edits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.model.config import ModelConfig
from codemtl.model.layers import mean_by_slot, norm

MASKED = -1e4  # logit of what is not permitted; fits fp16


class RepairScores(NamedTuple):
    """Logits. ``action`` and ``name`` are masked to what is permitted at each site."""

    bug_B: Tensor
    site_BS: Tensor
    action_BSA: Tensor
    name_BSK: Tensor


class RepairHead(nn.Module):
    """Scores sites and edits from encoder states."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.family = nn.Embedding(config.families, width)
        self.site = nn.Linear(2 * width, width)
        self.site_hidden = nn.Linear(width, width)
        self.site_norm = norm(config)
        self.site_score = nn.Linear(width, 1)
        self.contrast_embedding = nn.Parameter(torch.zeros(config.families))
        self.action = nn.Linear(width, config.actions)
        self.query = nn.Linear(width, width)
        self.name_pieces = nn.Linear(width, width, bias=False)
        self.name_states = nn.Linear(width, width)
        self.name_norm = norm(config)
        self.bug_hidden = nn.Linear(2 * width + 1, width)
        self.bug_score = nn.Linear(width, 1)

    def forward(
        self, states_BTD: Tensor, names_BKD: Tensor, batch: dict[str, Tensor]
    ) -> RepairScores:
        """Scores for the arrays that ``tasks.repair.collate`` makes; ``names`` as spelled."""
        site_BSD = self._site_states(states_BTD, batch)
        action_BSA = self.action(site_BSD).float()
        keys_BKD = self._name_keys(states_BTD, names_BKD, batch)
        scale = keys_BKD.shape[-1] ** -0.5
        name_BSK = (self.query(site_BSD) @ keys_BKD.transpose(1, 2)).float() * scale
        here_BS = _at_state(action_BSA, name_BSK, batch)
        action_BSA = action_BSA.masked_fill(~batch["action_mask"], MASKED)
        name_BSK = name_BSK.masked_fill(~batch["name_mask"], MASKED)
        best_BS = torch.maximum(action_BSA.logsumexp(-1), name_BSK.logsumexp(-1))
        contrast = functional.embedding(batch["site_family"], self.contrast_embedding[:, None])
        site_BS = self.site_score(site_BSD).squeeze(-1).float()
        site_BS = site_BS + contrast.squeeze(-1) * (best_BS - here_BS).clamp(-20.0, 20.0)
        site_BS = site_BS.masked_fill(~batch["site_mask"], MASKED)
        return RepairScores(
            self._bug(states_BTD, site_BSD, site_BS, batch), site_BS, action_BSA, name_BSK
        )

    def losses(
        self, states_BTD: Tensor, names_BKD: Tensor, batch: dict[str, Tensor], dense: bool
    ) -> dict[str, Tensor]:
        """Those of `repair_losses`."""
        return repair_losses(self(states_BTD, names_BKD, batch), batch, dense)

    def _site_states(self, states_BTD: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """What is known of each site [B, S, D]: its first and last piece and its family."""
        width = states_BTD.shape[-1]
        ends = [
            states_BTD.gather(1, batch[key].unsqueeze(-1).expand(-1, -1, width))
            for key in ("site_first", "site_last")
        ]
        x = self.site(torch.cat(ends, dim=-1)) + self.family(batch["site_family"])
        site_BSD: Tensor = self.site_norm(x + self.site_hidden(functional.gelu(x)))
        return site_BSD

    def _name_keys(self, states_BTD: Tensor, names_BKD: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Keys [B, K, D]: the name as spelled and the mean of the states where it occurs."""
        rows, names, width = names_BKD.shape
        occurring = states_BTD.flatten(0, 1).index_select(0, batch["occurrence_position"])
        seen = mean_by_slot(occurring, batch["occurrence_slot"], rows * names)
        keys: Tensor = self.name_norm(
            self.name_pieces(names_BKD) + self.name_states(seen).view(rows, names, width)
        )
        return keys

    def _bug(
        self, states_BTD: Tensor, site_BSD: Tensor, site_BS: Tensor, batch: dict[str, Tensor]
    ) -> Tensor:
        """Logit [B]: from the function's state and the most suspicious site, at any length."""
        position = batch["fn_position"][:, None, None].expand(-1, -1, states_BTD.shape[-1])
        whole = states_BTD.gather(1, position).squeeze(1)
        weights = site_BS.softmax(-1).to(site_BSD.dtype)
        suspect = (weights.unsqueeze(1) @ site_BSD).squeeze(1)
        top = site_BS.amax(-1, keepdim=True).clamp(min=-20.0).to(whole.dtype)
        hidden = functional.gelu(self.bug_hidden(torch.cat((whole, suspect, top), dim=-1)))
        bug_B: Tensor = self.bug_score(hidden).squeeze(-1).float()
        return bug_B


def _at_state(action_BSA: Tensor, name_BSK: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Logit [B, S] of what stands at each site; 0 where that is neither a name nor an action."""
    state_BS1 = batch["site_state"].unsqueeze(-1)
    at_name = name_BSK.gather(-1, state_BS1.clamp(0, name_BSK.shape[-1] - 1))
    at_action = action_BSA.gather(-1, state_BS1.clamp(0, action_BSA.shape[-1] - 1))
    is_name = batch["name_mask"].any(-1, keepdim=True)
    here = torch.where(is_name, at_name, at_action)
    return here.masked_fill(state_BS1 < 0, 0.0).squeeze(-1)


def repair_losses(scores: RepairScores, batch: dict[str, Tensor], dense: bool) -> dict[str, Tensor]:
    """Summed losses by term, and counts of what was predicted right.

    ``bug`` over functions; ``token`` (dense) over sites or ``site`` (one bug) over buggy functions;
    ``edit`` over corrupted sites.
    """
    bug = batch["bug"]
    losses = {
        "bug": functional.binary_cross_entropy_with_logits(scores.bug_B, bug, reduction="sum")
    }
    label = batch["site_label"].float()
    real = batch["site_mask"]
    if dense:
        each = functional.binary_cross_entropy_with_logits(scores.site_BS, label, reduction="none")
        losses["token"] = (each * real).sum()
    else:
        chosen = (scores.site_BS.log_softmax(-1) * label).sum()
        losses["site"] = -chosen
    action, name = batch["action_label"], batch["name_label"]
    edit = functional.cross_entropy(
        scores.action_BSA.flatten(0, 1), action.flatten(), ignore_index=-100, reduction="sum"
    ) + functional.cross_entropy(
        scores.name_BSK.flatten(0, 1), name.flatten(), ignore_index=-100, reduction="sum"
    )
    losses["edit"] = edit
    right_edit = (scores.action_BSA.argmax(-1) == action) | (scores.name_BSK.argmax(-1) == name)
    right_edit &= batch["site_label"] > 0
    losses["edit_correct"] = right_edit.sum().detach()
    top = scores.site_BS.argmax(-1, keepdim=True)
    located = batch["site_label"].gather(1, top).squeeze(1) > 0
    losses["site_correct"] = located.sum().detach()
    losses["joint_correct"] = (located & right_edit.gather(1, top).squeeze(1)).sum().detach()
    losses["bug_correct"] = ((scores.bug_B > 0) == (bug > 0)).sum().detach()
    return losses
