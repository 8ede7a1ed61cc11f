"""How a call that is not accepted should read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tree_sitter import Node

from codemtl.inference.known_calls import KnownCall
from codemtl.syntax.edits import Edit
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.signatures import Refusal
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.tree import SourceTree

_SELF = ("self", "cls", "klass", "mcs", "mcls", "_", "_self", "_cls")
_CONSTANTS = re.compile(r"'[^']*'|\"[^\"]*\"|\b(?:True|False|None|[0-9]\w*)\b")
_DOTTED = re.compile(r"[\w.]+")
_WORD = re.compile(r"[A-Za-z][a-z]*|[0-9]+")


def mended(
    one: KnownCall, refusal: Refusal, scopes: Scopes, alike: Sequence[KnownCall]
) -> Edit | None:
    """The edit after which a call is accepted; None where nobody knows it.

    ``alike`` are accepted calls of the same function in the same file.
    """
    if refusal.unknown:
        return _renamed(one, refusal, scopes)
    if refusal.surplus:
        return _bound(one, refusal, scopes) or _shortened(one, refusal, scopes)
    if len(refusal.missing) == 1 and not refusal.twice:
        return _completed(one, refusal.missing[0], scopes, alike)
    return None


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
    inside = [node for node in brackets.named_children if node.type != "comment"]
    if inside:
        return Edit(inside[-1].end_byte, inside[-1].end_byte, f", {text}")
    return Edit(brackets.start_byte + 1, brackets.start_byte + 1, text)


def _value(name: str, one: KnownCall, scopes: Scopes, alike: Sequence[KnownCall]) -> str | None:
    """What could be handed over for a parameter.

    A variable of that name, what other calls of the file hand over, if they agree and it can be
    said here, or an attribute of that name of the object itself.
    """
    scope, start = scopes.scope_at(one.node).index, _statement(one.node).start_byte
    if scopes.category(scope, name) in ("local", "module"):
        owner = scopes.resolve(scope, name)
        if (owner == 0 and scope != 0) or scopes.first_bound(owner, name) < start:
            return name
    told = Counter(text for other in alike if (text := _given(name, other, scopes)) is not None)
    if told:
        (text, times), *_ = told.most_common(1)
        if 2 * times > told.total() and (times > 1 or _says_a_name(text)):
            return text
    owner_class = scopes.class_of(scope)
    function = scopes.function_of(scope)
    if owner_class is not None and function is not None and scopes.resolve(scope, "self") >= 0:
        mine = {
            use.name for use in scopes.attribute_uses
            if use.receiver == "self" and owner_class.start <= use.start < owner_class.end
        }  # fmt: skip
        for attribute in (name, f"_{name}"):
            if attribute in mine or attribute in owner_class.bound:
                return f"self.{attribute}"
    return None


def _statement(node: Node) -> Node:
    """The statement around an expression."""
    while node.parent is not None and node.parent.type not in ("block", "module"):
        node = node.parent
    return node


def _says_a_name(text: str) -> bool:
    return any(one.isidentifier() for one in _CONSTANTS.sub(" ", text))


def _given(name: str, other: KnownCall, scopes: Scopes) -> str | None:
    """What a call hands over for a parameter."""
    tree, names = scopes.tree, other.signature.names
    positional, keywords = arguments(other.node)
    if name in names and names.index(name) < len(positional):
        return tree.text(positional[names.index(name)])
    return next((tree.text(value) for key, value in keywords if tree.text(key) == name), None)


def arguments(node: Node) -> tuple[list[Node], list[tuple[Node, Node]]]:
    """The positional arguments of a call, and its keywords with their values."""
    brackets = node.child_by_field_name("arguments")
    positional, keywords = list[Node](), list[tuple[Node, Node]]()
    for one in brackets.named_children if brackets is not None else ():
        name, value = one.child_by_field_name("name"), one.child_by_field_name("value")
        if one.type == "keyword_argument" and name is not None and value is not None:
            keywords.append((name, value))
        elif one.type != "comment":
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
    wanted = refusal.missing or left
    near = sorted(
        (distance, name) for name in wanted
        if (distance := spelling_distance(old, name)) is not None
    )  # fmt: skip
    alike = [name for name in wanted if _words(name) & _words(old) or _is_short(old, name)]
    key, value = next(both for both in arguments(one.node)[1] if scopes.tree.text(both[0]) == old)
    if not near and not refusal.missing and len(alike) != 1:
        return None if alike else _without(key, value, scopes.tree)
    new = near[0][1] if near else (alike or refusal.missing)[0]
    return Edit(key.start_byte, key.end_byte, new)


def _is_short(old: str, name: str) -> bool:
    """Whether one is an abbreviation of the other: ``msg`` of ``message``."""
    short, long = sorted((old, name), key=len)
    letters = iter(long)
    return short[:1] == long[:1] and all(letter in letters for letter in short)


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


def _bound(one: KnownCall, refusal: Refusal, scopes: Scopes) -> Edit | None:
    """A method that forgot ``self``."""
    if (
        refusal.surplus > 1
        or refusal.missing
        or refusal.twice
        or not one.callee.startswith("self.")
    ):
        return None
    definition = one.known.definition
    parameters = definition.node.child_by_field_name("parameters")
    if one.known.module.tree is not scopes.tree or definition.outer is not definition.node:
        return None
    first = parameters.named_children[:1] if parameters is not None else []
    if not first or scopes.tree.text(first[0]).partition(":")[0].strip() in _SELF:
        return None
    return Edit(first[0].start_byte, first[0].start_byte, "self, ")
