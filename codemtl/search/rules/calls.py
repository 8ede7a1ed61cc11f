"""Calls, attributes, subscripts and slices: one missing around a value, one too many, another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.kinds import MAPPING, NUMBER, SEQUENCE, TEXT, TRUTH, UNKNOWN, fits
from codemtl.search.rules.arguments import argument_rules
from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.rules.terms import MAX_DONOR, donors
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

_WRAPPERS: dict[str, tuple[tuple[str, float], ...]] = {
    NUMBER: (("abs", 1.5), ("int", 1.0), ("round", 0.7), ("str", 0.7), ("float", 0.4),
             ("bool", 0.1), ("bin", 0.1), ("range", 0.3), ("chr", 0.2)),
    TEXT: (("len", 1.0), ("int", 1.0), ("set", 1.0), ("sorted", 0.7), ("list", 0.5), ("float", 0.3),
           ("ord", 0.3), ("reversed", 0.1), ("tuple", 0.1)),
    SEQUENCE: (("sorted", 1.0), ("set", 1.0), ("len", 1.0), ("sum", 0.8), ("list", 0.8),
               ("max", 0.5), ("min", 0.5), ("reversed", 0.4), ("tuple", 0.4), ("any", 0.2),
               ("all", 0.2), ("enumerate", 0.2)),
    MAPPING: (("len", 1.0), ("list", 0.5), ("sorted", 0.5), ("dict", 0.4)),
    TRUTH: (("int", 0.3), ("bool", 0.1)),
    UNKNOWN: (("abs", 0.8), ("len", 0.8), ("int", 0.8), ("str", 0.8), ("set", 0.8), ("sorted", 0.7),
              ("list", 0.5), ("sum", 0.4), ("max", 0.2), ("min", 0.2), ("float", 0.2),
              ("round", 0.2), ("reversed", 0.2), ("tuple", 0.2), ("ord", 0.2), ("bin", 0.1),
              ("range", 0.1), ("chr", 0.1)),
}  # fmt: skip
_SUFFIXES: dict[str, tuple[tuple[str, float], ...]] = {
    TEXT: ((".lower()", 1.5), (".upper()", 0.7), (".strip()", 0.7), ("[::-1]", 1.0), ("[1:]", 0.7),
           ("[:-1]", 0.7), ("[0]", 0.5), ("[-1]", 0.5), (".split()", 0.5), (".swapcase()", 0.3),
           (".encode()", 0.2), ("[2:]", 0.2), (".isdigit()", 0.1), (".title()", 0.1)),
    SEQUENCE: (("[::-1]", 1.0), ("[1:]", 1.0), ("[:-1]", 0.8), ("[0]", 0.7), ("[-1]", 0.7),
               (".copy()", 0.2), ("[1]", 0.2), ("[2:]", 0.1)),
    MAPPING: ((".items()", 1.0), (".values()", 1.0), (".keys()", 0.7), (".copy()", 0.3)),
    UNKNOWN: (("[::-1]", 0.6), (".lower()", 0.6), ("[1:]", 0.6), ("[:-1]", 0.5), ("[0]", 0.5),
              ("[-1]", 0.4), (".strip()", 0.3), (".upper()", 0.3), (".copy()", 0.2),
              (".items()", 0.2), (".split()", 0.1), (".keys()", 0.1), (".values()", 0.2)),
}  # fmt: skip
_COPIES: dict[str, tuple[tuple[str, float], ...]] = {
    SEQUENCE: (("list({})", 1.0), ("{}.copy()", 0.5), ("{}[:]", 0.5), ("set({})", 0.2)),
    MAPPING: (("dict({})", 1.0), ("{}.copy()", 0.5)),
    UNKNOWN: (("list({})", 1.0), ("dict({})", 0.7), ("{}.copy()", 0.5), ("set({})", 0.2),
              ("{}[:]", 0.2)),
}  # fmt: skip
_BOUNDS: dict[str, tuple[tuple[str, float], ...]] = {
    NUMBER: (("max({}, 0)", 1.0), ("max({}, 1)", 0.7), ("max(0, {})", 0.7), ("max(1, {})", 0.5)),
    UNKNOWN: (("max({}, 0)", 0.7), ("max({}, 1)", 0.5), ("max(0, {})", 0.5), ("[{}]", 0.5)),
    TEXT: (("[{}]", 1.0),),
}
MAX_KNOWN = 60  # characters of a value that a known function may take
_TEXT = re.compile(r"""(['"])(.*?)\1""")
FAMILIES: tuple[tuple[str, ...], ...] = (
    ("lower", "upper", "swapcase", "title", "capitalize"),
    ("islower", "isupper", "isalpha", "isdigit", "isalnum", "isspace", "isnumeric", "istitle"),
    ("append", "extend", "insert", "add", "update", "appendleft"),
    ("pop", "remove", "discard", "popleft", "clear"),
    ("startswith", "endswith"),
    ("find", "rfind", "index", "rindex", "count"),
    ("strip", "lstrip", "rstrip"),
    ("split", "rsplit", "splitlines", "partition", "rpartition"),
    ("keys", "values", "items"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("floor", "ceil", "trunc", "sqrt"),
    ("get", "setdefault", "pop"),
    ("encode", "decode"),
)
FUNCTIONS: tuple[tuple[str, ...], ...] = (
    ("min", "max", "sum", "len", "sorted"), ("any", "all"), ("int", "float", "str", "round"),
    ("list", "tuple", "set", "sorted", "dict"), ("sorted", "reversed"), ("ord", "chr"),
    ("range", "enumerate", "len"), ("map", "filter"), ("bin", "hex", "oct", "str"),
    ("abs", "int", "round"), ("isinstance", "issubclass"), ("any", "sum"),
)  # fmt: skip


def call_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Edits that put a value into a call or take it out."""
    yield from _wrapped(view, node)
    yield from _known(view, node)
    yield from _copies(view, node)
    yield from _sliced(view, node)
    if node.type == "call":
        yield from _unwrapped(view, node)
        yield from _renamed(view, node)
        yield from argument_rules(view, node)
    elif node.type == "subscript":
        yield from _subscript(view, node)
    elif node.type == "attribute":
        value = node.child_by_field_name("object")
        if value is not None:
            yield replace("unwrap", node, view.text(value), 0.5)
    elif node.type == "comparison_operator" and node.named_child_count == 2:
        left, right = node.named_children
        kinds = {view.kind(left), view.kind(right)}
        kind = kinds.pop() if len(kinds) == 1 else UNKNOWN
        for name, share in _WRAPPERS[kind if kind in _WRAPPERS else UNKNOWN]:
            yield _both(view, left, right, name + "(", ")", share)
        for suffix, share in _SUFFIXES.get(kind, ()):
            if suffix.startswith("."):
                yield _both(view, left, right, "", suffix, share)


def _both(
    view: FunctionView, left: Node, right: Node, before: str, after: str, share: float
) -> Proposal:
    edits = tuple(
        Edit(n.start_byte, n.end_byte, f"{before}{view.text(n)}{after}") for n in (left, right)
    )
    return Proposal("wrap-both", edits, share)


def _wrapped(view: FunctionView, node: Node) -> Iterator[Proposal]:
    here, kind = view.text(node), view.kind(node)
    if len(here) > 100 or node.type in ("integer", "float", "true", "false", "none", "lambda"):
        return
    options = dict(_WRAPPERS.get(kind, ()))
    own = {name for name, _ in view.file.functions}
    for name, parameters in view.file.functions:
        if parameters == 1:
            options[name] = 0.8
    bare = view.text(node)[1:-1] if node.type == "parenthesized_expression" else here
    around = _function_around(view, node)
    for name, share in options.items():
        again = around == name or here.startswith(name + "(")
        if not again or name in own:  # f(f(x)) is for functions that one calls twice
            yield replace("wrap", node, f"{name}({bare})", share)
    for form, share in _BOUNDS.get(kind, ()):
        yield replace("bound", node, form.format(bare), share)
    tight = node.type in (
        "binary_operator", "boolean_operator", "comparison_operator", "unary_operator",
        "not_operator", "conditional_expression", "generator_expression", "await",
    )  # fmt: skip
    cased = _case_beside(view, node)
    for suffix, share in _SUFFIXES.get(kind, ()):
        if not here.endswith(suffix):
            text = f"({here}){suffix}" if tight else here + suffix
            yield replace("same-case" if suffix == cased else "suffix", node, text, share)


def _known(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A call of what the file calls with one argument; an attribute that it takes elsewhere."""
    here = view.text(node)
    if len(here) > MAX_KNOWN or "\n" in here or node.type not in (
        "identifier", "attribute", "call", "subscript",
    ):  # fmt: skip
        return
    around = _function_around(view, node)
    for name, count in view.file.converters:
        if name != around and not here.startswith(name + "("):
            yield replace("wrap-known", node, f"{name}({here})", count)
    if node.type in ("identifier", "attribute"):
        for name, count in view.file.attributes_of(here.rpartition(".")[2]):
            yield replace("attribute-of", node, f"{here}.{name}", count)


def _copies(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """What is kept, handed out or walked through is shared with somebody who changes it."""
    if node.type not in ("identifier", "attribute", "call", "subscript") or not _is_kept(node):
        return
    here, kind = view.text(node), view.kind(node)
    if len(here) <= MAX_KNOWN and "\n" not in here:
        for form, share in _COPIES.get(kind, ()):
            yield replace("copy-of", node, form.format(here), share)


def _is_kept(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "assignment":
        target = parent.child_by_field_name("left")
        return target is not None and target.type in ("attribute", "subscript")
    if parent.type == "argument_list" and parent.parent is not None:
        called = parent.parent.child_by_field_name("function")
        return called is not None and called.type == "attribute"
    if parent.type == "return_statement":
        return node.type in ("attribute", "subscript")
    return parent.type in ("for_statement", "keyword_argument", "pair", "list", "tuple")


def _case_beside(view: FunctionView, node: Node) -> str:
    """The method that gives a value the case of the texts that it is compared with, or ""."""
    parent = node.parent
    if parent is None or parent.type != "comparison_operator":
        return ""
    other = "".join(view.text(one) for one in parent.named_children if one != node)
    texts = "".join(match[2] for match in _TEXT.finditer(other))
    return ".upper()" if texts.isupper() else ".lower()" if texts.islower() else ""


def _function_around(view: FunctionView, node: Node) -> str:
    """The name of the call whose only argument a node is, or ""."""
    parent = node.parent
    if parent is None or parent.type != "argument_list" or parent.named_child_count != 1:
        return ""
    call = parent.parent
    function = call.child_by_field_name("function") if call is not None else None
    return view.text(function) if function is not None else ""


def _sliced(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A slice or an index by a variable is missing."""
    kind = view.kind(node)
    if kind not in (TEXT, SEQUENCE, UNKNOWN, MAPPING) or node.type not in (
        "identifier", "attribute", "call", "subscript", "list_comprehension",
    ):  # fmt: skip
        return
    here = view.text(node)
    if len(here) > 40:
        return
    for name in view.locals_at(node):
        share = fits(NUMBER, view.names[name])
        if name == here:
            continue
        if kind != MAPPING:
            for form in ("[{}:]", "[:{}]", "[{} + 1:]", "[:{} + 1]"):
                weight = 1.0 if "+" not in form else 0.4
                yield replace("slice", node, here + form.format(name), share * weight)
        yield replace("slice", node, f"{here}[{name}]", 0.6 * max(share, 0.5 * (kind == MAPPING)))


def _unwrapped(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A call is too much."""
    function, arguments = (node.child_by_field_name(key) for key in ("function", "arguments"))
    if function is None or arguments is None:
        return
    if function.type == "attribute":
        value = function.child_by_field_name("object")
        if value is not None:
            yield replace("unwrap", node, view.text(value))
    items = arguments.named_children if arguments.type == "argument_list" else [arguments]
    for one in items[:3]:
        if one.type not in ("keyword_argument", "comment", "list_splat", "dictionary_splat"):
            text = view.text(one)
            if one.type == "generator_expression" and not text.startswith("("):
                text = f"({text})"
            yield replace("unwrap", node, text, 1.0 if len(items) == 1 else 0.4)


def _renamed(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """Another function or method is meant."""
    function = node.child_by_field_name("function")
    if function is None:
        return
    if function.type == "attribute":
        name = function.child_by_field_name("attribute")
        families = FAMILIES
    else:
        name, families = function, FUNCTIONS
    if name is None or name.type != "identifier":
        return
    here = view.text(name)
    options: dict[str, float] = {}
    for family in families:
        if here in family:
            options.update({other: 1.0 for other in family if other != here})
    if function.type == "identifier":
        for other, _ in view.file.functions:
            options.setdefault(other, 0.7)
    options.pop(here, None)
    for other, share in options.items():
        yield replace("function", name, other, share)


def _subscript(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """An index or slice is too much, or of another form."""
    value = node.child_by_field_name("value")
    inner = node.child_by_field_name("subscript")
    if value is None or inner is None:
        return
    base = view.text(value)
    yield replace("unwrap", node, base)
    for name in ("sum", "max", "min", "len", "sorted", "set"):
        yield replace("index-call", node, f"{name}({base})")
    if inner.type == "slice":
        start, _, rest = view.text(inner).partition(":")
        stop = rest.partition(":")[0]
        forms = {f"{start}:": 1.0, f":{stop}": 1.0, f"{stop}:{start}": 0.3,
                 f"{start}:{stop}:2": 0.3,
                 f"{start}:{stop}:-1": 0.4, f"{stop}:": 0.7, f":{start}": 0.7,
                 f"{start}:-{stop}": 0.2, f"-{stop}:": 0.5, f"-{start}:{stop}": 0.2, "::-1": 0.3,
                 f"{start}:{stop}": 0.6, start: 0.2}  # fmt: skip
    else:
        text = view.text(inner)
        forms = {f"{text}:": 0.7, f":{text}": 0.7, f"-{text}": 0.4, f"{text} + 1": 0.8,
                 f"{text} - 1": 0.8, f"-{text} - 1": 0.5, f":{text} + 1": 0.3,
                 f"{text} + 1:": 0.3}  # fmt: skip
    for form, share in forms.items():
        if form.strip() and "--" not in form and form != view.text(inner) and form != "-":
            yield replace("index", inner, form, share)
    if len(base) > MAX_DONOR:
        return
    for other, kind, near, one in donors(view, node):
        if kind in (SEQUENCE, TEXT) and one.type == "identifier" and other != base:
            yield replace("index-call", value, other, near)
