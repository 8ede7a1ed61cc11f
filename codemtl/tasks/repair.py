"""Bug repair: is there a bug, at which site, and which edit undoes it.

Example: ``return a + b`` was corrupted to ``return a - b``

    function label   1 (a bug)
    sites            name a   binary-operator -   name b
    site labels           0                   1        0
    edit at site 1   action ("binary-operator", "+")

p(bug) · p(site | bug) · p(edit | site, bug). How bugs are made: `tasks.corruption`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codemtl.syntax.actions import ACTIONS, UNDEFINED, Site, edit_for, edit_for_name
from codemtl.syntax.edits import Edit
from codemtl.tasks.batches import (
    Batch,
    SpecialIds,
    encoder_arrays,
    encoder_input,
    pad,
    spelling,
)
from codemtl.tasks.corruption import RepairInput, corrupt_dense, corrupt_single
from codemtl.tasks.example import FAMILY_ID, Example, Ints
from codemtl.tasks.noise import mislabel
from codemtl.tasks.task import CLEAN, Columns, Draw, Task, Vocabulary

if TYPE_CHECKING:  # training from prepared shards needs no tree-sitter
    from codemtl.syntax.tree import SourceTree


def collate(inputs: Sequence[RepairInput], specials: SpecialIds, *, dense: bool) -> Batch:
    """Pad inputs into arrays. B functions, T words, S sites, A actions, K names.

    ``input_*`` and ``lengths`` as of `encoder_arrays`, ``fn_position`` [B], ``site_first``/
    ``site_last``/``site_family`` [B, S] (positions in T), ``site_state`` [B, S] (name or action
    that stands there, -1: neither), ``site_mask`` [B, S], ``action_mask`` [B, S, A],
    ``name_mask`` [B, S, K], ``name_*`` the K candidate names as of `spelling`,
    ``occurrence_position``/``occurrence_slot`` [M] (row * T + word, row * K + name);
    labels: ``bug`` [B], ``site_label`` [B, S], ``action_label``/``name_label`` [B, S] (-100: none).
    """
    rows = [encoder_input(specials, item.example.context, item.pieces) for item in inputs]
    arrays, words = encoder_arrays([pieces for pieces, _ in rows], specials.pad)
    tables = [
        item.example.names.values if len(item.example.names) else _NAMELESS for item in inputs
    ]
    arrays |= spelling(tables, specials.pad, "name_")[0]
    width, names = arrays["input_ids"].shape[1], arrays["name_ids"].shape[1]
    sites = max(1, *(len(item.start) for item in inputs))
    starts = [start for _, start in rows]
    arrays |= {
        "fn_position": np.array([w[at - 1] for w, at in zip(words, starts, strict=True)], np.int64),
        "bug": np.array([item.replaced.any() for item in inputs], np.float32),
        "action_mask": np.zeros((len(inputs), sites, len(ACTIONS)), np.bool_),
        "name_mask": np.zeros((len(inputs), sites, names), np.bool_),
    }
    columns: dict[str, list[NDArray[Any]]] = {key: [] for key in _SITE_COLUMNS}
    flat: dict[str, list[NDArray[Any]]] = {key: [] for key in _FLAT_COLUMNS}
    for row, (item, start, word) in enumerate(zip(inputs, starts, words, strict=True)):
        _site_columns(item, word[start:], columns)
        _masks(item, arrays["action_mask"][row], arrays["name_mask"][row])
        _occurrences(item.example.context_names, word[1:], row * width, row * names, flat)
        _occurrences(item.names_at, word[start:], row * width, row * names, flat)
    for key, fill in _SITE_COLUMNS.items():
        arrays[key] = pad(columns[key], fill)
        if arrays[key].shape[1] < sites:
            arrays[key] = np.full((len(inputs), sites), fill, np.int64)
    arrays["site_mask"] = arrays["site_family"] >= 0
    arrays["site_family"] = np.maximum(arrays["site_family"], 0)
    for key, values in flat.items():
        arrays[key] = np.concatenate(values).astype(np.int64)
    edits = int((arrays["action_label"] >= 0).sum() + (arrays["name_label"] >= 0).sum())
    buggy = float(arrays["bug"].sum())
    counts = {"edit": float(edits), "bug": float(len(inputs))}
    counts["token" if dense else "site"] = float(arrays["site_mask"].sum()) if dense else buggy
    return Batch("repair", arrays, counts)


_SITE_COLUMNS = {
    "site_first": 0, "site_last": 0, "site_family": -1, "site_state": -1, "site_label": 0,
    "action_label": -100, "name_label": -100,
}  # fmt: skip
_FLAT_COLUMNS = ("occurrence_position", "occurrence_slot")
_NAMELESS = np.zeros(1, np.int32)  # a function without candidate names gets one that is no one's


def _site_columns(item: RepairInput, words: Ints, columns: dict[str, list[NDArray[Any]]]) -> None:
    """Positions and labels of one row's sites; ``words`` are the positions of its pieces.

    An empty slot is represented by a neighbour.
    """
    empty = item.start == item.end
    offset = item.family == FAMILY_ID["offset"]
    last_piece = max(len(item.pieces) - 1, 0)
    first = np.where(empty & offset, item.start - 1, item.start)
    last = np.where(empty, first, item.end - 1)
    columns["site_first"].append(words[np.clip(first, 0, last_piece)])
    columns["site_last"].append(words[np.clip(last, 0, last_piece)])
    columns["site_family"].append(item.family)
    columns["site_state"].append(item.state)
    columns["site_label"].append(item.replaced)
    columns["action_label"].append(np.where(item.action >= 0, item.action, -100))
    columns["name_label"].append(np.where(item.name >= 0, item.name, -100))


def _masks(item: RepairInput, actions: NDArray[np.bool_], names: NDArray[np.bool_]) -> None:
    """Which actions and names are permitted at each site of one row."""
    for site, permitted in enumerate(item.permitted):
        if item.group[site] >= 0:
            names[site, item.example.groups[item.group[site]]] = True
            if item.state[site] >= 0:
                names[site, item.state[site]] = False
        else:
            actions[site, permitted] = True


def _occurrences(
    names_at: Ints, words: Ints, first_word: int, first_name: int,
    flat: dict[str, list[NDArray[Any]]],
) -> None:  # fmt: skip
    """Where one row's candidate names occur; a name is one word, so its pieces count once."""
    where = np.flatnonzero(names_at >= 0)
    where = where[np.diff(words[where], prepend=-1) > 0]
    flat["occurrence_position"].append(words[where] + first_word)
    flat["occurrence_slot"].append(names_at[where] + first_name)


