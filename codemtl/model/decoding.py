"""Beam search over a text head with cached keys and values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codemtl.model.copying import Recent
from codemtl.model.layers import embed
from codemtl.model.network import Heads
from codemtl.model.text_head import Memory, TextHead, reorder_cache

LENGTH_PENALTY = 0.6


@torch.no_grad()
def beam_search(
    network: Heads,
    task: str,
    batch: dict[str, Tensor],
    *,
    bos: int,
    eos: int,
    beams: int,
    limit: int,
    no_repeat: int = 0,
    begin: Sequence[int] = (),
    never: Sequence[int] = (),
) -> list[list[tuple[list[int], float]]]:
    """For each row of ``batch`` up to ``beams`` hypotheses (pieces, score), best first.

    The score is the log-probability over length ** LENGTH_PENALTY (Wu et al. 2016,
    arXiv:1609.08144). ``limit`` is the number of pieces at most. One beam is greedy decoding.
    No run of ``no_repeat`` pieces comes twice in a hypothesis (Paulus et al. 2018,
    arXiv:1705.04304); 0 permits all. All hypotheses begin with the pieces ``begin``, and go on
    with none of the pieces ``never``.
    """
    head, embedding = network.text_head(task), network.encoder.embedding.weight
    memory = network.memory(task, batch)
    return [
        _one(
            embedding, head, memory.row(row), bos=bos, eos=eos, beams=beams, limit=limit,
            no_repeat=no_repeat, begin=begin, never=never,
        )
        for row in range(len(memory.mask))
    ]  # fmt: skip


@torch.no_grad()
def log_probabilities(
    network: Heads, task: str, batch: dict[str, Tensor], texts: Sequence[Sequence[int]], *,
    bos: int, eos: int,
) -> list[float]:  # fmt: skip
    """The log-probability of each text, its end included, given the only input of ``batch``."""
    head, embedding = network.text_head(task), network.encoder.embedding.weight
    memory = network.memory(task, batch).row(0).spread(len(texts))
    width = max(len(text) for text in texts) + 1
    labels = torch.tensor([[*text, eos] + [-1] * (width - len(text) - 1) for text in texts])
    ids = torch.tensor([[bos, *text] + [bos] * (width - len(text) - 1) for text in texts])
    labels, ids = labels.to(memory.mask.device), ids.to(memory.mask.device)
    hidden = head.states(embed(ids, embedding), memory)
    asked = torch.nonzero(labels >= 0, as_tuple=True)
    found = head.log_probabilities(embedding, hidden, Recent.of(ids), asked, memory)
    each = found.gather(1, labels[asked].unsqueeze(1)).squeeze(1)
    sums = torch.zeros(len(texts), device=each.device).index_add(0, asked[0], each)
    return [float(one) for one in sums]


def _one(
    embedding: Tensor,
    head: TextHead,
    memory: Memory,
    *,
    bos: int,
    eos: int,
    beams: int,
    limit: int,
    no_repeat: int,
    begin: Sequence[int],
    never: Sequence[int],
) -> list[tuple[list[int], float]]:
    """Beam search for one encoder input."""
    cache = TextHead.new_cache(len(head.layers))
    ids = torch.tensor([[bos]], device=memory.mask.device)
    totals = torch.zeros(1, device=memory.mask.device)
    for piece in begin:
        totals = totals + head.next_piece(embedding, ids, memory, cache)[:, piece]
        ids = torch.cat((ids, ids.new_tensor([[piece]])), 1)
    sequences: list[list[int]] = [[*begin]]
    done: list[tuple[list[int], float]] = []
    for length in range(len(begin) + 1, limit + 1):
        following = head.next_piece(embedding, ids, memory.spread(len(ids)), cache)
        scores = totals[:, None] + following
        for row, sequence in enumerate(sequences):
            barred = never if length == len(begin) + 1 else ()
            scores[row, [*_repeating(sequence, no_repeat), *barred]] = -torch.inf
        best = scores.flatten().topk(min(2 * beams, scores.numel()))
        rows, pieces = best.indices // following.shape[-1], best.indices % following.shape[-1]
        keep: list[int] = []
        for index, (row, piece) in enumerate(zip(rows.tolist(), pieces.tolist(), strict=True)):
            if piece != eos and len(keep) < beams:
                keep.append(index)
            elif piece == eos and index < beams:  # an end among worse ones is no hypothesis
                done.append((sequences[row], float(best.values[index]) / length**LENGTH_PENALTY))
        ceiling = float(best.values[keep[0]]) / limit**LENGTH_PENALTY if keep else 0.0
        if _finished(done, beams, ceiling):
            break
        chosen = torch.tensor(keep, device=ids.device)
        sequences = [[*sequences[int(rows[i])], int(pieces[i])] for i in keep]
        totals = best.values[chosen]
        ids = torch.cat((ids[rows[chosen]], pieces[chosen].unsqueeze(1)), 1)
        reorder_cache(cache, rows[chosen])
    else:
        done += [
            (sequence, float(total) / limit**LENGTH_PENALTY)
            for sequence, total in zip(sequences, totals, strict=True)
        ]
    return sorted(done, key=lambda item: -item[1])[:beams]


def _repeating(sequence: list[int], size: int) -> list[int]:
    """The pieces after which a run of ``size`` pieces would have come twice."""
    if not 0 < size <= len(sequence):
        return []
    last = sequence[len(sequence) - size + 1 :]
    starts = range(len(sequence) - size + 1)
    return [sequence[at + size - 1] for at in starts if sequence[at : at + size - 1] == last]


def _finished(done: list[tuple[list[int], float]], beams: int, ceiling: float) -> bool:
    """Whether no unfinished hypothesis, at most worth ``ceiling``, can still be among the best."""
    if len(done) < beams:
        return False
    return beams == 1 or sorted((score for _, score in done), reverse=True)[beams - 1] >= ceiling
