"""Statements that are missing: an exit, a variable or an object that is not told of what happened,
one that stands elsewhere already.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.file_view import Procedure
from codemtl.search.kinds import MAPPING, NOTHING, NUMBER, SEQUENCE, TEXT, TRUTH, UNKNOWN, fits
from codemtl.search.nodes import inside
from codemtl.search.rules.exits import exit_rules, returned
from codemtl.search.rules.lines import COMPOUND, ENDS, LOOPS, after, alone, block_of, insertion
from codemtl.search.rules.proposal import Proposal
from codemtl.search.rules.terms import reaches
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

MAX_TYPES = 3  # of the file's own checks, that a value is made into
MAX_COPIED = 24  # statements around a place that may be copied there
MAX_DONOR_STATEMENT = 80  # characters
MAX_ATTRIBUTES = 8  # of an object, that a new statement may change
MAX_OBJECTS = 3  # besides the method's own, that a new statement may change
STILL = 4.0  # how much likelier a variable should change that keeps its first value
LATEST = 3.0  # the same of a value that was computed in the line above
EARLY = frozenset({"return_statement", *LOOPS})  # before these, too, a function may be left
_SET = r"\bOWNER\.([A-Za-z_]\w*)\s*(?:[-+*/%|&]|//|\*\*)?=(?!=)"
_READ = r"(?<![\w.]){}\.([A-Za-z_]\w*)\b(?!\s*\()"


def insertion_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """New statements above ``node``, and below it where it ends its block."""
    if not view.begins_line(node):
        return
    depth = view.indent(node)
    block = block_of(node)
    first, last = block[:1] == [node], block[-1:] == [node]
    loop = inside(node, *LOOPS)
    in_loop = loop is not None and loop.start_byte > view.node.start_byte
    leaves = ["continue", "break"] if in_loop else []
    yield from exit_rules(view, node, leaves, early=first or node.type in EARLY)
    if last and node.type not in ENDS and alone(view, node):
        for leave in leaves:
            yield Proposal("insert-leave", (after(view, node, f"{depth}{leave}\n"),))
        for value in returned(view):
            yield Proposal("insert-end", (after(view, node, f"{depth}return {value}\n"),))
    changes = [*_updates(view, node, in_loop), *_of_objects(view, node), *_calls(view, node)]
    for rule, text, share in changes if alone(view, node) else ():
        if share:
            yield Proposal(rule, (insertion(view, node, f"{depth}{text}\n"),), share)
            if last and node.type not in ENDS:
                yield Proposal(rule, (after(view, node, f"{depth}{text}\n"),), share)
    yield from _copied(view, node, depth)


_Change = tuple[str, str, float]  # rule, statement, share


def _updates(view: FunctionView, node: Node, in_loop: bool) -> Iterator[_Change]:
    """A counter is not moved on, a variable is not set again."""
    depth, local = view.indent(node), view.locals_at(node)
    above = node.prev_named_sibling
    latest = view.text(above).partition(" = ")[0] if above is not None else ""
    for name in local:
        kind = view.names[name]
        waiting = STILL if name in view.set_once else 1.0
        forms: list[tuple[str, float]] = []
        if kind not in (TEXT, SEQUENCE, MAPPING):
            forms += [(f"{name} += 1", 1.0 if in_loop else 0.3), (f"{name} -= 1", 0.7 if in_loop
                      else 0.2), (f"{name} = 0", 0.4), (f"{name} = 1", 0.2)]  # fmt: skip
            forms += [(f"{name} = abs({name})", 0.1), (f"{name} = int({name})", 0.1)]
        if kind != NUMBER:
            forms += [(f"{name} = []", 0.2), (f"{name} = sorted({name})", 0.2),
                      (f"{name}.sort()", 0.2),
                      (f"{name} = {name}.lower()", 0.2), (f"{name} = ''", 0.2),
                      (f"{name} = {name}[::-1]", 0.1), (f"{name} = list({name})", 0.1),
                      (f"{name} = {name}.copy()", 0.2), (f"{name}.pop()", 0.1)]  # fmt: skip
        for wanted in view.file.types[:MAX_TYPES] if kind != NUMBER else ():
            lines = f"if not isinstance({name}, {wanted}):\n{depth}{view.unit}"
            forms.append((f"{lines}{name} = {wanted}({name})", 0.2))
        yield from (("insert-update", text, share * waiting) for text, share in forms)
        for other in local:
            if other != name:
                share = waiting * (LATEST if other == latest else 1.0)
                alike = share * fits(kind, view.names[other])
                yield "insert-assign", f"{name} = {other}", alike
                yield "insert-assign", f"{name} += {other}", 0.6 * alike * (kind != MAPPING)
                if kind in (SEQUENCE, UNKNOWN):
                    yield "insert-assign", f"{name}.append({other})", share


def _of_objects(view: FunctionView, node: Node) -> Iterator[_Change]:
    """An object is not told of what happened: the method's own, or another."""
    here = view.text(view.node)
    times_set = Counter(view.members(_SET))
    for name in view.attributes[:MAX_ATTRIBUTES]:
        near = 0.5 if f"{view.owner}.{name}" in here else 1.0
        lonely = times_set[name] <= 1 and view.definition.name != "__init__"
        for text, share in _changed(view, node, view.owner, name, 6.0 if lonely else 1.0):
            yield "update-self", text, share * near
    objects = [
        name for name in view.locals_at(node)
        if name != view.owner and re.search(_READ.format(name), here)
    ]  # fmt: skip
    for one in objects[:MAX_OBJECTS]:
        known = sorted(view.file.attributes_set, key=lambda name: f"{one}.{name}" not in here)
        for name in known[:MAX_ATTRIBUTES]:
            near = 1.0 if f"{one}.{name}" in here else 0.5
            for text, share in _changed(view, node, one, name, 1.0):
                yield "update-object", text, share * near


