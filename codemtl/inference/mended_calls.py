"""How a call that is not accepted should read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tree_sitter import Node

from codemtl.inference.known_calls import KnownCall
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.names import STORE
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import EXTRAS, Refusal, call_of
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.tree import SourceTree, parse

_SELF = ("self", "cls", "this", "klass", "mcs", "mcls", "_", "_self", "_cls")
_CONSTANTS = re.compile(r"'[^']*'|\"[^\"]*\"|\b(?:True|False|None|[0-9]\w*)\b")
_DOTTED = re.compile(r"[\w.]+")
_WORD = re.compile(r"[A-Za-z][a-z]*|[0-9]+")


def mended(
    one: KnownCall, refusal: Refusal, scopes: Scopes, alike: Sequence[KnownCall]
) -> Edit | None:
    """The edit after which a call is accepted; None where nobody knows it.

    ``alike`` are accepted calls of the same function in the same file.
    """
    edit = None
    if refusal.unknown:
        edit = _renamed(one, refusal, scopes)
    elif refusal.surplus:
        first = _without_self(one)
        if first is not None:
            return _bound(one, first, refusal, scopes.tree)
        edit = _shortened(one, refusal, scopes)
    elif len(refusal.missing) == 1 and not refusal.twice:
        edit = _completed(one, refusal.missing[0], scopes, alike)
    return edit if edit is not None and _is_accepted(one, edit, scopes.tree) else None


def _is_accepted(one: KnownCall, edit: Edit, tree: SourceTree) -> bool:
    """Whether a call is accepted after an edit of it."""
    start, end = one.node.start_byte, one.node.end_byte
    text = apply(
        tree.data[start:end], [Edit(edit.start - start, edit.end - start, edit.replacement)]
    )
    new = parse(text)
    node = new.root.named_children[0] if new.root.named_children else None
    while node is not None and node.type != "call":
        node = node.named_children[0] if node.named_children else None
    call = None if node is None else call_of(new, node, attribute="." in one.callee)
    return call is not None and one.signature.accepts(call)


def _completed(
    one: KnownCall, missing: str, scopes: Scopes, alike: Sequence[KnownCall]
) -> Edit | None:
    """One argument more, where the others are in their places by their names then."""
    tree = scopes.tree
    names = [name for name in one.signature.names if name not in one.call.keywords]
    brackets = one.node.child_by_field_name("arguments")
    if brackets is None or brackets.type != "argument_list":
        return None
    positional, keywords = arguments(one.node)
    if missing in one.signature.keywords:
        value = _value(missing, one, scopes, alike)
        return None if value is None else _last(brackets, f"{missing}={value}")
    words = [_last_word(tree.text(node)) for node in positional]
    best: tuple[float, int, str] | None = None
    most = 0.0
    for at in range(len(positional) + 1):
        shifted = (*names[:at], *names[at + 1 :])
        fitting = _fitting(words, shifted)
        most = max(most, fitting)
        value = _value(names[at], one, scopes, alike)
        if value is not None and (best is None or (fitting, at) > best[:2]):
            best = fitting, at, value
    if best is None or best[0] < most:
        return None
    _, at, value = best
    if at < len(positional):
        return Edit(positional[at].start_byte, positional[at].start_byte, f"{value}, ")
    if keywords and (not positional or one.signature.names[at] != names[at]):
        return _last(brackets, f"{names[at]}={value}")
    if positional:
        end = positional[-1].end_byte
        return Edit(end, end, f", {value}")
    return _last(brackets, value)


def _last(brackets: Node, text: str) -> Edit:
    """One more at the end of a list of arguments."""
    inside = [node for node in brackets.named_children if node.type not in EXTRAS]
    if inside:
        return Edit(inside[-1].end_byte, inside[-1].end_byte, f", {text}")
    return Edit(brackets.start_byte + 1, brackets.start_byte + 1, text)


def _value(name: str, one: KnownCall, scopes: Scopes, alike: Sequence[KnownCall]) -> str | None:
    """What could be handed over for a parameter.

    A variable of that name, what other calls of the file hand over, if they agree and it can be
    said here, or an attribute of that name of the object itself.
    """
    if not name:
        return None
    scope, start = scopes.scope_at(one.node).index, _statement(one.node).start_byte
    if scopes.category(scope, name) in ("local", "module") and _is_bound(
        scopes, scope, name, start
    ):
        return name
    values = [node for other in alike if (node := _given(name, other, scopes)) is not None]
    told = Counter(scopes.tree.text(node) for node in values)
    if told:
        (text, times), *_ = told.most_common(1)
        value = next(node for node in values if scopes.tree.text(node) == text)
        if (
            2 * times > told.total()
            and (times > 1 or _says_a_name(text))
            and _can_be_said(value, scopes, scope, start)
        ):
            return text
    return _attribute(name, scopes, scope, start)


def _is_bound(scopes: Scopes, scope: int, name: str, start: int) -> bool:
    """Whether a name that is seen from a scope has a value where a statement begins."""
    owner = scopes.resolve(scope, name)
    return (
        owner == -1
        or (owner == 0 and scope != 0)
        or (owner >= 0 and scopes.first_bound(owner, name) < start)
    )


def _can_be_said(value: Node, scopes: Scopes, scope: int, start: int) -> bool:
    """Whether an expression from elsewhere in the file means something in a scope."""
    there = scopes.scope_at(value).index
    names = scopes.names_within(value.start_byte, value.end_byte)
    if any(one.name == "self" for one in names) and scopes.class_of(there) != scopes.class_of(
        scope
    ):
        return False
    return all(one.scope == there and _is_bound(scopes, scope, one.name, start) for one in names)


def _attribute(name: str, scopes: Scopes, scope: int, start: int) -> str | None:
    """An attribute of ``self`` that is called so, and set by then; no method."""
    owner, function = scopes.class_of(scope), scopes.function_of(scope)
    if owner is None or function is None or scopes.resolve(scope, "self") < 0:
        return None
    begin, end = owner.start, owner.end
    if function.qualname.endswith(".__init__"):
        begin, end = function.start, start
    known = {
        use.name for use in scopes.attribute_uses
        if use.receiver == "self" and use.role == STORE and begin <= use.start < end
    }  # fmt: skip
    known |= {one for one in owner.bound if one not in owner.defines}
    found = next((one for one in (name, f"_{name}") if one in known), None)
    return None if found is None else f"self.{found}"


def _statement(node: Node) -> Node:
    """The statement around an expression."""
    while node.parent is not None and node.parent.type not in ("block", "module"):
        node = node.parent
    return node


def _says_a_name(text: str) -> bool:
    return any(one.isidentifier() for one in _CONSTANTS.sub(" ", text))


def _given(name: str, other: KnownCall, scopes: Scopes) -> Node | None:
    """What a call hands over for a parameter."""
    tree, names = scopes.tree, other.signature.names
    positional, keywords = arguments(other.node)
    if name in names and names.index(name) < len(positional):
        return positional[names.index(name)]
    return next((value for key, value in keywords if tree.text(key) == name), None)


def arguments(node: Node) -> tuple[list[Node], list[tuple[Node, Node]]]:
    """The positional arguments of a call, and its keywords with their values."""
    brackets = node.child_by_field_name("arguments")
    positional, keywords = list[Node](), list[tuple[Node, Node]]()
    if brackets is not None and brackets.type == "generator_expression":
        return [brackets], []
    for one in brackets.named_children if brackets is not None else ():
        name, value = one.child_by_field_name("name"), one.child_by_field_name("value")
        if one.type == "keyword_argument" and name is not None and value is not None:
            keywords.append((name, value))
        elif one.type not in EXTRAS:
            positional.append(one)
    return positional, keywords


def _last_word(text: str) -> str:
    """The name with which an expression begins, its last part, without an underscore before it."""
    found = _DOTTED.match(text)
    return found[0].rpartition(".")[2].lstrip("_") if found is not None else ""


def _fitting(words: Sequence[str], names: Sequence[str]) -> float:
    """How well arguments stand at the parameters that are called as they are."""
    return sum(
        1.0 if word == name else 0.5 if _words(word) & _words(name) else 0.0
        for word, name in zip(words, names, strict=False)
    )


def _renamed(one: KnownCall, refusal: Refusal, scopes: Scopes) -> Edit | None:
    """A keyword that is no parameter becomes the one that is meant; without one it is left out."""
    if len(refusal.unknown) > 1 or len(refusal.missing) > 1 or refusal.surplus or refusal.twice:
        return None
    old = refusal.unknown[0]
    free = (*one.signature.names[one.call.positional :], *sorted(one.signature.keywords))
    left = [name for name in free if name and name not in one.call.keywords]
    wanted = [name for name in refusal.missing or left if name]
    near = sorted(
        (distance, name) for name in wanted
        if (distance := spelling_distance(old, name)) is not None
    )  # fmt: skip
    alike = [name for name in wanted if _words(name) & _words(old) or _is_short(old, name)]
    key, value = next(both for both in arguments(one.node)[1] if scopes.tree.text(both[0]) == old)
    if not near and not refusal.missing and len(alike) != 1:
        return None if alike else _without(key, value, scopes.tree)
    if not wanted:
        return None
    new = near[0][1] if near else (alike or wanted)[0]
    return Edit(key.start_byte, key.end_byte, new)


def _is_short(old: str, name: str) -> bool:
    """Whether one is an abbreviation of the other: ``msg`` of ``message``."""
    short, long = sorted((old, name), key=len)
    letters = iter(long)
    return len(short) > 1 and short[0] == long[0] and all(one in letters for one in short)


def _without(first: Node, last: Node, tree: SourceTree) -> Edit | None:
    """An argument less, and a comma; ``first`` to ``last`` are its nodes."""
    start, end, data = first.start_byte, last.end_byte, tree.data
    before, after = data[:start].rstrip(), data[end:].lstrip()
    if before.endswith(b","):
        return Edit(len(before) - 1, end, "")
    if after.startswith(b","):
        rest = after[1:].lstrip()
        return Edit(start, len(data) - len(rest), "")
    return Edit(start, end, "") if before.endswith(b"(") else None


def _shortened(one: KnownCall, refusal: Refusal, scopes: Scopes) -> Edit | None:
    """One argument less, where the others are in their places by their names then.

    It gets a keyword instead, if it is called as one that the function takes.
    """
    if refusal.surplus > 1 or refusal.missing or refusal.twice:
        return None
    tree, signature = scopes.tree, one.signature
    positional, _ = arguments(one.node)
    texts = [tree.text(node) for node in positional]
    free = texts[-1].isidentifier() and texts[-1] not in one.call.keywords
    if free and (texts[-1] in signature.keywords or signature.more):
        return Edit(positional[-1].start_byte, positional[-1].start_byte, f"{texts[-1]}=")
    words = [_last_word(text) for text in texts]
    at = max(
        range(len(words)),
        key=lambda at: (_fitting((*words[:at], *words[at + 1 :]), signature.names), at),
    )
    return _without(positional[at], positional[at], tree)


def _words(name: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(name)}


def _without_self(one: KnownCall) -> Node | None:
    """The first parameter of a method that forgot ``self``; None of others."""
    definition = one.known.definition
    parameters = definition.node.child_by_field_name("parameters")
    first = parameters.named_children[0] if parameters and parameters.named_children else None
    if not one.callee.startswith("self.") or definition.outer is not definition.node or not first:
        return None
    name = one.known.module.tree.text(first).partition(":")[0].strip()
    return None if name in _SELF else first


def _bound(one: KnownCall, first: Node, refusal: Refusal, tree: SourceTree) -> Edit | None:
    """``self`` for a method that forgot it, unless it is called without an object elsewhere."""
    if refusal.surplus > 1 or refusal.missing or refusal.twice or one.known.module.tree is not tree:
        return None
    name = one.known.definition.name.encode()
    if re.search(rb"(?<![\w.])(?!self\.|cls\.)\w+\.%b\(" % name, tree.data):
        return None
    return Edit(first.start_byte, first.start_byte, "self, ")
