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
from codemtl.inference.soundness import Soundness
from codemtl.inference.unawaited import awaited, is_coroutine
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import Call, Refusal, methods_of
from codemtl.syntax.tree import SourceTree, parse

_EXPECTED = re.compile(rb"[Rr]aises|suppress|warns|xfail|expectedFailure")
_SILENCED = re.compile(
    rb"#.*(?:type:[ \t]*ignore\[[^\]]*call-arg|no-value-for-parameter|too-many-function-args"
    rb"|unexpected-keyword-arg|reportCallIssue|reportUnusedCoroutine)"
)
_SET = (  # a name of a class is bound otherwise than by ``def``
    rb"(?m)(?<!\bself)\.%b[ \t]*(?::[^=\n]*)?=(?!=)"
    rb"|^[ \t]+%b(?:[ \t]*:[^=\n]*)?[ \t]+=(?!=)|^[ \t]+%b=lambda"
    rb"|setattr\([^,\n]*,[ \t]*[\"']%b[\"']|\bimport\b[^\n#]*\b%b\b|^[ \t]+class[ \t]+%b\b"
)
_SEVERAL = rb"class[ \t]+\w+[ \t]*\([^)]*(?:\b%b\b[^),]*,[ \t\n]*[\w.]+[ \t\n]*[,)]|,[^)]*\b%b\b)"
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
    found, works = list[BrokenCall](), dict[tuple[Definition, str, Call], bool]()
    is_sound = Soundness(scopes.tree)
    for one, refusal in zip(calls, refusals, strict=True):
        if refusal is not None and not _is_expected(scopes.tree, one.node):
            repair = mended(one, refusal, scopes, accepted.get(one.known.definition, ()))
            trouble = f"{_trouble(one, refusal)}{_where(one)}"
        elif refusal is None and (repair := awaited(one, scopes)) is not None:
            trouble = f"is a coroutine, and nobody awaits it{_where(one)}"
        else:
            continue
        key = one.known.definition, one.callee, one.call
        if key not in works:
            works[key] = _works_elsewhere(one, scopes, project)
        if works[key]:
            continue
        repair = repair if repair is not None and is_sound.of_edit(repair) else None
        if refusal is None and repair is None:
            continue
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
    named = [one for one in refusal.missing if one]
    return f"needs {_listed(named)}" if named else "needs another positional argument"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(repr(one) for one in names)


def _where(one: KnownCall) -> str:
    place, node = one.known.module.place, one.known.definition.node
    file = f" of {place}" if place else ""
    return f" (defined in line {node.start_point.row + 1}{file})"


def _is_expected(tree: SourceTree, node: Node) -> bool:
    """Whether a call stands where a `TypeError` is caught or tested for, or is silenced."""
    line = tree.data.rfind(b"\n", 0, node.start_byte) + 1
    end = tree.data.find(b"\n", node.end_byte)
    if _SILENCED.search(tree.data, line, end if end >= 0 else len(tree.data)):
        return True
    above = node.parent
    while above is not None:
        inner = above.child_by_field_name("definition") or above
        body = inner.child_by_field_name("body")
        end = body.start_byte if body is not None else node.start_byte
        if above.type in ("with_statement", "call", "decorated_definition") and _EXPECTED.search(
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


def _works_elsewhere(one: KnownCall, scopes: Scopes, project: Project | None) -> bool:
    """Whether another class of the project may have such a method, with which a call works.

    For ``self``: any that is called so, or is set by that name. For ``super()``: any that comes
    between, where a class has several bases. A project that is not read may have all.
    """
    receiver, _, name = one.callee.rpartition(".")
    between = receiver.startswith("super(")
    if receiver not in ("self", "cls") and not between:
        return False
    if project is not None and not project.files:
        return True
    owner = scopes.class_of(scopes.scope_at(one.node).index)
    word = owner.qualname.rpartition(".")[2] if between and owner is not None else name
    texts = [scopes.tree.data]
    if project is not None:
        texts += [text for _, text in project.holding(word)]
    quoted = re.escape(word.encode())
    if between:
        return any(re.search(_SEVERAL % (quoted, quoted), text) for text in texts)
    header = re.compile(rb"\bdef[ \t]+" + quoted + rb"[ \t]*\(")
    if any(re.search(_SET % ((quoted,) * 6), text) for text in texts):
        return True
    others = [text for text in texts if header.search(text)]
    if one.signature.accepts(one.call):
        return any(
            other.name == name and not is_coroutine(other.node)
            for text in others for other in functions(parse(text))
        )  # fmt: skip
    return any(
        other is None or other.accepts(one.call)
        for text in others for other in methods_of(text, name)
    )  # fmt: skip