GUESS = 0.5  # probability of a name, given the place, from which it is worth saying


@dataclass(frozen=True, slots=True)
class ScoredEdit:
    """One possible edit of a function, with the parts of its probability."""

    site: Site
    edit: Edit
    kind: str
    bug_logit: float  # log-odds that the function has a bug, uncalibrated
    p_site: float  # given a bug
    p_edit: float  # given a bug at the site
    index: int  # of the site in its input
    choice: int  # action or name index


def decode(
    tree: SourceTree,
    item: RepairInput,
    bug_logit: float,
    site_probabilities: NDArray[np.float32],
    action_probabilities: NDArray[np.float32],
    name_probabilities: NDArray[np.float32],
    top: int = 10,
    undefined: Collection[int] = (),
) -> list[ScoredEdit]:
    """The ``top`` most probable edits of an input made from live source, best first.

    After them those for names that nothing defines, which begin at the bytes ``undefined`` of the
    file: the most probable name for each, if it is more probable than all others together.
    Probabilities are [S], [S, A] and [S, K] as the model's softmax gives them.
    """
    sites = item.example.sites
    count = len(sites)
    if not count:
        return []
    per_site = np.where(
        (item.group >= 0)[:, None],
        _padded(name_probabilities[:count], len(ACTIONS)),
        _padded(action_probabilities[:count], name_probabilities.shape[1]),
    )
    joint = site_probabilities[:count, None] * per_site
    order = np.argsort(joint, axis=None)[::-1][:top]

    def scored(index: int, choice: int, kind: str = "") -> ScoredEdit:
        site = sites[index]
        if site.candidates >= 0:
            edit = edit_for_name(tree, site, item.example.name_texts[choice])
        else:
            edit = edit_for(tree, site, choice)
        own = site.kind if site.candidates >= 0 else ACTIONS[choice].kind
        return ScoredEdit(
            site, edit, kind or own, bug_logit,
            float(site_probabilities[index]), float(per_site[index, choice]), index, choice,
        )  # fmt: skip

    places = [divmod(flat, joint.shape[1]) for flat in order.tolist()]
    found = [scored(*place) for place in places if joint[place] > 0]
    for index, site in enumerate(sites):
        best = int(per_site[index].argmax())
        if site.start in undefined and site.candidates >= 0 and per_site[index, best] > GUESS:
            found.append(scored(index, best, UNDEFINED))
    return found


def _padded(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """At least ``width`` columns, zeros to the right."""
    return np.pad(values, ((0, 0), (0, max(0, width - values.shape[1]))))


class Repair(Task):
    """Pretraining on many made bugs a function, fine-tuning on one or none, made or real."""

    name = "repair"
    terms = ("bug", "token", "site", "edit")
    stages = ("dense", "single", "real")
    curriculum: ClassVar[Mapping[str, float]] = {"dense": 0.6, "single": 0.4}
    accuracies: ClassVar[Mapping[str, str]] = {
        "dense_edit": "dense_edit",
        "edit": "edit", "site": "site", "joint": "site", "bug": "bug",
        "real_edit": "real_edit", "real_site": "real_site", "real_joint": "real_site",
        "real_bug": "real_bug",
    }  # fmt: skip
    score = "joint_accuracy"
    real_score = "real_joint_accuracy"

    def usable(self, data: Columns) -> NDArray[np.bool_]:
        """[F] those with sites; functions with a real bug have a stage of their own."""
        found: NDArray[np.bool_] = (data.site_counts > 0) & ~data.buggy
        return found

    def batch(self, examples: Sequence[Example], vocabulary: Vocabulary, draw: Draw) -> Batch:
        """A micro-batch of functions corrupted as the stage asks."""
        dense = draw.stage == "dense"
        inputs = []
        for example, other, rng in zip(examples, draw.wrong(), draw.each(), strict=True):
            if dense:
                item = corrupt_dense(example, rng)
            else:
                clean = CLEAN if len(example.fix) else draw.clean
                item = corrupt_single(example, rng, clean)
            inputs.append(item if other is None else mislabel(item, rng))
        return collate(inputs, vocabulary.specials, dense=dense)
