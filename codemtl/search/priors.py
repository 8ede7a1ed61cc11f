"""How often each kind of edit is the repair, as far as one can say before looking at the code.

The weights were set by hand and then by counting on the even tasks of HumanEvalFix; only their
ratios matter. A rule's weight is shared among all it proposes at one node.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A template's weight, and the kind of finding that its edits are."""

    weight: float
    kind: str


SITE_RULES: dict[str, Rule] = {  # edits of the closed vocabulary, by family of the site
    "name": Rule(6.0, "variable-misuse"),
    "attribute": Rule(2.0, "attribute-misuse"),
    "comparison": Rule(10.0, "comparison"),
    "binary-operator": Rule(8.0, "binary-operator"),
    "boolean-operator": Rule(12.0, "boolean-operator"),
    "augmented-assignment": Rule(6.0, "augmented-assignment"),
    "negation": Rule(4.0, "negation"),
    "constant": Rule(8.0, "literal"),
    "integer": Rule(8.0, "off-by-one"),
    "offset": Rule(5.0, "off-by-one"),
    "argument-swap": Rule(3.0, "argument-swap"),
}

RULES: dict[str, Rule] = {
    # literals
    "constant": Rule(3.0, "literal"),
    "number": Rule(8.0, "literal"),
    "text": Rule(8.0, "literal"),
    "text-name": Rule(2.0, "variable-misuse"),
    "everywhere": Rule(6.0, "literal"),
    # terms
    "name": Rule(5.0, "variable-misuse"),
    "name-for": Rule(2.0, "variable-misuse"),
    "negative": Rule(1.0, "rewrite"),
    "call-for": Rule(0.7, "rewrite"),
    "donor": Rule(5.0, "rewrite"),
    "swap": Rule(4.0, "rewrite"),
    "swap-item": Rule(4.0, "rewrite"),
    "swap-argument": Rule(3.0, "argument-swap"),
    "drop-operand": Rule(10.0, "rewrite"),
    "drop-sign": Rule(2.0, "rewrite"),
    "drop-item": Rule(2.0, "rewrite"),
    "drop-argument": Rule(3.0, "call-misuse"),
    "drop-condition": Rule(6.0, "rewrite"),
    "all-boolean": Rule(4.0, "boolean-operator"),
    "group": Rule(1.0, "rewrite"),
    "ternary-arm": Rule(2.0, "rewrite"),
    "add-operand": Rule(4.0, "rewrite"),
    # calls
    "wrap": Rule(5.0, "call-misuse"),
    "wrap-both": Rule(2.0, "call-misuse"),
    "suffix": Rule(4.0, "call-misuse"),
    "slice": Rule(2.0, "rewrite"),
    "unwrap": Rule(4.0, "call-misuse"),
    "function": Rule(8.0, "call-misuse"),
    "range": Rule(6.0, "rewrite"),
    "add-argument": Rule(2.0, "call-misuse"),
    "keyword": Rule(2.0, "call-misuse"),
    "default": Rule(1.0, "rewrite"),
    "getattr": Rule(0.5, "rewrite"),
    "bound": Rule(1.0, "call-misuse"),
    "wrap-known": Rule(1.0, "call-misuse"),
    "attribute-of": Rule(1.0, "attribute-misuse"),
    "index": Rule(5.0, "rewrite"),
    "index-call": Rule(1.0, "rewrite"),
    # conditions
    "add-condition": Rule(6.0, "rewrite"),
    "condition": Rule(3.0, "rewrite"),
    "presence": Rule(4.0, "rewrite"),
    "drop-filter": Rule(2.0, "rewrite"),
    "add-filter": Rule(2.0, "rewrite"),
    # statements
    "delete": Rule(4.0, "excess-statement"),
    "delete-run": Rule(2.0, "excess-statement"),
    "unguard": Rule(2.0, "excess-statement"),
    "move": Rule(1.0, "rewrite"),
    "reindent": Rule(3.0, "rewrite"),
    "else": Rule(1.5, "missing-statement"),
    "guard": Rule(6.0, "missing-statement"),
    "insert-exit": Rule(1.5, "missing-statement"),
    "insert-return": Rule(3.0, "missing-statement"),
    "insert-amid": Rule(1.0, "missing-statement"),
    "add-item": Rule(1.0, "literal"),
    "insert-raise": Rule(8.0, "missing-statement"),
    "insert-end": Rule(1.0, "missing-statement"),
    "insert-update": Rule(3.0, "missing-statement"),
    "copy": Rule(1.0, "missing-statement"),
    "copy-over": Rule(1.0, "rewrite"),
    "if-elif": Rule(2.0, "rewrite"),
    "if-while": Rule(1.0, "rewrite"),
    "exit": Rule(2.0, "rewrite"),
    "return": Rule(1.5, "rewrite"),
    "assign": Rule(0.5, "rewrite"),
    "target": Rule(6.0, "variable-misuse"),
    "accumulate": Rule(2.0, "augmented-assignment"),
    "return-value": Rule(3.0, "rewrite"),
    "swap-returns": Rule(4.0, "rewrite"),
    "flip-returns": Rule(4.0, "literal"),
    "return-pair": Rule(0.1, "rewrite"),
    # what was forgotten
    "shared-default": Rule(10.0, "rewrite"),
    "await": Rule(6.0, "rewrite"),
    "of-self": Rule(6.0, "rewrite"),
    "parentheses": Rule(6.0, "call-misuse"),
    "f-string": Rule(8.0, "literal"),
    "get": Rule(2.0, "call-misuse"),
    "negate": Rule(8.0, "negation"),
    "none-test": Rule(6.0, "comparison"),
    "exception": Rule(6.0, "rewrite"),
    "effect": Rule(12.0, "rewrite"),
    "update-self": Rule(6.0, "missing-statement"),
    "advance": Rule(15.0, "missing-statement"),
    # the generation head
    "written": Rule(3.0, "rewrite"),
}

# Of the closed families, the mistakes that are made most: (written, meant) -> share.
COMPARISON_SHARES: dict[tuple[str, str], float] = {
    ("<", "<="): 3, ("<=", "<"): 3, (">", ">="): 3, (">=", ">"): 3, ("<", ">"): 3, (">", "<"): 3,
    ("==", "!="): 4, ("!=", "=="): 4, ("<=", ">="): 2, (">=", "<="): 2, ("in", "not in"): 4,
    ("not in", "in"): 4, ("is", "is not"): 4, ("is not", "is"): 4,
}  # fmt: skip
