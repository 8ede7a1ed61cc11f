"""One walk over a file that records its scopes, what they bind, and every use of a name.

Example: ``def f(x): return [y for y in x]`` gives a module scope that binds ``f``, a function
scope that binds ``x``, a comprehension scope that binds ``y``, and five occurrences of names; the
last ``x`` belongs to the function scope, since a comprehension's first iterable is evaluated there.

The rules are those of Python's reference (naming and binding); ``scopes`` answers questions about
the result. The walk uses a stack of its own: generated code nests deeper than Python recurses.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tree_sitter import Node

from codemtl.syntax.names import (
    ANNOTATION,
    AUGMENTED_STORE,
    CALLEE,
    CLASS,
    COMPREHENSION,
    DELETE,
    FUNCTION,
    IMPORT,
    LOAD,
    MODULE,
    PARAMETER,
    PATTERN,
    STORE,
    TYPE_PARAMETERS,
    Occurrence,
    Scope,
)
from codemtl.syntax.run_time_names import defines_names
from codemtl.syntax.tree import SourceTree

_COMPREHENSIONS = frozenset({
    "list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression",
})  # fmt: skip
_SPREADING = frozenset({  # a store into one of these is a store into its parts
    "pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "tuple", "list",
    "parenthesized_expression", "list_splat", "expression_list", "as_pattern_target",
    "dictionary_splat_pattern",
})  # fmt: skip
_LEAVES = frozenset({
    "comment", "integer", "float", "true", "false", "none", "ellipsis", "string_start",
    "string_content", "string_end", "pass_statement", "break_statement", "continue_statement",
    "type_conversion", "escape_sequence", "line_continuation", "positional_separator",
    "keyword_separator", "import_prefix",
})  # fmt: skip


class Walker:
    """Fills ``scopes``, ``names`` and ``attributes`` from a tree; everything is in source order."""

    def __init__(self, tree: SourceTree) -> None:
        self.data = tree.data
        self.scopes: list[Scope] = []
        self.names: list[Occurrence] = []
        self.attributes: list[Occurrence] = []
        self.star = False  # a star import
        self.dynamic = False  # names appear at run time: exec, globals()[...] = ...
        self.python2 = False
        if b"global_enum" in tree.data:  # enum puts the members into the module
            self.dynamic = True
        self._stack: list[tuple[Node, int, int]] = []
        self._scope(MODULE, -1, tree.root, "")
        self._push(tree.root, 0, LOAD)
        self._run()
        self.names.sort()
        self.attributes.sort()
        self._settle()

    def _run(self) -> None:
        stack, handlers = self._stack, _HANDLERS
        while stack:
            node, scope, role = stack.pop()
            kind = node.type
            handler = handlers.get(kind)
            if handler is not None:
                handler(self, node, scope, role)
            elif kind not in _LEAVES:
                stored = role > ANNOTATION and role != PATTERN
                if role == CALLEE or (stored and kind not in _SPREADING):
                    role = LOAD
                for child in reversed(node.named_children):
                    stack.append((child, scope, role))

    def _push(self, node: Node, scope: int, role: int) -> None:
        self._stack.append((node, scope, role))

    def _children(self, nodes: Iterable[Node], scope: int, role: int) -> None:
        self._stack.extend((node, scope, role) for node in reversed(list(nodes)))

    def _scope(self, kind: int, parent: int, node: Node, qualname: str) -> int:
        index = len(self.scopes)
        self.scopes.append(Scope(index, kind, parent, node.start_byte, node.end_byte, qualname))
        return index

    def _text(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _name(self, node: Node) -> str:
        """An identifier as Python compares it: in normal form KC."""
        text = self._text(node)
        return text if text.isascii() else unicodedata.normalize("NFKC", text)

    def _bind(self, scope: int, name: str) -> None:
        bound = self.scopes[scope].bound
        bound[name] = bound.get(name, 0) + 1

    def _qualname(self, scope: int, name: str) -> str:
        outer = self.scopes[scope]
        while outer.kind in (COMPREHENSION, TYPE_PARAMETERS):
            outer = self.scopes[outer.parent]
        if outer.kind == MODULE:
            return name
        middle = "." if outer.kind == CLASS else ".<locals>."
        return outer.qualname + middle + name

    # Handlers: each records what its node binds or uses and pushes what is left to walk.

    def _identifier(self, node: Node, scope: int, role: int) -> None:
        start, end = node.start_byte, node.end_byte
        if start == end:  # the parser's guess at a missing name
            return
        name = self._name(node)
        if not name.isidentifier():  # bytes that are not UTF-8
            return
        self.names.append(Occurrence(start, end, name, scope, role))
        if role > ANNOTATION:
            self._bind(scope, name)
            if role == PARAMETER:
                self.scopes[scope].parameters.append(name)

    def _attribute(self, node: Node, scope: int, role: int) -> None:
        owner, leaf = node.child_by_field_name("object"), node.child_by_field_name("attribute")
        if owner is None or leaf is None:
            return
        inner = ANNOTATION if role == ANNOTATION else LOAD
        receiver = self._text(owner) if owner.type in ("identifier", "attribute") else ""
        name = self._name(leaf)
        if name.isidentifier():
            found = Occurrence(leaf.start_byte, leaf.end_byte, name, scope, role, receiver)
            self.attributes.append(found)
        self._push(owner, scope, inner)

    def _call(self, node: Node, scope: int, role: int) -> None:
        function, arguments = (
            node.child_by_field_name("function"),
            node.child_by_field_name("arguments"),
        )
        if function is None:
            return
        inner = ANNOTATION if role == ANNOTATION else LOAD
        if arguments is not None:
            self._push(arguments, scope, inner)
        called = CALLEE if function.type in ("identifier", "attribute") else LOAD
        self._push(function, scope, called if inner == LOAD else inner)
        if defines_names(node, function, self.data):
            self.dynamic = True

    def _keyword_argument(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children[1:], scope, role)

    def _function(self, node: Node, scope: int, role: int) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        text = "<lambda>"
        if name is not None:
            text = self._name(name)
            self._identifier(name, scope, STORE)
            self.scopes[scope].defines.add(text)
        outer = self._type_parameters(node, scope)
        inner = self._scope(FUNCTION, outer, node, self._qualname(scope, text))
        if body is not None:
            self._push(body, inner, LOAD)
        returns = node.child_by_field_name("return_type")
        if returns is not None:
            self._push(returns, outer, ANNOTATION)
        parameters = node.child_by_field_name("parameters")
        for parameter in reversed(parameters.named_children if parameters is not None else ()):
            self._parameter(parameter, inner, outer)

    def _parameter(self, node: Node, inner: int, outer: int) -> None:
        kind = node.type
        if kind in ("identifier", *_SPREADING):
            self._push(node, inner, PARAMETER)
        elif kind == "typed_parameter":
            self._push(node.named_children[0], inner, PARAMETER)
            self._children(node.named_children[1:], outer, ANNOTATION)
        elif kind in ("default_parameter", "typed_default_parameter"):
            for child in node.named_children[1:]:
                self._push(child, outer, ANNOTATION if child.type == "type" else LOAD)
            self._push(node.named_children[0], inner, PARAMETER)
        elif kind == "ERROR":
            self._push(node, inner, LOAD)

    def _class(self, node: Node, scope: int, role: int) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        text = self._name(name) if name is not None else "?"
        if name is not None:
            self._identifier(name, scope, STORE)
            self.scopes[scope].defines.add(text)
        outer = self._type_parameters(node, scope)
        inner = self._scope(CLASS, outer, node, self._qualname(scope, text))
        if body is not None:
            self._push(body, inner, LOAD)
        bases = node.child_by_field_name("superclasses")
        if bases is not None:
            self._push(bases, outer, LOAD)

    def _type_parameters(self, node: Node, scope: int) -> int:
        """The scope of ``[T, ...]`` if there is one, else ``scope``."""
        parameters = node.child_by_field_name("type_parameters")
        if parameters is None:
            return scope
        inner = self._scope(TYPE_PARAMETERS, scope, node, self.scopes[scope].qualname)
        self._bind_type_parameters(parameters, inner)
        return inner

    def _bind_type_parameters(self, parameters: Node, scope: int) -> None:
        for parameter in parameters.named_children:
            name, *bounds = parameter.named_children or [parameter]
            if name.type == "constrained_type":
                name, *bounds = name.named_children
            self._children(bounds, scope, ANNOTATION)
            while name.named_child_count:
                name = name.named_children[0]
            if name.type == "identifier":
                self._identifier(name, scope, STORE)

    def _type_alias(self, node: Node, scope: int, role: int) -> None:
        left, *right = node.named_children
        inner = left.named_children[0] if left.named_child_count else left
        target = scope
        if inner.type == "generic_type":
            target = self._scope(TYPE_PARAMETERS, scope, node, self.scopes[scope].qualname)
            self._bind_type_parameters(inner.named_children[1], target)
            inner = inner.named_children[0]
        if inner.type == "identifier":
            self._identifier(inner, scope, STORE)
        self._children(right, target, ANNOTATION)

    def _comprehension(self, node: Node, scope: int, role: int) -> None:
        inner = self._scope(COMPREHENSION, scope, node, self.scopes[scope].qualname)
        first = True
        for child in reversed(node.named_children):
            if child.type != "for_in_clause":
                self._push(child, inner, LOAD)
        for clause in node.named_children:
            if clause.type == "for_in_clause":
                self._for(clause, scope if first else inner, inner)
                first = False

    def _for(self, node: Node, scope: int, target_scope: int) -> None:
        left = node.child_by_field_name("left")
        for child in reversed(node.named_children):
            if child == left:
                self._push(child, target_scope, STORE)
            else:
                self._push(child, scope, LOAD)

    def _for_statement(self, node: Node, scope: int, role: int) -> None:
        self._for(node, scope, scope)

    def _assignment(self, node: Node, scope: int, role: int) -> None:
        left, *rest = node.named_children
        for child in reversed(rest):
            self._push(child, scope, ANNOTATION if child.type == "type" else LOAD)
        self._push(left, scope, AUGMENTED_STORE if node.type[0:3] == "aug" else STORE)

    def _named_expression(self, node: Node, scope: int, role: int) -> None:
        target = scope
        while self.scopes[target].kind == COMPREHENSION:
            target = self.scopes[target].parent
        self._children(node.named_children[1:], scope, LOAD)
        self._push(node.named_children[0], target, STORE)

    def _target(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children, scope, STORE)

    def _import(self, node: Node, scope: int, role: int) -> None:
        for child in node.children_by_field_name("name"):
            name = child.child_by_field_name("alias") or child.named_child(0)
            if name is not None and name.type == "identifier":
                self._identifier(name, scope, IMPORT)
        if node.type == "import_from_statement" and node.children[-1].type == "wildcard_import":
            self.star = True

    def _declaration(self, node: Node, scope: int, role: int) -> None:
        found = self.scopes[scope]
        names = {self._name(child) for child in node.named_children if child.type == "identifier"}
        (found.globals if node.type == "global_statement" else found.nonlocals).update(names)
        found.declared |= dict.fromkeys(names, node.start_byte)  # nodes come in source order

    def _delete(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children, scope, DELETE)

    def _string(self, node: Node, scope: int, role: int) -> None:
        if node.named_child_count > 2:  # more than start, content, end: perhaps interpolations
            inner = ANNOTATION if role == ANNOTATION else LOAD
            parts = [child for child in node.named_children if child.type == "interpolation"]
            self._children(parts, scope, inner)

    def _annotation(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children, scope, ANNOTATION)

    def _first_child(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children[:1], scope, role)

    def _case(self, node: Node, scope: int, role: int) -> None:
        for child in reversed(node.named_children):
            self._push(child, scope, PATTERN if child.type.endswith("_pattern") else LOAD)

    def _dotted(self, node: Node, scope: int, role: int) -> None:
        """In a pattern: ``a`` captures, ``a.b`` is a value."""
        names = node.named_children
        plain = len(names) == 1 and role == PATTERN
        self._push(names[0], scope, STORE if plain else LOAD)

    def _class_pattern(self, node: Node, scope: int, role: int) -> None:
        name, *rest = node.named_children
        self._children(rest, scope, PATTERN)
        self._push(name, scope, LOAD)

    def _keyword_pattern(self, node: Node, scope: int, role: int) -> None:
        self._children(node.named_children[1:], scope, PATTERN)

    def _python2(self, node: Node, scope: int, role: int) -> None:
        self.python2 = True
        self.dynamic = self.dynamic or node.type == "exec_statement"
        self._children(node.named_children, scope, LOAD)

    def _error(self, node: Node, scope: int, role: int) -> None:
        """What stands in broken text may be a definition."""
        for child in node.named_children:
            if child.type == "identifier":
                self._identifier(child, scope, STORE)
            else:
                self._push(child, scope, LOAD)

    def _settle(self) -> None:
        """Move what ``global`` and ``nonlocal`` declare to where it is really bound."""
        module = self.scopes[0]
        for scope in self.scopes:
            for name in scope.globals:
                module.bound[name] = module.bound.get(name, 0) + scope.bound.pop(name, 0)
            for name in scope.nonlocals:
                scope.bound.pop(name, None)


_W = Walker
_HANDLERS = {
    "identifier": _W._identifier,
    "attribute": _W._attribute,
    "call": _W._call,
    "keyword_argument": _W._keyword_argument,
    "function_definition": _W._function,
    "lambda": _W._function,
    "class_definition": _W._class,
    "type_alias_statement": _W._type_alias,
    **dict.fromkeys(_COMPREHENSIONS, _W._comprehension),
    "for_statement": _W._for_statement,
    "assignment": _W._assignment,
    "augmented_assignment": _W._assignment,
    "named_expression": _W._named_expression,
    "as_pattern_target": _W._target,
    "import_statement": _W._import,
    "import_from_statement": _W._import,
    "future_import_statement": _W._import,
    "global_statement": _W._declaration,
    "nonlocal_statement": _W._declaration,
    "delete_statement": _W._delete,
    "string": _W._string,
    "type": _W._annotation,
    "member_type": _W._first_child,
    "case_clause": _W._case,
    "dotted_name": _W._dotted,
    "splat_pattern": _W._target,
    "class_pattern": _W._class_pattern,
    "keyword_pattern": _W._keyword_pattern,
    "print_statement": _W._python2,
    "exec_statement": _W._python2,
    "ERROR": _W._error,
}
