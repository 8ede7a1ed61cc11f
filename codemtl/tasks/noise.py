"""Wrong labels for repair, made on purpose, to see whether joint training bears noise better.

The text stays what it is; only what is said of it becomes false. Labels are always ones that the
head may give, so that noise is a mistake and not an impossible target.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codemtl.tasks.corruption import RepairInput
from codemtl.tasks.example import Ints


def mislabel(item: RepairInput, rng: np.random.Generator) -> RepairInput:
    """The same text with other labels.

    A function with bugs is called clean half of the time; otherwise as many other sites are
    blamed as it has bugs, one if it has none, each with any edit that is permitted there. A
    function without bugs in which no edit is possible keeps its labels.
    """
    true = int(item.replaced.sum())
    replaced = np.zeros_like(item.replaced)
    action, name = np.full_like(item.action, -1), np.full_like(item.name, -1)
    wanted = 0 if true and rng.random() < 0.5 else max(1, true)
    for site in rng.permutation(np.flatnonzero(~item.replaced)).tolist():
        if wanted == 0:
            break
        choices = _permitted(item, site)
        if len(choices):
            replaced[site] = True
            (name if item.group[site] >= 0 else action)[site] = rng.choice(choices)
            wanted -= 1
    return replace(item, replaced=replaced, action=action, name=name)


def _permitted(item: RepairInput, site: int) -> Ints:
    """The names or actions that the head may choose at a site."""
    if item.group[site] < 0:
        return item.permitted[site]
    group = item.example.groups[item.group[site]]
    others: Ints = group[group != item.state[site]]
    return others
