"""Plausible wrong choices for each site, drawn once when shards are prepared.

Training corrupts pieces without a syntax tree, so what a programmer might have written by mistake
(``corpus.plausibility``) is drawn beforehand: ``DRAWS`` times a site, with repetition, so that
more plausible mistakes are there more often. A site with fewer draws is corrupted less often, and
one that no other place in the file could repair never. One draw falls into each equal part of the
probability, and the sites of one name share their draws: it packs to half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codemtl.corpus.plausibility import OTHER_CATEGORY, integer_weight, option_weights
from codemtl.syntax.actions import INTEGER, NAME, Site
from codemtl.tasks.example import Example, Ragged

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

DRAWS = 8


def draw_decoys(example: Example, scopes: Scopes, rng: np.random.Generator) -> Ragged:
    """For each site of an example from live source: indices of names, or of the site's options."""
    names: dict[tuple[int, str, bool], list[int]] = {}
    rows: list[list[int]] = []
    for index, site in enumerate(example.sites):
        if site.candidates < 0:
            weights = np.array(option_weights(site))
            if site.family == INTEGER:
                weights *= integer_weight(scopes.tree.data[site.start : site.end].decode())
            rows.append(_drawn(weights, rng).tolist())
            continue
        key = (site.candidates, site.state, site.alone)
        if key not in names:
            group = example.groups[int(example.site_group[index])]
            names[key] = group[_drawn(_name_weights(example, site, scopes), rng)].tolist()
        rows.append(names[key])
    return Ragged.of(rows)


def _drawn(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to DRAWS indices of weights; where these add up to less than 1 some draws find nothing."""
    spots = (np.arange(DRAWS) + rng.random(DRAWS)) / DRAWS
    picked = np.searchsorted(np.cumsum(weights) / max(1.0, weights.sum()), spots, side="right")
    return picked[picked < len(weights)]


def _name_weights(example: Example, site: Site, scopes: Scopes) -> NDArray[np.float64]:
    """Weights of a group's names in place of the one at ``site``."""
    group = [example.name_texts[int(i)] for i in example.groups[site.candidates]]
    weights = np.array(option_weights(site, group))
    found = scopes.occurrence(site.start) if site.family == NAME else None
    if found is not None:
        here = scopes.category(found.scope, site.state)
        same = [scopes.category(found.scope, name) == here for name in group]
        weights *= np.where(same, 1.0, OTHER_CATEGORY)
    return weights
