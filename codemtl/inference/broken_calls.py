"""Calls that cannot work: an argument is missing, unknown, or one too many, or nobody awaits them.

Reported is a call of a function, class or method that is defined in the file or in its project's
own modules, and cannot be anything else, unless the error is expected around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node

from codemtl.inference.known_calls import KnownCall, known_calls
from codemtl.inference.mended_calls import mended
from codemtl.inference.project import Project
from codemtl.inference.unawaited import awaited
from codemtl.syntax.definitions import Definition
from codemtl.syntax.edits import Edit
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import Refusal, methods_of
from codemtl.syntax.tree import SourceTree

_EXPECTED = re.compile(rb"[Rr]aises|suppress|warns")
_CAUGHT = re.compile(rb"except[ \t]*(?::|\(?[^:]*\b(?:TypeError|(?:Base)?Exception)\b)")


class BrokenCall(NamedTuple):
    """A call that cannot work."""

    known: KnownCall
    trouble: str  # what is wrong, as a sentence
    repair: Edit | None  # None if nobody knows it
    function: str | None  # around it


def broken_calls(scopes: Scopes, project: Project | None) -> list[BrokenCall]:
    """Those of a file, in source order."""
    if scopes.dynamic or scopes.python2:
        return []
    calls = known_calls(scopes, project)
    refusals = [one.signature.refusal(one.call) for one in calls]
    accepted: dict[Definition, list[KnownCall]] = {}
    for one, refusal in zip(calls, refusals, strict=True):
        if refusal is None:
            accepted.setdefault(one.known.definition, []).append(one)
    found = list[BrokenCall]()
    for one, refusal in zip(calls, refusals, strict=True):
        if refusal is not None and not _is_expected(scopes.tree, one.node):
            repair = mended(one, refusal, scopes, accepted.get(one.known.definition, ()))
            trouble = f"{_trouble(one, refusal)}{_where(one)}"
        elif refusal is None and (repair := awaited(one, scopes)) is not None:
            trouble = f"is a coroutine, and nobody awaits it{_where(one)}"
        else:
            continue
        if not _is_overridden(one, scopes, project):
            place = one.node.start_byte if repair is None else repair.start
            owner = scopes.function_of(scopes.scope_at(place).index)
            function = owner.qualname if owner is not None else None
            found.append(BrokenCall(one, f"{one.callee}() {trouble}", repair, function))
    return found


def _trouble(one: KnownCall, refusal: Refusal) -> str:
    if refusal.unknown:
        return f"has no parameter {_listed(refusal.unknown)}"
    if refusal.twice:
        return f"gets {_listed(refusal.twice)} twice"
    if refusal.surplus:
        most = len(one.signature.names)
        arguments = "argument" if most == 1 else "arguments"
        return f"takes {most or 'no'} positional {arguments}, not {one.call.positional}"
    return f"needs {_listed(refusal.missing)}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(repr(one) for one in names)


def _where(one: KnownCall) -> str:
    place, node = one.known.module.place, one.known.definition.node
    file = f" of {place}" if place else ""
    return f" (defined in line {node.start_point.row + 1}{file})"


def _is_expected(tree: SourceTree, node: Node) -> bool:
    """Whether a call stands where a `TypeError` is caught or tested for."""
    above = node.parent
    while above is not None:
        body = above.child_by_field_name("body")
        end = body.start_byte if body is not None else node.start_byte
        if above.type in ("with_statement", "call") and _EXPECTED.search(
            tree.data, above.start_byte, end
        ):
            return True
        if above.type == "try_statement" and any(
            _CAUGHT.match(tree.data, one.start_byte, one.end_byte)
            for one in above.named_children if one.type in ("except_clause", "except_group_clause")
        ):  # fmt: skip
            return True
        above = above.parent
    return False


def _is_overridden(one: KnownCall, scopes: Scopes, project: Project | None) -> bool:
    """Whether another class of the project has such a method of ``self``, with which it works."""
    receiver, _, name = one.callee.rpartition(".")
    if receiver not in ("self", "cls"):
        return False
    texts = [scopes.tree.data]
    if project is not None:
        texts += [text for _, text in project.holding(name)]
    header = re.compile(rb"\b(async[ \t]+)?def[ \t]+" + re.escape(name.encode()) + rb"[ \t]*\(")
    others = [text for text in texts if header.search(text)]
    if one.signature.accepts(one.call):
        return any(found[1] is None for text in others for found in header.finditer(text))
    return any(
        other is None or other.accepts(one.call)
        for text in others for other in methods_of(text, name)
    )  # fmt: skip
