"""How often each kind of edit is the repair, as far as one can say before looking at the code.

The weights were set by hand, and then fitted to fixes of training projects and the even tasks of
HumanEvalFix (``scripts/fit_search_priors.py``); those of ``same-case`` and of rules that need a
failing test are guesses, those of templates for made bugs (``data/made_bugs.jsonl``) were set by
hand. Only ratios matter. A rule's weight is shared among all it proposes at one node.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A template's weight, and the kind of finding that its edits are."""

    weight: float
    kind: str


SITE_RULES: dict[str, Rule] = {  # edits of the closed vocabulary, by family of the site
    "name": Rule(1.7, "variable-misuse"),
    "attribute": Rule(5.6, "attribute-misuse"),
    "comparison": Rule(39.0, "comparison"),
    "binary-operator": Rule(9.3, "binary-operator"),
    "boolean-operator": Rule(16.0, "boolean-operator"),
    "augmented-assignment": Rule(4.1, "augmented-assignment"),
    "negation": Rule(1.2, "negation"),
    "constant": Rule(9.6, "literal"),
    "integer": Rule(17.0, "off-by-one"),
    "offset": Rule(6.8, "off-by-one"),
    "argument-swap": Rule(0.98, "argument-swap"),
}

RULES: dict[str, Rule] = {
    # literals
    "constant": Rule(2.1, "literal"),
    "number": Rule(4.8, "literal"),
    "text": Rule(22.0, "literal"),
    "text-name": Rule(1.7, "variable-misuse"),
    "everywhere": Rule(1.2, "literal"),
    # terms
    "name": Rule(1.8, "variable-misuse"),
    "name-for": Rule(1.1, "variable-misuse"),
    "negative": Rule(0.46, "rewrite"),
    "call-for": Rule(0.09, "rewrite"),
    "donor": Rule(2.0, "rewrite"),
    "swap": Rule(5.0, "rewrite"),
    "swap-item": Rule(8.3, "rewrite"),
    "swap-argument": Rule(1.0, "argument-swap"),
    "drop-operand": Rule(49.0, "rewrite"),
    "drop-sign": Rule(1.6, "rewrite"),
    "drop-item": Rule(16.0, "rewrite"),
    "drop-argument": Rule(2.8, "call-misuse"),
    "drop-condition": Rule(22.0, "rewrite"),
    "all-boolean": Rule(30.0, "boolean-operator"),
    "group": Rule(3.0, "rewrite"),
    "ternary-arm": Rule(5.9, "rewrite"),
    "add-operand": Rule(0.4, "rewrite"),
    "one-off": Rule(1.5, "off-by-one"),
    "attribute-pair": Rule(0.9, "attribute-misuse"),
    # calls
    "wrap": Rule(1.5, "call-misuse"),
    "wrap-both": Rule(2.8, "call-misuse"),
    "suffix": Rule(0.72, "call-misuse"),
    "same-case": Rule(2.0, "call-misuse"),
    "copy-of": Rule(1.5, "call-misuse"),
    "maxsplit": Rule(10.0, "call-misuse"),
    "slice": Rule(0.54, "rewrite"),
    "unwrap": Rule(1.7, "call-misuse"),
    "function": Rule(5.1, "call-misuse"),
    "range": Rule(25.0, "rewrite"),
    "add-argument": Rule(2.8, "call-misuse"),
    "keyword": Rule(2.0, "call-misuse"),
    "keyword-name": Rule(3.0, "call-misuse"),
    "default": Rule(0.61, "rewrite"),
    "getattr": Rule(1.1, "rewrite"),
    "bound": Rule(0.36, "call-misuse"),
    "wrap-known": Rule(0.21, "call-misuse"),
    "mirrored": Rule(5.0, "attribute-misuse"),
    "of-object": Rule(1.4, "attribute-misuse"),
    "uncalled": Rule(1.0, "call-misuse"),
    "called-with": Rule(0.4, "call-misuse"),
    "attribute-of": Rule(0.62, "attribute-misuse"),
    "index": Rule(2.1, "rewrite"),
    "index-call": Rule(0.64, "rewrite"),
    # conditions
    "add-condition": Rule(6.0, "rewrite"),
    "condition": Rule(7.1, "rewrite"),
    "presence": Rule(5.0, "rewrite"),
    "drop-filter": Rule(1.7, "rewrite"),
    "add-filter": Rule(1.5, "rewrite"),
    # statements
    "delete": Rule(5.2, "excess-statement"),
    "delete-run": Rule(2.4, "excess-statement"),
    "unguard": Rule(2.3, "excess-statement"),
    "move": Rule(3.9, "rewrite"),
    "reindent": Rule(0.67, "rewrite"),
    "else": Rule(1.6, "missing-statement"),
    "guard": Rule(1.4, "missing-statement"),
    "insert-exit": Rule(0.79, "missing-statement"),
    "insert-return": Rule(2.7, "missing-statement"),
    "insert-amid": Rule(4.5, "missing-statement"),
    "add-item": Rule(1.0, "literal"),
    "insert-raise": Rule(8.0, "missing-statement"),
    "insert-end": Rule(0.7, "missing-statement"),
    "insert-leave": Rule(1.5, "missing-statement"),
    "insert-update": Rule(0.63, "missing-statement"),
    "insert-assign": Rule(0.5, "missing-statement"),
    "insert-call": Rule(1.0, "missing-statement"),
    "copy": Rule(0.79, "missing-statement"),
    "copy-call": Rule(0.8, "missing-statement"),
    "copy-over": Rule(0.33, "rewrite"),
    "if-elif": Rule(8.7, "rewrite"),
    "if-while": Rule(0.53, "rewrite"),
    "exit": Rule(1.9, "rewrite"),
    "return": Rule(2.0, "rewrite"),
    "assign": Rule(0.6, "rewrite"),
    "target": Rule(2.3, "variable-misuse"),
    "accumulate": Rule(0.99, "augmented-assignment"),
    "unaugmented": Rule(1.6, "rewrite"),
    "return-value": Rule(2.6, "rewrite"),
    "swap-returns": Rule(7.8, "rewrite"),
    "flip-returns": Rule(29.0, "literal"),
    "return-pair": Rule(0.088, "rewrite"),
    # what was forgotten
    "shared-default": Rule(9.9, "rewrite"),
    "shared-rows": Rule(40.0, "rewrite"),
    "await": Rule(5.9, "rewrite"),
    "of-self": Rule(8.0, "rewrite"),
    "parentheses": Rule(5.4, "call-misuse"),
    "f-string": Rule(21.0, "literal"),
    "get": Rule(9.9, "call-misuse"),
    "negate": Rule(7.7, "negation"),
    "none-test": Rule(60.0, "comparison"),
    "exception": Rule(160.0, "rewrite"),
    "effect": Rule(12.0, "rewrite"),
    "update-self": Rule(1.8, "missing-statement"),
    "update-object": Rule(0.9, "missing-statement"),
    "advance": Rule(250.0, "missing-statement"),
    # the generation head
    "written": Rule(3.0, "rewrite"),
}

# Of the closed families, the mistakes that are made most: (written, meant) -> share.
COMPARISON_SHARES: dict[tuple[str, str], float] = {
    ("<", "<="): 3, ("<=", "<"): 3, (">", ">="): 3, (">=", ">"): 3, ("<", ">"): 3, (">", "<"): 3,
    ("==", "!="): 4, ("!=", "=="): 4, ("<=", ">="): 2, (">=", "<="): 2, ("in", "not in"): 4,
    ("not in", "in"): 4, ("is", "is not"): 4, ("is not", "is"): 4,
}  # fmt: skip