def _changed(
    view: FunctionView, node: Node, owner: str, name: str, counted: float
) -> Iterator[tuple[str, float]]:
    """What may be done to an attribute; ``counted`` is how likely its first value should change."""
    one, kind = f"{owner}.{name}", view.file.attribute_kinds.get(name, UNKNOWN)
    others = [other for other in view.locals_at(node) if other != owner]
    if kind in (NUMBER, UNKNOWN):
        yield from ((f"{one} += 1", counted), (f"{one} -= 1", counted / 2), (f"{one} = 0", 0.2))
    if kind in (TRUTH, UNKNOWN):
        share = 0.5 * counted if kind == TRUTH else 0.15
        yield from ((f"{one} = True", share), (f"{one} = False", share))
    if kind in (NOTHING, UNKNOWN):
        yield f"{one} = None", 0.15
    if kind in (SEQUENCE, UNKNOWN):
        yield f"{one} = []", 0.15
    if kind in (MAPPING, UNKNOWN):
        yield f"{one} = {{}}", 0.15
    for other in others:
        alike = fits(kind, view.names[other])
        yield f"{one} = {other}", 2.0 if other == name else 0.5 * alike
        yield f"{one} += {other}", 0.3 * alike * (kind not in (TRUTH, MAPPING, NOTHING))
        if kind in (SEQUENCE, UNKNOWN):
            yield f"{one}.append({other})", 0.3 if kind == UNKNOWN else counted / 2
        if kind == MAPPING:
            yield f"{one}.pop({other}, None)", 0.1


def _calls(view: FunctionView, node: Node) -> Iterator[_Change]:
    """A function is not called that does something: as other methods of the class call it, or
    where its arguments are at hand by name.
    """
    own, here = view.definition.name, view.body_text
    around = view.definition.parent if view.owner else None
    for call in view.file.calls(around.node) if around is not None else ():
        if view.text(call) not in here and reaches(view, call, node):
            yield "copy-call", view.text(call), 1.0
    found = [one for one in view.file.procedures() if view.owner or one.name != own]
    for one in view.file.procedures(around.node) if around is not None else ():
        if one.parameters and one.name != own and not one.name.startswith("__"):
            found.append(Procedure(f"{view.owner}.{one.name}", one.parameters[1:]))
    at_hand = {name: name for name in view.locals_at(node)}
    for name in view.attributes:
        at_hand.setdefault(name, f"{view.owner}.{name}")
    for one in found:
        if at_hand.keys() >= set(one.parameters):
            given = ", ".join(at_hand[name] for name in one.parameters)
            yield "insert-call", f"{one.name}({given})", 0.3 if f"{one.name}(" in here else 1.0


def _copied(view: FunctionView, node: Node, depth: str) -> Iterator[Proposal]:
    """A statement of the function once more, at another place."""
    for one in view.nearest(view.statements, node, MAX_COPIED):
        text = view.text(one)
        if one.type in COMPOUND or "\n" in text or len(text) > MAX_DONOR_STATEMENT:
            continue
        if not all(reaches(view, child, node) for child in one.named_children):
            continue
        near = view.near(one, node, 6)
        yield Proposal("copy", (insertion(view, node, f"{depth}{text}\n"),), near)
        if alone(view, node) and one != node and node.type not in COMPOUND:
            yield Proposal("copy-over", (Edit(node.start_byte, node.end_byte, text),), near)
            yield Proposal("copy", (after(view, node, f"{depth}{text}\n"),), near * 0.5)
