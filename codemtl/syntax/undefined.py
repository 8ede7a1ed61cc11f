"""Names that nothing in the file can define, with the names that were probably meant.

Reports must be right nearly always, so whatever could define a name without a visible binding
(star imports, ``exec``, writes through ``globals()`` or to ``builtins``, a test under
``except NameError`` or ``raises(NameError)``) silences the report, for the file or for the name.
So do many such names in one file: something fills its namespace from outside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Query

from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.builtin_names import PYTHON2
from codemtl.syntax.names import (
    ANNOTATION,
    AUGMENTED_STORE,
    CALLEE,
    FUNCTION,
    WORD,
    Occurrence,
)
from codemtl.syntax.suggestions import suggest, suggest_renamed
from codemtl.syntax.tree import SourceTree, captures, language

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

_NAME_ERROR = re.compile(rb"\bNameError\b")
_SHORT = 120  # bytes of a try body that is there to see whether a name exists
_MANY = 6  # different names in a file; of 113 real mistakes one stood among more
_LINE = 400  # bytes around broken text that count as its line, at most
_NEVER = frozenset({"_", "__", "get_ipython", "__class__"})
_BOTH_PYTHONS = re.compile(rb"version_info|PY2|PY3|\bsix\b|python_2_unicode|print_function")
_OF_BUILTINS = re.compile(
    rb"(?:\b__builtins?__|\bbuiltins|\bsys\.modules\[__name__\])\.(\w+)\s*(?::[^=\n]*)?=(?!=)"
)
_LONE_RETURN = re.compile(rb"\r(?!\n)")  # ends a comment for Python, and not for the parser
_SETTERS = re.compile(rb"setattr|__dict__|builtins|__builtin__|globals\(|locals\(|vars\(")


class UndefinedName(NamedTuple):
    """A use of a name, or of an attribute of ``self``, that is bound nowhere.

    ``suggestions`` are replacements, best first, and ``renamed`` is what changes of the file put in
    its place elsewhere; ``kind`` is that of the finding.
    """

    start: int  # bytes
    end: int
    name: str
    function: str | None  # qualified name of the function around it
    suggestions: tuple[str, ...]
    kind: str = UNDEFINED
    renamed: str | None = None
    added: bool = False  # a function only adds to it (``n += 1``), so that no import could help


def undefined_names(scopes: Scopes) -> list[UndefinedName]:
    """The undefined names of a file in source order."""
    if scopes.star or scopes.dynamic or scopes.python2:
        return []
    unresolved = list(_unresolved(scopes))
    data = scopes.tree.data
    if not unresolved or _LONE_RETURN.search(data):
        return []
    excused = _guarded(scopes.tree)
    excused |= {name.decode("utf-8", "replace") for name in _OF_BUILTINS.findall(data)}
    if _BOTH_PYTHONS.search(data):
        excused |= PYTHON2
    sets_names = _SETTERS.search(data) is not None
    kept = [
        found for found in unresolved
        if found.name not in excused and not (sets_names and quoted(data, found.name))
    ]  # fmt: skip
    if len({found.name for found in kept}) > _MANY:
        return []
    return [
        report(scopes, found, suggest(scopes, found), UNDEFINED)._replace(
            renamed=suggest_renamed(scopes, found),
            added=scopes.resolve(found.scope, found.name) != -2,
        )
        for found in kept
    ]


def unresolved_names(scopes: Scopes) -> set[str]:
    """Names that no scope around their uses binds, whatever else may define them.

    To compare two versions of a file by, where a report would keep silent.
    """
    return {found.name for found in _unresolved(scopes)}


def _unresolved(scopes: Scopes) -> Iterator[Occurrence]:
    """Uses of what no scope around them binds, or of what a function only adds to (``n += 1``)."""
    added = Counter(
        (found.scope, found.name) for found in scopes.names if found.role == AUGMENTED_STORE
    )
    only = {
        (index, name) for (index, name), count in added.items()
        if scopes.scopes[index].kind == FUNCTION and scopes.scopes[index].bound.get(name) == count
        and scopes.resolve(scopes.scopes[index].parent, name) == -2
    }  # fmt: skip
    for found in scopes.names:
        if found.name in _NEVER or (found.role > ANNOTATION and found.role != AUGMENTED_STORE):
            continue
        scope = scopes.resolve(found.scope, found.name)
        if scope == -2 or (scope, found.name) in only:
            yield found


def report(
    scopes: Scopes, found: Occurrence, suggestions: tuple[str, ...], kind: str
) -> UndefinedName:
    """What is reported of a name or attribute where it stands."""
    function = scopes.function_of(found.scope)
    qualname = function.qualname if function is not None else None
    return UndefinedName(found.start, found.end, found.name, qualname, suggestions, kind)


def report_attribute(
    scopes: Scopes, found: Occurrence, suggestions: tuple[str, ...]
) -> UndefinedName:
    """The same of an attribute, whose kind is that of its use."""
    kind = "call-misuse" if found.role == CALLEE else "attribute-misuse"
    return report(scopes, found, suggestions, kind)


def _guarded(tree: SourceTree) -> set[str]:
    """Names that a file tries out, under ``except NameError``, or that stand in broken lines and
    may be defined there.
    """
    found = captures(_query(), tree.root)
    data = tree.data
    spans = []
    for node in found.get("broken", []):
        low, high = max(node.start_byte - _LINE, 0), min(node.end_byte + _LINE, len(data))
        start = max(data.rfind(b"\n", low, node.start_byte), low)
        end = data.find(b"\n", node.end_byte, high)
        spans.append((start, end if end >= 0 else high))
    for clause in found.get("except", []):
        body = clause.parent.child_by_field_name("body") if clause.parent is not None else None
        if body is None:
            continue
        head = data[clause.start_byte : data.find(b":", clause.start_byte) + 1]
        catches_all = b"Exception" in head or head.strip() == b"except:"
        short = body.end_byte - body.start_byte <= _SHORT
        if b"NameError" in head or (short and catches_all):
            spans.append((body.start_byte, body.end_byte))
    for match in _NAME_ERROR.finditer(data):
        spans += _tried_out(tree, *match.span())
    return {w.decode("utf-8", "replace") for span in spans for w in WORD.findall(data, *span)}


def _tried_out(tree: SourceTree, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What is expected to raise NameError: the arguments beside it, the body of its ``with``."""
    node = tree.root.descendant_for_byte_range(start, end)
    while node is not None and node.type not in ("block", "module"):
        if node.type in ("argument_list", "with_statement"):
            yield node.start_byte, node.end_byte
        node = node.parent


@cache
def _query() -> Query:
    return Query(language(), "(ERROR) @broken (except_clause) @except")


def quoted(data: bytes, name: str) -> bool:
    """Whether a file holds a name as a string."""
    text = name.encode()
    return b"'" + text + b"'" in data or b'"' + text + b'"' in data
