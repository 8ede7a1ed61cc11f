"""The one enumerator of candidate edits: it serves synthetic bugs, the repair head and search.

Example: in ``def f(a, b): return a < b`` there are the sites ``a`` and ``b`` (names, candidates
``a``, ``b``), ``<`` (comparison), and the ends of ``a`` and ``b`` (offset: ``+ 1`` may be missing).

What is computed once a file (operator sites, candidate names) is kept for the last few files.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

from tree_sitter import Node

from codemtl.syntax.actions import (
    ACTION_IDS,
    ACTIONS,
    ATTRIBUTE,
    FAMILIES,
    NAME,
    Action,
    FunctionSites,
    Site,
    edit_for,
    edit_for_name,
    inverse,
)
from codemtl.syntax.candidates import Candidates, FunctionCandidates
from codemtl.syntax.names import CALLEE, LOAD, Occurrence
from codemtl.syntax.operator_sites import operator_sites
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.tree import SourceTree


class _FileSites:
    """The sites of a whole file that its functions take their part of."""

    def __init__(self, scopes: Scopes) -> None:
        self.candidates = Candidates(scopes)
        self.operators = operator_sites(scopes)
        self.operator_starts = [site.start for site in self.operators]
        self.attributes = [
            found
            for found in scopes.attribute_uses
            if found.role in (LOAD, CALLEE) and not found.name.startswith("__")
        ]
        self.attribute_starts = [found.start for found in self.attributes]


@lru_cache(maxsize=2)
def _sites_of_file(scopes: Scopes) -> _FileSites:
    return _FileSites(scopes)


def enumerate_sites(tree: SourceTree, definition: Node, scopes: Scopes) -> FunctionSites:
    """The sites within ``definition`` (a node of ``tree``), in source order.

    ``scopes`` must be ``analyze(tree)``. Parts of inner definitions are included.
    """
    file = _sites_of_file(scopes)
    start, end = definition.start_byte, definition.end_byte
    low, high = (bisect_left(file.operator_starts, at) for at in (start, end))
    sites = file.operators[low:high]
    used = [found for found in scopes.names_within(start, end) if found.role in (LOAD, CALLEE)]
    groups = FunctionCandidates(file.candidates, start, end, used)
    for found in used:
        sites.append(_site(NAME, "variable-misuse", found, groups.name_group(found), file))
    low, high = (bisect_left(file.attribute_starts, at) for at in (start, end))
    attributes = file.attributes[low:high]
    groups.use_attributes(found.name for found in attributes)
    for found in attributes:
        sites.append(
            _site(ATTRIBUTE, "attribute-misuse", found, groups.attribute_group(found), file)
        )
    sites.sort(key=_position)
    return FunctionSites(sites, groups.groups)


def _site(family: str, kind: str, found: Occurrence, group: int, file: _FileSites) -> Site:
    if found.role == CALLEE:
        kind = "call-misuse"
    start, end, name = found[:3]
    alone = file.candidates.alone(found, family == ATTRIBUTE)
    return Site(family, kind, start, end, start, end, name, (), group, alone)


def _position(site: Site) -> tuple[int, int]:
    return site.start, site.end


__all__ = [
    "ACTIONS", "ACTION_IDS", "FAMILIES", "Action", "FunctionSites", "Site", "edit_for",
    "edit_for_name", "enumerate_sites", "inverse",
]  # fmt: skip
