"""Bugs made on purpose: a plausible wrong edit in a correct function, and the edit that fixes it.

Example: from ``while low < high`` comes ``while low <= high`` and the fix ``<=`` -> ``<``.

A mutant that means the same as the original teaches falsehood. Equivalent operators are left out
where sites are enumerated; here those mutants are dropped that have the same tokens, do not parse,
read a name before anything could be in it, put an alias for a name, or lost the name that would
repair them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codemtl.corpus.plausibility import (
    FAMILY_WEIGHTS,
    OTHER_CATEGORY,
    integer_weight,
    option_weights,
)
from codemtl.syntax.actions import INTEGER, NAME, FunctionSites, Site, edit_for, edit_for_name
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.names import FUNCTION
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree, error_count, parse

ATTEMPTS = 24


@dataclass(frozen=True, slots=True)
class Mutation:
    """A file with one bug. ``fix`` is an edit of ``mutated`` that gives the original back."""

    site: Site  # in the original
    choice: int | str  # the action or the name that was put there
    mutated: bytes
    fix: Edit
    kind: str


def sample_bug(
    tree: SourceTree,
    definition: Definition,
    scopes: Scopes,
    rng: np.random.Generator,
) -> Mutation | None:
    """One random plausible bug in a function; None where it offers none.

    ``scopes`` must be ``analyze(tree)``.
    """
    return next(mutations(tree, definition, scopes, rng), None)


def mutations(
    tree: SourceTree,
    definition: Definition,
    scopes: Scopes,
    rng: np.random.Generator,
) -> Iterator[Mutation]:
    """Random bugs of a function without repetition, until several draws in a row yield nothing."""
    found = enumerate_sites(tree, definition.node, scopes)
    families: dict[str, list[int]] = {}
    for index, site in enumerate(found.sites):
        families.setdefault(site.family, []).append(index)
    labels = list(families)
    weights = np.array([FAMILY_WEIGHTS[x] * len(families[x]) ** 0.5 for x in labels])
    text = tree.text(definition.node)
    seen: set[tuple[int, int | str]] = set()
    failures = 0
    while labels and failures < ATTEMPTS:
        failures += 1
        family = labels[_draw(weights, rng)]
        index = families[family][int(rng.integers(len(families[family])))]
        site = found.sites[index]
        choice = _choose(scopes, found, site, rng)
        if choice is None or (index, choice) in seen:
            continue
        if isinstance(choice, str) and _are_aliases(text, site.state, choice):
            continue
        seen.add((index, choice))
        mutation = mutate(tree, site, choice)
        if mutation is not None:
            failures = 0
            yield mutation


def mutate(tree: SourceTree, site: Site, choice: int | str) -> Mutation | None:
    """Apply an action or name at a site; None if the result is the same or does not parse."""
    if isinstance(choice, str):
        edit = edit_for_name(tree, site, choice)
    else:
        edit = edit_for(tree, site, choice)
    mutated = apply(tree.data, [edit])
    if b"".join(mutated.split()) == b"".join(tree.data.split()):
        return None
    if error_count(parse(mutated)) > error_count(tree):
        return None
    before = tree.data[edit.start : edit.end].decode("utf-8")
    fix = Edit(edit.start, edit.start + len(edit.replacement.encode()), before)
    return Mutation(site, choice, mutated, fix, site.kind)


def _choose(
    scopes: Scopes, found: FunctionSites, site: Site, rng: np.random.Generator
) -> int | str | None:
    """A plausible alternative; None the more often, the less plausible all of them are."""
    group = found.groups[site.candidates] if site.candidates >= 0 else ()
    weights = np.array(option_weights(site, group))
    if site.family == NAME:
        weights *= _kinship(scopes, site, group)
    elif site.family == INTEGER:
        weights *= integer_weight(scopes.tree.data[site.start : site.end].decode())
    if rng.random() >= weights.sum():
        return None
    index = _draw(weights, rng)
    return group[index] if group else site.options[index]


def _are_aliases(text: str, one: str, two: str) -> bool:
    """Whether one name is assigned to the other as it is: then they may mean the same."""
    return re.search(rf"\b({one}\s*=\s*{two}|{two}\s*=\s*{one})\s*(?:[\n;#]|$)", text) is not None


def _kinship(scopes: Scopes, site: Site, group: tuple[str, ...]) -> list[float]:
    """Factor of each name for what it names: a local variable is rarely confused with a function.

    0 for a local name that surely has no value yet at the site: nobody overlooks that for long.
    """
    used = scopes.occurrence(site.start)
    if used is None:
        return [0.0] * len(group)
    here = scopes.category(used.scope, site.state)
    factors = []
    for name in group:
        index = scopes.resolve(used.scope, name)
        local = index == used.scope and scopes.scopes[index].kind == FUNCTION
        if local and scopes.first_bound(index, name) > site.start:
            factors.append(0.0)
        else:
            same = scopes.category(used.scope, name) == here
            factors.append(1.0 if same else OTHER_CATEGORY)
    return factors


def _draw(weights: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.choice(len(weights), p=weights / weights.sum()))
