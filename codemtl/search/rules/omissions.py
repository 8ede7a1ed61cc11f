"""A word that was forgotten, and what a class or a default needs.

return         -1                        ->  return -1
raise          ValueError("negative")    ->  raise ValueError("negative")
await          out.append(fetch(n))      ->  out.append(await fetch(n))
self.          return n + k              ->  return self.n + k
parentheses    return text.strip         ->  return text.strip()
f              "{name}: "                ->  f"{name}: "
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.kinds import MAPPING, NUMBER, UNKNOWN
from codemtl.search.nodes import inside
from codemtl.search.rules.conditions import is_condition
from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

EXCEPTIONS = (
    "ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "ZeroDivisionError",
    "OSError", "FileNotFoundError", "StopIteration", "RuntimeError", "Exception",
)  # fmt: skip
MAX_VALUE = 40  # characters of a value that may be missing
_DEFAULTS = {"[]": 0.5, "{}": 0.5, '""': 0.3, "0": 0.2, "()": 0.1, "False": 0.1}
_TAKERS = frozenset({  # of a value that may be missing
    "argument_list", "assignment", "for_statement", "for_in_clause", "return_statement",
})  # fmt: skip
_CHANGEABLE = frozenset({
    "list", "dictionary", "set", "list_comprehension", "dictionary_comprehension",
    "set_comprehension", "binary_operator", "call",
})  # fmt: skip
_EFFECTS = frozenset({
    "assignment", "augmented_assignment", "await", "call", "ellipsis", "string", "yield",
    "concatenated_string", "named_expression",
})  # fmt: skip
_METHODS = frozenset({  # of builtin types, that are called without arguments
    "capitalize", "clear", "close", "copy", "isalnum", "isalpha", "isdigit", "islower", "isspace",
    "isupper", "items", "keys", "lower", "lstrip", "pop", "read", "readlines", "rstrip", "sort",
    "split", "splitlines", "strip", "swapcase", "title", "upper", "values",
})  # fmt: skip
_FIELD = re.compile(r"\{[A-Za-z_][\w.\[\]()]*(![rsa])?(:[^{}]*)?\}")
_LENGTH = re.compile(r"\blen\([^()]*\)")
# A name is assigned to, alone or among others, or one of its methods is called.
_CHANGED = r"(?<![\w.]){}\s*([-+*/%|&^<>@]*=(?!=)|,[^\n=]*=(?!=)|\.\w+\(|:=|\[[^\]]*\]\s*=)"
_EMPTY = re.compile(r"(\[\]|\{\}|(list|dict|set)\(\))\Z")
_METHOD = r"\bdef (\w+)\(\s*OWNER\b"
_RAISABLE = re.compile(r"([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception|Exit|Interrupt)\Z")


def function_rules(view: FunctionView) -> Iterator[Proposal]:
    """A default that all calls share."""
    parameters = view.node.child_by_field_name("parameters")
    if parameters is None or not view.statements or view.indent(view.statements[0]) == "":
        return
    first = view.statements[0]
    at = view.line_start(first)
    depth = view.indent(first)
    for one in parameters.named_children:
        name, value = (one.child_by_field_name(key) for key in ("name", "value"))
        if name is None or value is None or not _EMPTY.match(view.text(value)):
            continue
        here = view.text(name)
        lines = f"{depth}if {here} is None:\n{depth}{view.unit}{here} = {view.text(value)}\n"
        yield Proposal(
            "shared-default",
            (Edit(value.start_byte, value.end_byte, "None"), Edit(at, at, lines)),
        )


def word_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """What an expression lacks."""
    here = view.text(node)
    if node.type == "call":
        yield from _called(view, node)
    elif node.type == "await" and node.named_child_count == 1:
        yield replace("unwrap", node, view.text(node.named_children[0]))
    elif node.type == "identifier":
        if here in view.attributes:
            yield replace("of-self", node, f"{view.owner}.{here}")
        if (here, 0) in view.file.functions:
            yield replace("parentheses", node, f"{here}()")
        yield from _other_exception(view, node)
    elif node.type == "attribute":
        name = node.child_by_field_name("attribute")
        if name is not None and view.text(name) in _METHODS:
            yield replace("parentheses", node, f"{here}()")
    elif node.type == "string" and here[:1] in "'\"" and _FIELD.search(here):
        yield replace("f-string", node, f"f{here}")
    elif node.type == "subscript":
        yield from _get(view, node)
    elif node.type == "binary_operator":
        yield from _rows(view, node)
    if node.type in ("identifier", "attribute", "call", "subscript"):
        yield from _defaults(view, node)
    yield from _decided(view, node)


def _called(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A coroutine is not waited for; a method is called like a function."""
    here, function, parent = view.text(node), node.child_by_field_name("function"), node.parent
    if parent is not None and parent.type != "await" and _in_async(node):
        tight = parent.type in ("attribute", "subscript")
        yield replace("await", node, f"(await {here})" if tight else f"await {here}")
    name = view.text(function) if function is not None else ""
    arguments = node.child_by_field_name("arguments")
    if name.endswith(".get") and arguments is not None and arguments.named_child_count == 2:
        key, other = (view.text(one) for one in arguments.named_children)
        yield replace("get", node, f"({name}({key}) or {other})")  # what is there may be None
    if function is not None and name in view.members(_METHOD):
        yield replace("of-self", function, f"{view.owner}.{name}")


