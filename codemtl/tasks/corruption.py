"""Code with bugs made on purpose, and how each is undone: what the repair head learns from.

Example: of ``return a + b`` comes ``return a - b`` with the label ``+`` at the operator.

In pretraining many sites of a function are corrupted at once and every site is a training signal;
in fine-tuning one or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codemtl.corpus.plausibility import FAMILY_WEIGHTS
from codemtl.tasks.decoys import DRAWS
from codemtl.tasks.example import ALL_FAMILIES, FAMILY_ID, Example, Ints

NAME_FAMILIES = (FAMILY_ID["name"], FAMILY_ID["attribute"])
# Share of the sites of a family that dense corruption changes.
DENSE_RATES = {
    "name": 0.2, "attribute": 0.2, "comparison": 0.35, "binary-operator": 0.35,
    "boolean-operator": 0.35, "augmented-assignment": 0.2, "negation": 0.15, "constant": 0.3,
    "integer": 0.3, "offset": 0.1, "argument-swap": 0.2,
}  # fmt: skip
WILD_DENSE, WILD_SINGLE = 0.5, 0.15  # share of mistakes that need not be plausible
ATTEMPTS = 24  # to find a plausible single bug
_SINGLE = np.array([FAMILY_WEIGHTS[family] for family in ALL_FAMILIES])
_DENSE = np.array([DENSE_RATES[family] for family in ALL_FAMILIES])


@dataclass(slots=True)
class RepairInput:
    """One function as the repair head sees it, possibly corrupted. S sites, A actions, K names."""

    pieces: Ints  # [n]
    names_at: Ints  # [n]
    start: Ints  # [S] slots in pieces
    end: Ints  # [S]
    family: Ints  # [S]
    state: Ints  # [S]
    group: Ints  # [S]
    permitted: list[Ints]  # per site: actions
    replaced: NDArray[np.bool_]  # [S]
    action: Ints  # [S] the action that undoes the bug, -1 elsewhere
    name: Ints  # [S] the name that undoes the bug, -1 elsewhere
    example: Example


def as_input(example: Example) -> RepairInput:
    """The function as it stands, without labels."""
    return corrupt(example, [])


def real_bug(example: Example) -> RepairInput:
    """A function with a real bug as it stood, labelled with what repaired it."""
    item = as_input(example)
    site, choice = example.fix.tolist()
    item.replaced[site] = True
    label = item.name if example.site_family[site] in NAME_FAMILIES else item.action
    label[site] = choice
    return item


def real_fix(example: Example) -> RepairInput:
    """The same function after its repair, without a bug."""
    site, choice = example.fix.tolist()
    item = corrupt(example, [(site, option_row(example, site, choice))])
    item.replaced[:] = False
    item.action[:] = item.name[:] = -1
    return item


def option_row(example: Example, site: int, choice: int) -> int:
    """What `corrupt` calls the choice of an action or name at a site."""
    if example.site_family[site] in NAME_FAMILIES:
        return choice
    return int(example.options.offsets[site] + np.flatnonzero(example.options[site] == choice)[0])


def corrupt(example: Example, picks: Sequence[tuple[int, int]]) -> RepairInput:
    """Apply ``picks``: (site, option row) for closed families, (site, name index) for names.

    The slots of the picks must not overlap. Sites inside a changed slot disappear.
    """
    picks = sorted(picks, key=lambda pick: int(example.site_start[pick[0]]))
    start, end = example.site_start, example.site_end
    count = len(start)
    replaced = np.zeros(count, np.bool_)
    action = np.full(count, -1, np.int32)
    name = np.full(count, -1, np.int32)
    state = example.site_state.copy()
    permitted = [example.options[site] for site in range(count)]
    gone = np.zeros(count, np.bool_)
    pieces: list[Ints] = []
    names_at: list[Ints] = []
    deltas = np.zeros(len(picks) + 1, np.int32)
    lengths = {}
    position = 0
    for index, (site, choice) in enumerate(picks):
        first, last = int(start[site]), int(end[site])
        replaced[site] = True
        if example.site_family[site] in NAME_FAMILIES:
            written = example.names[choice]
            written_at = np.full(len(written), choice, np.int32)
            name[site], state[site] = state[site], choice
        else:
            written = example.option_pieces[choice]
            low, high = example.option_pieces.offsets[choice : choice + 2]
            written_at = example.option_names[low:high]
            _apply_option(example, site, choice, state, action, permitted)
            gone |= (start >= first) & (end <= last) & (first < last)
        pieces += [example.pieces[position:first], written]
        names_at += [example.names_at[position:first], written_at]
        lengths[site] = len(written)
        deltas[index + 1] = len(written) - (last - first)
        position = last
    gone[[site for site, _ in picks]] = False
    pieces.append(example.pieces[position:])
    names_at.append(example.names_at[position:])
    new_start, new_end = _moved(example, picks, deltas, lengths)
    keep = ~gone
    return RepairInput(
        np.concatenate(pieces), np.concatenate(names_at), new_start[keep], new_end[keep],
        example.site_family[keep], state[keep], example.site_group[keep],
        [row for row, kept in zip(permitted, keep, strict=True) if kept],
        replaced[keep], action[keep], name[keep], example,
    )  # fmt: skip


def _apply_option(
    example: Example, site: int, choice: int, state: Ints, action: Ints, permitted: list[Ints]
) -> None:
    """Record what option row ``choice`` does to the labels of ``site``."""
    inverse = int(example.option_inverse[choice])
    chosen = int(example.options.values[choice])
    action[site] = inverse
    others = permitted[site]
    if state[site] >= 0:  # an absolute family: the chosen label stands there now
        others = others[others != chosen]
        state[site] = chosen
    permitted[site] = np.union1d(others, [inverse]).astype(np.int32)


def _moved(
    example: Example, picks: Sequence[tuple[int, int]], deltas: Ints, lengths: dict[int, int]
) -> tuple[Ints, Ints]:
    """Where each slot lies after the picks."""
    start, end = example.site_start, example.site_end
    if not picks:
        return start, end
    chosen = np.array([site for site, _ in picks])
    first, last = start[chosen], end[chosen]
    shift = np.cumsum(deltas).astype(np.int32)
    before = np.searchsorted(last, start, side="right")
    within = np.searchsorted(last, end, side="right")
    # an insertion at the very end of a slot does not belong to it
    tail = np.maximum(within - 1, 0)
    within = within - ((within > 0) & (first[tail] == last[tail]) & (last[tail] == end))
    new_start = start + shift[before]
    new_end = np.where(start == end, new_start, end + shift[within])
    for index, (site, _) in enumerate(picks):
        new_start[site] = start[site] + shift[index]
        new_end[site] = new_start[site] + lengths[site]
    return new_start.astype(np.int32), new_end.astype(np.int32)


def _choose(
    example: Example, site: int, rng: np.random.Generator, wild: float
) -> tuple[int, int] | None:
    """A plausible wrong choice for a site, with probability ``wild`` any wrong one, or None.

    Wild mistakes are easy to see; a model learns from them first what belongs where.
    """
    row = example.decoys[site]
    is_name = example.site_family[site] in NAME_FAMILIES
    if not len(row):
        return None
    if rng.random() < wild:
        if is_name:
            group = example.groups[example.site_group[site]]
            others = group[group != example.site_state[site]].tolist()
        else:
            others = list(range(len(example.options[site])))
        if not others:
            return None
        choice = others[int(rng.integers(len(others)))]
    else:
        draw = int(rng.integers(DRAWS))
        if draw >= len(row):
            return None
        choice = int(row[draw])
    if is_name:
        return site, choice
    choice += int(example.options.offsets[site])
    here = example.pieces[example.site_start[site] : example.site_end[site]]
    return None if np.array_equal(example.option_pieces[choice], here) else (site, choice)


def corrupt_dense(example: Example, rng: np.random.Generator, clean: float = 0.1) -> RepairInput:
    """Many bugs at once (replaced-token detection); with probability ``clean`` none at all."""
    count = len(example.site_family)
    if not count or rng.random() < clean:
        return as_input(example)
    scale = rng.uniform(0.3, 1.7)
    hit = np.flatnonzero(rng.random(count) < _DENSE[example.site_family] * scale)
    rng.shuffle(hit)
    taken = np.zeros(len(example.pieces) + 2, np.bool_)
    picks = []
    for site in hit.tolist():
        first, last = int(example.site_start[site]), int(example.site_end[site])
        if taken[first : last + 1].any():
            continue
        pick = _choose(example, site, rng, WILD_DENSE)
        if pick is not None:
            picks.append(pick)
            taken[first : last + 1] = True
    return corrupt(example, picks)


def corrupt_single(example: Example, rng: np.random.Generator, clean: float = 0.5) -> RepairInput:
    """One bug, or with probability ``clean`` none; a real bug where the example holds one."""
    if len(example.fix):
        return real_fix(example) if rng.random() < clean else real_bug(example)
    if not len(example.site_family) or rng.random() < clean:
        return as_input(example)
    families, sizes = np.unique(example.site_family, return_counts=True)
    for _ in range(ATTEMPTS):
        weights = _SINGLE[families] * np.sqrt(sizes)
        family = rng.choice(families, p=weights / weights.sum())
        site = int(rng.choice(np.flatnonzero(example.site_family == family)))
        pick = _choose(example, site, rng, WILD_SINGLE)
        if pick is not None:
            return corrupt(example, [pick])
    return as_input(example)
