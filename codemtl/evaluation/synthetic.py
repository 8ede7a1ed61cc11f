"""Bugs made on purpose, one in a function, for the suite ``synthetic``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from codemtl.corpus.synthetic import Mutation, mutate, sample_bug
from codemtl.syntax.actions import Site
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit, apply, common_prefix
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree, parse

Draw = Callable[[SourceTree, Definition, Scopes, np.random.Generator], Mutation | None]


class Made(NamedTuple):
    """A bug that was made, and its fix, as (start, end, replacement)."""

    qualname: str
    kind: str
    bug: tuple[int, int, str]  # of the file as it is
    fix: tuple[int, int, str]  # of the file with the bug


def make_bug(data: bytes, start: int, seed: int, uniform: bool) -> Made | None:
    """One random bug in the function at ``start``; None where nothing can be broken.

    Bugs are drawn by plausibility, or ``uniform`` over sites and what could stand there.
    """
    draw: Draw = uniform_bug if uniform else sample_bug
    tree = parse(data)
    definition = function_at(tree, start)
    if definition is None:
        return None
    found = draw(tree, definition, analyze(tree), np.random.default_rng(seed))
    if found is None:
        return None
    fix = (found.fix.start, found.fix.end, found.fix.replacement)
    return Made(definition.qualname, found.kind, difference(data, found.mutated), fix)


def uniform_bug(
    tree: SourceTree, definition: Definition, scopes: Scopes, rng: np.random.Generator
) -> Mutation | None:
    """Any edit at any site, however unlikely that somebody makes that mistake."""
    found = enumerate_sites(tree, definition.node, scopes)
    sites: list[tuple[Site, list[int | str]]] = []
    for one in found.sites:
        names = () if one.options else found.groups[one.candidates]
        choices: list[int | str] = [*one.options, *(name for name in names if name != one.state)]
        if choices and not one.alone:
            sites.append((one, choices))
    if not sites:
        return None
    site, choices = sites[int(rng.integers(len(sites)))]
    return mutate(tree, site, choices[int(rng.integers(len(choices)))])


def mutated(data: bytes, bug: tuple[int, int, str]) -> bytes:
    """The file with the bug in it."""
    return apply(data, [Edit(*bug)])


def function_at(tree: SourceTree, start: int) -> Definition | None:
    """The function whose ``def`` starts at a byte offset."""
    return next((one for one in functions(tree) if one.node.start_byte == start), None)


def difference(old: bytes, new: bytes) -> tuple[int, int, str]:
    """The shortest edit from ``old`` to ``new`` that cuts no character."""
    head = common_prefix(old, new)
    while head and _inside(old, head):
        head -= 1
    tail = common_prefix(old[head:][::-1], new[head:][::-1])
    while tail and _inside(old, len(old) - tail):
        tail -= 1
    return head, len(old) - tail, new[head : len(new) - tail].decode()


def _inside(data: bytes, offset: int) -> bool:
    return offset < len(data) and data[offset] & 0xC0 == 0x80
