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
    groups = _Groups(example, scopes)
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
            names[key] = group[_drawn(groups.weights(site), rng)].tolist()
        rows.append(names[key])
    return Ragged.of(rows)


class _Groups:
    """The groups of names that fit the sites of one function."""

    def __init__(self, example: Example, scopes: Scopes) -> None:
        self.example, self.scopes = example, scopes
        self._texts: dict[int, list[str]] = {}
        self._categories: dict[tuple[int, int], list[str]] = {}

    def weights(self, site: Site) -> NDArray[np.float64]:
        """Weights of a group's names in place of the one at ``site``."""
        group = site.candidates
        if group not in self._texts:
            texts, members = self.example.name_texts, self.example.groups[group]
            self._texts[group] = [texts[index] for index in members.tolist()]
        weights = np.array(option_weights(site, self._texts[group]))
        found = self.scopes.occurrence(site.start) if site.family == NAME else None
        if found is not None:
            here = self.scopes.category(found.scope, site.state)
            key = (group, found.scope)
            if key not in self._categories:
                self._categories[key] = [
                    self.scopes.category(found.scope, name) for name in self._texts[group]
                ]
            same = [category == here for category in self._categories[key]]
            weights *= np.where(same, 1.0, OTHER_CATEGORY)
        return weights


def _drawn(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to DRAWS indices of weights; where these add up to less than 1 some draws find nothing."""
    spots = (np.arange(DRAWS) + rng.random(DRAWS)) / DRAWS
    picked = np.searchsorted(np.cumsum(weights) / max(1.0, weights.sum()), spots, side="right")
    return picked[picked < len(weights)]
