"""What an expression is likely to hold, as far as its spelling and use tell.

The guesses only order candidates, so a wrong one costs time, never a fix.
"""

from __future__ import annotations

import re

NUMBER, TEXT, TRUTH, SEQUENCE, MAPPING, NOTHING, UNKNOWN = (
    "number", "text", "truth", "sequence", "mapping", "nothing", "unknown",
)  # fmt: skip
KIND_OF_NODE = {
    "integer": NUMBER, "float": NUMBER, "string": TEXT, "concatenated_string": TEXT, "true": TRUTH,
    "false": TRUTH, "comparison_operator": TRUTH, "not_operator": TRUTH, "list": SEQUENCE,
    "tuple": SEQUENCE, "set": SEQUENCE, "list_comprehension": SEQUENCE,
    "set_comprehension": SEQUENCE, "generator_expression": SEQUENCE, "expression_list": SEQUENCE,
    "dictionary": MAPPING, "dictionary_comprehension": MAPPING, "none": NOTHING,
}  # fmt: skip
_CALLS = {
    NUMBER: "len int sum abs ord round float pow count index find rfind floor ceil sqrt divmod",
    TEXT: "str chr bin hex oct repr join lower upper strip lstrip rstrip replace format title "
    "capitalize swapcase hexdigest read input zfill",
    SEQUENCE: "sorted list set tuple range split reversed enumerate zip map filter keys values "
    "items splitlines frozenset copy deque",
    TRUTH: "isinstance any all bool startswith endswith isdigit isalpha isupper islower hasattr "
    "callable isalnum isspace issubset",
    MAPPING: "dict Counter defaultdict OrderedDict",
}
KIND_OF_CALL = {name: kind for kind, names in _CALLS.items() for name in names.split()}
_ANNOTATED = (
    (re.compile(r"\b(int|float|complex)\b"), NUMBER),
    (re.compile(r"\bbool\b"), TRUTH),
    (re.compile(r"\b[dD]ict|Mapping\b"), MAPPING),
    (re.compile(r"\b([lL]ist|[tT]uple|[sS]et|Sequence|Iterable)\b"), SEQUENCE),
    (re.compile(r"\bstr\b"), TEXT),
)


def fits(one: str, other: str) -> float:
    """How likely a value of one kind stands where one of another kind stood."""
    if one == other:
        return 1.0 if one != UNKNOWN else 0.6
    return 0.5 if UNKNOWN in (one, other) else 0.06


def annotated(text: str) -> str:
    """The kind that a parameter's annotation names first."""
    _, _, annotation = text.partition(":")
    best = [(match.start(), kind) for pattern, kind in _ANNOTATED
            if (match := pattern.search(annotation))]  # fmt: skip
    return min(best)[1] if best else UNKNOWN
