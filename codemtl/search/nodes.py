"""What kinds of syntax nodes the templates tell apart."""

from __future__ import annotations

from tree_sitter import Node

EXPRESSIONS = frozenset({
    "identifier", "attribute", "call", "subscript", "binary_operator", "unary_operator",
    "comparison_operator", "boolean_operator", "not_operator", "integer", "float", "string",
    "true", "false", "none", "list", "tuple", "set", "dictionary", "list_comprehension",
    "set_comprehension", "dictionary_comprehension", "generator_expression",
    "conditional_expression", "parenthesized_expression", "lambda", "concatenated_string", "await",
})  # fmt: skip
TESTS = ("comparison_operator", "boolean_operator", "not_operator")
NOT_VALUES = frozenset({  # below these stand targets, patterns and names of things, not values
    "parameters", "lambda_parameters", "type", "decorator", "import_statement",
    "import_from_statement", "global_statement", "nonlocal_statement", "case_pattern", "ERROR",
    "string_content", "interpolation", "comment",
})  # fmt: skip
PLAIN = frozenset({  # values that need no work
    "integer", "float", "string", "true", "false", "none", "list", "dictionary", "tuple",
    "identifier",
})  # fmt: skip


def inside(node: Node, *types: str) -> Node | None:
    """The nearest ancestor of one of ``types``."""
    parent = node.parent
    while parent is not None and parent.type not in types:
        parent = parent.parent
    return parent


def is_docstring(node: Node) -> bool:
    """Whether a statement is a text that does nothing."""
    return (
        node.type == "expression_statement"
        and node.named_child_count == 1
        and node.named_children[0].type == "string"
    )


def is_value(node: Node) -> bool:
    """Whether a node is read: not a target, a called name, an attribute's or keyword's name."""
    parent = node.parent
    if parent is None:
        return False
    kind = parent.type
    if kind == "call":
        return parent.child_by_field_name("function") != node
    if kind == "attribute":
        return parent.child_by_field_name("attribute") != node
    if kind in ("keyword_argument", "named_expression"):
        return parent.child_by_field_name("name") != node
    if kind in ("assignment", "augmented_assignment", "for_statement", "for_in_clause"):
        return parent.child_by_field_name("left") != node
    if kind == "function_definition":
        return False
    return kind not in (
        "pattern_list", "tuple_pattern", "list_pattern", "as_pattern_target", "delete_statement",
        "format_specifier", "class_definition", "type",
    )  # fmt: skip


def first_identifier(node: Node) -> Node | None:
    """The first name in a node."""
    if node.type == "identifier":
        return node
    return next((one for one in node.named_children if one.type == "identifier"), None)
