"""The closed vocabulary of small edits, and how a chosen one becomes text.

Example: in ``if a < b``, the comparison site has state ``<``; action ``<=`` of the same family
makes it ``if a <= b``, and its inverse on the new text is action ``<``.

The order of ``ACTIONS`` is the order of a model's output ids: append only, never reorder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from codemtl.errors import EditError
from codemtl.syntax.edits import Edit

if TYPE_CHECKING:  # training from prepared shards needs no tree-sitter
    from codemtl.syntax.tree import SourceTree

COMPARISON = "comparison"
BINARY = "binary-operator"
BOOLEAN = "boolean-operator"
AUGMENTED = "augmented-assignment"
NEGATION = "negation"
CONSTANT = "constant"
INTEGER = "integer"
OFFSET = "offset"
SWAP = "argument-swap"
NAME = "name"
ATTRIBUTE = "attribute"
CALL = "call-misuse"  # the kind of a call that does not fit, too
UNDEFINED = "undefined-name"  # the kind of what cures a name that nothing defines


class Action(NamedTuple):
    """One entry of the vocabulary: applying it at a site of its family sets ``label``."""

    kind: str  # the finding kind of the contract
    family: str
    label: str


def _vocabulary() -> tuple[Action, ...]:
    arithmetic = ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "@")
    assigning = tuple(op + "=" for op in arithmetic)
    order = ("<", "<=", ">", ">=", "==", "!=", "is", "is not", "in", "not in")
    table: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("comparison", COMPARISON, order),
        ("binary-operator", BINARY, arithmetic),
        ("boolean-operator", BOOLEAN, ("and", "or")),
        ("augmented-assignment", AUGMENTED, ("=", *assigning)),
        ("negation", NEGATION, ("", "not")),
        ("literal", CONSTANT, ("True", "False", "None")),
        ("off-by-one", INTEGER, ("increment", "decrement")),
        ("off-by-one", OFFSET, ("", "+ 1", "- 1")),
        ("argument-swap", SWAP, ("in-order", "swapped")),
    )
    return tuple(Action(kind, family, label) for kind, family, ls in table for label in ls)


ACTIONS: tuple[Action, ...] = _vocabulary()
ACTION_IDS: dict[tuple[str, str], int] = {(a.family, a.label): i for i, a in enumerate(ACTIONS)}
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(a.family for a in ACTIONS))


class Site(NamedTuple):
    """A place in a function where one small edit is possible, and the edits permitted there."""

    family: str  # a family of ACTIONS, or "name" | "attribute"
    kind: str  # the finding kind
    start: int  # byte span of the slot that an edit replaces; may be empty (insertion)
    end: int
    anchor_start: int  # byte span whose tokens represent the site for a model; never empty
    anchor_end: int
    state: str  # current label or name; "" for the relative families
    options: tuple[int, ...] = ()  # ids of permitted other actions; () for names
    candidates: int = -1  # names and attributes: index into FunctionSites.groups
    alone: bool = False  # names: nothing else in the file offers it, so no mutant could be undone


@dataclass(frozen=True, slots=True)
class FunctionSites:
    """The sites of one function in source order, and the candidate names that they share."""

    sites: list[Site]
    groups: list[tuple[str, ...]]


def edit_for(tree: SourceTree, site: Site, action: int) -> Edit:
    """The edit that applies an action of the site's family; spaces are added where needed.

    Raises EditError if the action is not one of the site's options.
    """
    if action not in site.options:
        raise EditError(f"action {action} is not possible at the {site.family} site {site.start}")
    data, label = tree.data, ACTIONS[action].label
    start, end = site.start, site.end
    if site.family == SWAP:
        return Edit(start, end, _swapped(tree, site))
    if site.family == INTEGER:
        value = int(data[start:end].replace(b" ", b"")) + (1 if label == "increment" else -1)
        return _spaced(data, start, end, str(value))
    if site.family == NEGATION:
        if label:
            return _spaced(data, start, end, "not ")
        return Edit(start, _skip_blanks(data, end), "")
    if site.family == OFFSET:
        if label:
            return Edit(start, end, " " + label)
        while data[start - 1 : start] in (b" ", b"\t", b"\n", b"\r"):
            start -= 1
        return _spaced(data, start, end, "")
    return _spaced(data, start, end, label)


def edit_for_name(tree: SourceTree, site: Site, name: str) -> Edit:
    """The edit that puts another name or attribute at a site of names."""
    if site.candidates < 0:
        raise EditError(f"the {site.family} site {site.start} takes no name")
    return Edit(site.start, site.end, name)


def inverse(site: Site, action: int) -> int:
    """The action that undoes ``action`` on the edited file."""
    family, label = ACTIONS[action].family, ACTIONS[action].label
    if family == SWAP:
        return action
    if family == INTEGER:
        label = "decrement" if label == "increment" else "increment"
        return ACTION_IDS[family, label]
    return ACTION_IDS[family, site.state]


def _spaced(data: bytes, start: int, end: int, text: str) -> Edit:
    """Replace a span by ``text``, kept apart from words and numbers on either side."""
    before, after = _is_word(data[start - 1 : start]), _is_word(data[end : end + 1])
    if not text:
        return Edit(start, end, " " if before and after else "")
    prefix = " " if before and _is_word(text[0].encode()) else ""
    suffix = " " if after and _is_word(text[-1].encode()) else ""
    return Edit(start, end, prefix + text + suffix)


def _is_word(character: bytes) -> bool:
    return character.isalnum() or character == b"_" or character >= b"\x80"


def _skip_blanks(data: bytes, offset: int) -> int:
    while data[offset : offset + 1] in (b" ", b"\t"):
        offset += 1
    return offset


def _swapped(tree: SourceTree, site: Site) -> str:
    """The two arguments in exchanged places; what stands between them stays."""
    node = tree.root.descendant_for_byte_range(site.start, site.end - 1)
    while node is not None and node.type != "argument_list":
        node = node.parent
    parts = [] if node is None else [
        c for c in node.named_children
        if c.type != "comment" and c.start_byte >= site.start and c.end_byte <= site.end
    ]  # fmt: skip
    if len(parts) != 2:
        raise EditError(f"there are no two arguments at {site.start}")
    first, second = parts
    between = tree.data[first.end_byte : second.start_byte].decode("utf-8", "replace")
    return tree.text(second) + between + tree.text(first)
