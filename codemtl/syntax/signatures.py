"""Which calls the functions, methods and classes of a file, and of those beside it, accept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from tree_sitter import Node

from codemtl.syntax.definitions import Definition, definitions
from codemtl.syntax.tree import SourceTree, parse

EXTRAS = ("comment", "line_continuation")  # may stand anywhere
_PLAIN = {"staticmethod", "classmethod", "abstractmethod", "override"}  # they keep the parameters


class Call(NamedTuple):
    """What a call hands over, where nothing is spread."""

    positional: int
    keywords: tuple[str, ...]


class Refusal(NamedTuple):
    """Why Python would not bind the arguments of a call."""

    missing: tuple[str, ...]  # parameters without a default that get nothing
    unknown: tuple[str, ...]  # keywords that are no parameters
    twice: tuple[str, ...]  # keywords whose parameters have a positional argument already
    surplus: int  # positional arguments beyond the parameters


class Signature(NamedTuple):
    """The parameters of one definition, without ``self``."""

    names: tuple[str, ...]  # that may come by position; "" where they must
    optional: int  # so many of the last of these have a default
    keywords: frozenset[str] = frozenset()  # that must come by name
    needed: frozenset[str] = frozenset()  # of these, those without a default
    rest: bool = False  # *args
    more: bool = False  # **kwargs

    def accepts(self, call: Call) -> bool:
        """Whether Python would bind the arguments."""
        return self.refusal(call) is None

    def refusal(self, call: Call) -> Refusal | None:
        """Why Python would not bind the arguments; None where it does."""
        given, left = self.names[: call.positional], self.names[call.positional :]
        required = (*left[: max(0, len(left) - self.optional)], *sorted(self.needed))
        known = {*self.names, *self.keywords}
        found = Refusal(
            missing=tuple(one for one in required if one not in call.keywords),
            unknown=tuple(one for one in call.keywords if not self.more and one not in known),
            twice=tuple(one for one in call.keywords if one in given),
            surplus=0 if self.rest else max(0, call.positional - len(self.names)),
        )
        return found if any(found) else None


class Signatures(NamedTuple):
    """By name; None for a definition that may accept anything, as a decorator may change it."""

    methods: Mapping[str, Sequence[Signature | None]]
    others: Mapping[str, Sequence[Signature | None]]  # functions and classes

    def of(self, name: str, *, attribute: bool) -> Iterator[Signature | None]:
        """Those that ``name(...)`` or, for an attribute, ``x.name(...)`` may mean."""
        yield from self.others.get(name, ())
        if attribute:
            yield from self.methods.get(name, ())


def refuses(tree: SourceTree, start: int, end: int, replacement: str) -> bool:
    """Whether another name in a call's function cannot be right, by what is defined in sight.

    That is: definitions of that name are known, none accepts the arguments, and it is not so for
    what stands at these bytes now.
    """
    node = tree.root.descendant_for_byte_range(start, end)
    above = None if node is None else node.parent
    attribute = above is not None and above.type == "attribute"
    if attribute:
        node, above = above, above and above.parent
    if node is None or above is None or above.type != "call":
        return False
    if node.end_byte != end or node != above.child_by_field_name("function"):
        return False
    call = call_of(tree, above, attribute=attribute)
    if call is None:
        return False
    before = tree.data[start:end].decode("utf-8", "replace")
    new, old = (
        [
            signature is not None and not signature.accepts(call)
            for known in signatures(tree)
            for signature in known.of(name, attribute=attribute)
        ]
        for name in (replacement, before)
    )
    return bool(new) and all(new) and not (old and all(old))


@lru_cache(maxsize=32)  # as many files as are asked of together
def signatures(tree: SourceTree) -> tuple[Signatures, ...]:
    """Of the definitions of a file and of each beside it."""
    return _of_tree(tree), *map(_of_text, tree.beside)


@lru_cache(maxsize=256)
def _of_text(text: bytes) -> Signatures:
    """Of one file: it stands beside many."""
    return _of_tree(parse(text))


def methods_of(text: bytes, name: str) -> Sequence[Signature | None]:
    """Of the methods of a name in a file."""
    return _of_text(text).methods.get(name, ())


def _of_tree(tree: SourceTree) -> Signatures:
    methods: dict[str, list[Signature | None]] = defaultdict(list)
    others: dict[str, list[Signature | None]] = defaultdict(list)
    classes: list[Definition] = []
    makers: dict[int, list[Signature | None]] = defaultdict(list)  # by the node of the class
    for one in definitions(tree):
        if one.kind == "class":
            classes.append(one)
        elif one.parent is None or one.parent.kind != "class":
            others[one.name].append(signature_of(tree, one))
        else:
            found = signature_of(tree, one)
            methods[one.name].append(found)
            if one.name in ("__init__", "__new__"):
                makers[one.parent.node.id].append(found if one.name == "__init__" else None)
    for one in classes:
        bases = one.node.child_by_field_name("superclasses")
        plain = one.outer is one.node and not (
            bases and any(base.type == "keyword_argument" for base in bases.named_children)
        )
        others[one.name] += makers.get(one.node.id, [None]) if plain else [None]
    return Signatures(methods, others)


def signature_of(tree: SourceTree, one: Definition) -> Signature | None:
    """None where a decorator may have changed it, or it is no longer called."""
    decorators = {
        tree.text(node).removeprefix("@").strip().rpartition(".")[2]
        for node in one.outer.children
        if node.type == "decorator"
    }
    parameters = one.node.child_by_field_name("parameters")
    if parameters is None or not decorators <= _PLAIN:
        return None
    names: list[str] = []
    keywords: dict[str, bool] = {}  # whether it has a default
    optional, rest, more, by_name = 0, False, False, False
    for node in parameters.named_children:
        if node.type in EXTRAS:
            continue
        kind, inner = node.type, node
        if kind == "typed_parameter":
            inner = node.named_children[0]
            kind = inner.type
        default = kind in ("default_parameter", "typed_default_parameter")
        name = tree.text(node.child_by_field_name("name") or inner)
        if kind == "dictionary_splat_pattern":
            more = True
        elif kind == "list_splat_pattern":
            rest = by_name = True
        elif kind == "keyword_separator":
            by_name = True
        elif kind == "positional_separator":
            names = [""] * len(names)
        elif kind not in ("identifier", "tuple_pattern") and not default:
            return None  # broken code
        elif by_name:
            keywords[name] = default
        else:
            names.append(name)
            optional += default
    if one.parent is not None and one.parent.kind == "class" and "staticmethod" not in decorators:
        if not names and not rest:
            return None
        names = names[1:]
    needed = frozenset(key for key, default in keywords.items() if not default)
    return Signature(
        tuple(names), min(optional, len(names)), frozenset(keywords), needed, rest, more
    )


def call_of(tree: SourceTree, node: Node, *, attribute: bool) -> Call | None:
    """None where arguments are spread or broken, or as in ``Base.method(self)``."""
    arguments = node.child_by_field_name("arguments")
    if arguments is None or arguments.has_error:
        return None
    if arguments.type == "generator_expression":
        return Call(1, ())
    positional, keywords = 0, []
    for argument in arguments.named_children:
        if argument.type in ("list_splat", "dictionary_splat"):
            return None
        if argument.type == "keyword_argument":
            name = argument.child_by_field_name("name")
            keywords.append("" if name is None else tree.text(name))
        elif argument.type not in EXTRAS:
            if attribute and not positional and tree.text(argument) in ("self", "cls"):
                return None
            positional += 1
    return Call(positional, tuple(keywords))
