"""Arguments of a call: one that is missing, by position or by keyword, and bounds of a range."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.rules.names import likeness
from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

MAX_KEYWORDS = 12  # of a call that lacks one
_CONSTANTS = ("True", "False", "None")


def argument_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """An argument is missing, or the bounds of a range are off."""
    function, arguments = (node.child_by_field_name(key) for key in ("function", "arguments"))
    if function is None or arguments is None or arguments.type != "argument_list":
        return
    name = view.text(function).rpartition(".")[2]
    items = [one for one in arguments.named_children if one.type != "comment"]
    texts = [view.text(one) for one in items]
    open_, close = arguments.start_byte + 1, arguments.end_byte - 1

    def written(rule: str, text: str, share: float = 1.0) -> Proposal:
        return Proposal(rule, (Edit(open_, close, text),), share)

    if name == "range":
        if len(items) == 1:
            for text, share in ((f"1, {texts[0]}", 1.0), (f"1, {texts[0]} + 1", 1.0),
                                (f"2, {texts[0]}", 0.5), (f"2, {texts[0]} + 1", 0.4),
                                (f"0, {texts[0]}, 2", 0.3), (f"1, {texts[0]}, 2", 0.2),
                                (f"{texts[0]} - 1, -1, -1", 0.4), (f"{texts[0]}, 0, -1", 0.2),
                                (f"{texts[0]} + 1", 0.5)):  # fmt: skip
                yield written("range", text, share)
        elif len(items) == 2:
            for text, share in ((texts[1], 0.5), (f"{texts[0]}, {texts[1]}, 2", 0.3),
                                (f"{texts[0]}, {texts[1]}, -1", 0.4),
                                (f"{texts[1]}, {texts[0]}, -1", 0.3)):  # fmt: skip
                yield written("range", text, share)
        for one in view.names if len(items) < 3 else ():
            yield written("range", f"{one}, {texts[-1]}" if len(items) == 1 else
                          f"{', '.join(texts)}, {one}", 0.3)  # fmt: skip
    here = ", ".join(texts)
    if name in ("sorted", "sort", "max", "min"):
        head = here + ", " if here else ""
        for text, share in (("reverse=True", 1.0), ("key=len", 0.5), ("key=abs", 0.2),
                            ("key=str", 0.2), ("key=lambda x: x[1]", 0.2),
                            ("key=lambda x: (len(x), x)", 0.2), ("default=0", 0.1),
                            ("default=None", 0.1), ("key=lambda x: x[0]", 0.1),
                            ("key=lambda x: -x", 0.1),
                            ("key=lambda x: (-len(set(x)), x)", 0.05)):  # fmt: skip
            if text.partition("=")[0] not in here:
                yield written("add-argument", head + text, share)
    elif name in ("split", "strip", "join", "pop") and not items:
        for text in ("' '", "','", "0", "-1"):
            yield written("add-argument", text)
    if 0 < len(items) < 5 and len(here) <= 80 and "keyword" not in items[-1].type:
        for one in view.locals_at(node):
            yield written("add-argument", f"{here}, {one}", 0.3)
    if name in ("split", "rsplit") and len(items) <= 1:
        for count in dict.fromkeys((_taken(node) - 1, 1, 2)):
            if count > 0:
                text = f"{here}, {count}" if items else f"maxsplit={count}"
                yield written("maxsplit", text, 3.0 if count == _taken(node) - 1 else 1.0)
    yield from _keywords(view, node, name, items)
    yield from _forgotten(view, items)


def _taken(node: Node) -> int:
    """How many variables a value is unpacked into; 0 if it is not."""
    parent = node.parent
    target = parent.child_by_field_name("left") if parent is not None else None
    if target is None or target.type not in ("pattern_list", "tuple_pattern"):
        return 0
    return target.named_child_count


def _keywords(
    view: FunctionView, node: Node, function: str, items: list[Node]
) -> Iterator[Proposal]:
    """A keyword that the function takes, as far as the file says, or that has a variable's name."""
    names = [one.child_by_field_name("name") for one in items if one.type == "keyword_argument"]
    given = {view.text(one) for one in names if one is not None}
    arguments = node.child_by_field_name("arguments")
    if arguments is None or any(one.type == "dictionary_splat" for one in items):
        return
    at = items[-1].end_byte if items else arguments.start_byte + 1
    head = ", " if items else ""
    visible = view.visible(node)
    known = view.file.keywords(function)
    options: dict[str, float] = {}
    for keyword, values in list(known.items())[:MAX_KEYWORDS]:
        if keyword in given:
            continue
        if keyword in visible:
            options[f"{keyword}={keyword}"] = 1.0
        for value in values:
            if value in _CONSTANTS or not value.isidentifier() or value in visible:
                options.setdefault(f"{keyword}={value}", 0.5)
        for value in _CONSTANTS:
            options.setdefault(f"{keyword}={value}", 0.15)
    for name in view.locals_at(node):
        if name not in given and name != view.owner:
            options.setdefault(f"{name}={name}", 0.4 if name in view.unread else 0.1)
    if "kwargs" in view.names:
        options["**kwargs"] = 0.5
    for owner in _owners(view, items):  # f(a=x.a)  ->  f(a=x.a, b=x.b)
        for other in [*known, *(other for other, _ in view.file.attributes_of(owner))]:
            if other not in given:
                options.setdefault(f"{other}={owner}.{other}", 0.4)
    for text, share in options.items():
        yield Proposal("keyword", (Edit(at, at, head + text),), share)
    for one in items:
        key, given_value = (one.child_by_field_name(field) for field in ("name", "value"))
        if key is not None and given_value is not None:
            here, named = view.text(key), view.text(given_value).rpartition(".")[2]
            meant = {named} if named.isidentifier() else set()
            for other in sorted(meant | known.keys() - given - {here}):
                yield replace("keyword-name", key, other, 0.2 + likeness(here, other))


def _owners(view: FunctionView, items: list[Node]) -> list[str]:
    """Whose attributes are handed over under their names."""
    found: dict[str, None] = {}
    for one in items:
        key, value = (one.child_by_field_name(field) for field in ("name", "value"))
        if key is not None and value is not None and value.type == "attribute":
            owner, _, name = view.text(value).rpartition(".")
            if name == view.text(key):
                found[owner] = None
    return list(found)


def _forgotten(view: FunctionView, items: list[Node]) -> Iterator[Proposal]:
    """A parameter that nothing reads, somewhere among the arguments."""
    for name in view.unread:
        for one in items if len(items) < 6 else ():
            edit = Edit(one.start_byte, one.start_byte, f"{name}, ")
            yield Proposal("add-argument", (edit,), 0.5)
        if items and items[-1].type != "keyword_argument":
            edit = Edit(items[-1].end_byte, items[-1].end_byte, f", {name}")
            yield Proposal("add-argument", (edit,), 1.0)