def _rows(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Rows that are all the same list: ``[[0] * n] * m``."""
    row, operator, count = (node.child_by_field_name(k) for k in ("left", "operator", "right"))
    if row is None or operator is None or count is None or operator.type != "*":
        return
    items = row.named_children if row.type == "list" else []
    if len(items) == 1 and items[0].type in _CHANGEABLE:
        text = f"[{view.text(items[0])} for _ in range({view.text(count)})]"
        yield replace("shared-rows", node, text)


def _in_async(node: Node) -> bool:
    function = inside(node, "function_definition", "lambda")
    return function is not None and any(one.type == "async" for one in function.children)


def _get(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A key may be missing."""
    value, key = (node.child_by_field_name(name) for name in ("value", "subscript"))
    if value is None or key is None or key.type == "slice":
        return
    if view.kind(value) not in (MAPPING, UNKNOWN) or view.kind(key) == NUMBER:
        return
    call = f"{view.text(value)}.get({view.text(key)}"
    yield replace("get", node, f"{call})")
    for other, share in _DEFAULTS.items():
        yield replace("get", node, f"{call}, {other})", share)
    parent = node.parent  # what stands for a value that is not true stands for one that is missing
    operator = parent.child_by_field_name("operator") if parent is not None else None
    if parent is not None and operator is not None and operator.type == "or":
        left, right = parent.named_children
        if left == node:
            yield replace("get", parent, f"{call}, {view.text(right)})")


def _defaults(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A value may be None, or an object lack an attribute."""
    here, parent = view.text(node), node.parent
    if parent is None or len(here) > MAX_VALUE or "\n" in here:
        return
    if parent.type in _TAKERS:
        for other, share in _DEFAULTS.items():
            yield replace("default", node, f"{here} or {other}", share)
    if node.type == "attribute":
        value, name = (node.child_by_field_name(key) for key in ("object", "attribute"))
        if value is not None and name is not None:
            start = f'getattr({view.text(value)}, "{view.text(name)}", '
            for other, share in (("None", 1.0), ("False", 0.5)):
                yield replace("getattr", node, f"{start}{other})", share)


def _decided(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A ``not`` that the closed vocabulary lacks; a value that is there, though it is not true."""
    if not is_condition(view, node):
        return
    here = view.text(node)
    if node.type == "binary_operator":
        yield replace("negate", node, f"not {here}")
    inner = node.child_by_field_name("argument") if node.type == "not_operator" else node
    if inner is not None and inner.type == "identifier" and view.text(inner) in view.optional:
        word = "is" if node.type == "not_operator" else "is not"
        yield replace("none-test", node, f"{view.text(inner)} {word} None")


def _other_exception(view: FunctionView, node: Node) -> Iterator[Proposal]:
    here, parent = view.text(node), node.parent
    if parent is None or parent.type not in ("except_clause", "tuple", "as_pattern"):
        return
    if not here[:1].isupper() or inside(node, "except_clause") is None:
        return
    came = {error for errors in view.failures.errors.values() for error in errors}
    for other in dict.fromkeys((*sorted(came & view.visible(node)), *EXCEPTIONS)):
        if other != here:
            share = 3.0 if other in came else 1.0
            yield replace("exception", node, other, share)
            yield replace(
                "exception", node, f"({here}, {other})" if parent.type != "tuple" else
                f"{here}, {other}", share / 2,
            )  # fmt: skip


def lost_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A statement that does nothing, or is done to a variable instead of the object."""
    if node.type == "expression_statement" and node.named_child_count == 1:
        inner = node.named_children[0]
        start = node.start_byte
        if inner.type not in _EFFECTS:
            yield Proposal("effect", (Edit(start, start, "return "),))
        if inner.type == "comparison_operator" and inner.named_child_count == 2:
            left, right = inner.named_children
            between = view.tree.data[left.end_byte : right.start_byte].decode()
            if between.strip() == "==":
                yield Proposal("effect", (Edit(left.end_byte, right.start_byte, " = "),))
        function = inner.child_by_field_name("function") if inner.type == "call" else None
        if function is not None and _RAISABLE.match(view.text(function)):
            yield Proposal("effect", (Edit(start, start, "raise "),), 3.0)
        if inner.type in ("assignment", "augmented_assignment"):
            target = inner.child_by_field_name("left")
            if target is not None and view.text(target) in view.attributes:
                yield Proposal("of-self", (Edit(start, start, f"{view.owner}."),))
    if node.type == "while_statement":
        yield from _advance(view, node)


def _advance(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A loop whose condition nothing in it can change."""
    condition, body = (node.child_by_field_name(key) for key in ("condition", "body"))
    if condition is None or body is None or not body.named_children:
        return
    last = body.named_children[-1]
    simple = _LENGTH.sub("0", view.text(condition))
    asked = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", simple))
    text = view.text(body)
    names = [name for name in view.names if name in asked]
    changed = [name for name in names if re.search(_CHANGED.format(re.escape(name)), text)]
    if changed or not view.begins_line(last) or "(" in simple:
        return
    depth = view.indent(last)
    end = view.tree.data.find(b"\n", last.end_byte) + 1
    for name in names if end else ():
        for operator, share in (("+= 1", 1.0), ("-= 1", 0.5), ("//= 2", 0.2)):
            edit = Edit(end, end, f"{depth}{name} {operator}\n")
            yield Proposal("advance", (edit,), share)
