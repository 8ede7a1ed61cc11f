"""Constants: another number, another text, the same change wherever the same constant stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from tree_sitter import Node

from codemtl.search.rules.proposal import Proposal, replace
from codemtl.search.view import FunctionView
from codemtl.syntax.edits import Edit

_QUOTES = re.compile(r"""\A([rRbBfFuU]*)('{3}|"{3}|'|")(.*)\2\Z""", re.DOTALL)
_NEAR = 0.75  # ratio of similarity from which a word of the docstring may be what was meant
_OTHER = {"True": ("False", "None"), "False": ("True", "None"), "None": ("True", "False")}
MISSPELT = 15.0  # share of the word that the docstring spells otherwise
LONG_TEXT = 24  # characters; longer texts are messages rather than data


def literal_rules(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """What a constant could be instead."""
    if node.type in ("integer", "float"):
        yield from _numbers(view, node)
    elif node.type == "string":
        yield from _texts(view, node)
    elif node.type in ("list", "tuple", "set"):
        yield from _items(view, node)
    elif node.type in ("true", "false", "none"):
        here = view.text(node)
        for text, share in zip(_OTHER[here], (1.0, 0.3), strict=True):
            yield replace("constant", node, text, share)
            yield from _everywhere(view, node, text, share)
        for text, share in (("[]", 0.2), ("0", 0.3), ('""', 0.2), ("{}", 0.1), ("-1", 0.2)):
            yield replace("constant", node, text, share)
        for value in view.failures.constants:
            if isinstance(value, str):
                yield replace("constant", node, _quoted(value), 0.1)
                yield from _everywhere(view, node, _quoted(value), 0.1)


def _items(view: FunctionView, node: Node) -> Iterator[Proposal]:
    """A constant of the failing tests is missing among others."""
    items = [one for one in node.named_children if one.type != "comment"]
    if not items or any(one.type not in ("string", "integer", "float") for one in items):
        return
    at = items[-1].end_byte
    held = {view.text(one) for one in items}
    for value in view.failures.constants:
        text = _quoted(value) if isinstance(value, str) else str(value)
        if isinstance(value, str) == (items[0].type == "string") and text not in held:
            yield Proposal("add-item", (Edit(at, at, f", {text}"),))


def _quoted(text: str) -> str:
    """A text as most write it."""
    return f'"{text}"' if '"' not in text and "\\" not in text else repr(text)


def _numbers(view: FunctionView, node: Node) -> Iterator[Proposal]:
    here = view.text(node)
    options = {"0": 1.0, "1": 1.0, "2": 0.7, "-1": 0.4, "10": 0.1}
    for one in view.expressions:
        if one.type in ("integer", "float"):
            options.setdefault(view.text(one), 0.6)
    for numeral in view.numerals:
        options.setdefault(numeral, 0.6)
    for constant in view.failures.constants:
        if not isinstance(constant, str):
            options.setdefault(str(constant), 0.3)
    if node.type == "integer" and here.isdecimal():
        value = int(here)
        for near, share in ((value + 1, 2.0), (value - 1, 2.0), (value + 2, 0.3), (value - 2, 0.2),
                            (value * 2, 0.2), (value * 10, 0.2), (-value, 0.4)):  # fmt: skip
            near_text = f"({near})" if near < 0 and _is_operand(node) else str(near)
            options[near_text] = max(share, options.get(near_text, 0.0))
        if value > 2 and value % 2 == 0:
            options.setdefault(str(value // 2), 0.2)
    for text, share in options.items():
        if text != here:
            yield replace("number", node, text, share)
            if share >= 0.5:
                yield from _everywhere(view, node, text, share)


def _is_operand(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type in ("binary_operator", "unary_operator")


def _texts(view: FunctionView, node: Node) -> Iterator[Proposal]:
    match = _QUOTES.match(view.text(node))
    if match is None or "f" in match[1].lower():
        return
    prefix, quote, here = match[1], match[2], match[3]
    for text, share in _other_texts(view, here).items():
        if text != here and quote not in text and "\n" not in text:
            written = f"{prefix}{quote}{text}{quote}"
            yield replace("text", node, written, share)
            if share >= 0.5:
                yield from _everywhere(view, node, written, share)
    if here in view.visible(node) and here in view.names:
        yield replace("text-name", node, here, 1.0)
        for call, share in (("{}.encode()", 1.0), ("str({})", 0.5), ("len({})", 0.3)):
            yield replace("text-name", node, call.format(here), share)


def _other_texts(view: FunctionView, here: str) -> dict[str, float]:
    options: dict[str, float] = {}
    if len(here) <= LONG_TEXT:
        options.update({"": 0.8, " ": 0.8})
        for one in view.expressions:
            match = _QUOTES.match(view.text(one)) if one.type == "string" else None
            if match is not None and len(match[3]) <= LONG_TEXT:
                options.setdefault(match[3], 1.0)
        for text in view.quoted:
            options.setdefault(text, 0.4 if len(text) > 3 else 0.8)
        for constant in view.failures.constants:
            if isinstance(constant, str) and "\\" not in constant:
                options.setdefault(constant, 0.1)
        if len(here) == 1:
            for character in dict.fromkeys("".join(view.quoted)[:80]):
                options.setdefault(character, 0.4)
        for text, share in ((here.lower(), 0.6), (here.upper(), 0.6), (here.swapcase(), 0.4),
                            (here.strip(), 0.4), (here + " ", 0.2), (" " + here, 0.2),
                            (here * 2, 0.3), (here[1:], 0.3), (here[:-1], 0.5), (here[::-1], 0.3),
                            (", ", 0.1), (",", 0.1), ("\\n", 0.1)):  # fmt: skip
            options.setdefault(text, share)
        if here.lower() + here.upper() != here:
            options.setdefault(here.lower() + here.upper(), 0.2)
        if len(here) > 3:
            for at in range(len(here)):
                options.setdefault(here[:at] + here[at + 1 :], 0.05)
        for character in "aeiou" if set(here.lower()) & set("aeiou") else "":
            if character not in here:
                options.setdefault(here + character, 0.2)
        if len(here) == 1 and here.isdigit():
            options.setdefault(chr(ord(here) + 1), 0.3)
    for word in re.findall(r"[A-Za-z]{4,}", here):
        for near in difflib.get_close_matches(word, view.words, n=2, cutoff=_NEAR):
            if near != word:
                options[here.replace(word, near)] = MISSPELT
    return options


def _everywhere(view: FunctionView, node: Node, text: str, share: float) -> Iterator[Proposal]:
    """The same change at every place of the same constant."""
    here = view.text(node)
    same = [one for one in view.expressions if one.type == node.type and view.text(one) == here]
    if 1 < len(same) <= 6:
        yield Proposal(
            "everywhere", tuple(Edit(one.start_byte, one.end_byte, text) for one in same), share
        )
