"""The model's view: what it keeps, what it drops, and where each token lies."""

from __future__ import annotations

import argparse
import ast
import textwrap

import pytest

from codemtl.syntax.definitions import find, functions
from codemtl.syntax.lexical import docstring_node, lexical_tokens
from codemtl.syntax.tree import parse


def _view(source: str) -> str:
    """The tokens joined by single spaces; lines and indentation as they are."""
    tree = parse(textwrap.dedent(source).lstrip().encode())
    joined = " ".join(token.text for token in lexical_tokens(tree, tree.root))
    return joined.replace(" \n", "\n").replace("    ", "→").replace("→ ", "→").replace("\n ", "\n")


CASES = {
    "semicolon": ("a = 1; b = 2\n", "a = 1\nb = 2"),
    "trailing semicolon": ("a = 1;\nb = 2\n", "a = 1\nb = 2"),
    "one-line suite": ("if a: b = 1\nc\n", "if a :\n→b = 1\nc"),
    "one-line suite with semicolon": ("while a: b; c\n", "while a :\n→b\n→c"),
    "one-line function": ("def f(): return 1\n", "def f ( ) :\n→return 1"),
    "one-line class": ("class A: pass\n", "class A :\n→pass"),
    "nested blocks": (
        """
        for x in y:
          if x:
                z()
          else:
                w()
        end()
        """,
        "for x in y :\n→if x :\n→→z ( )\n→else :\n→→w ( )\nend ( )",
    ),
    "comments": ("# one\na  # two\n# three\nb\n", "a\nb"),
    "comment first in a block": ("if a:\n    # why\n    b\n", "if a :\n→b"),
    "docstring": ('def f():\n    """Doc."""\n    return 1\n', "def f ( ) :\n→return 1"),
    "docstring after a comment": (
        'def f():\n    # why\n    """Doc."""\n    return 1\n',
        "def f ( ) :\n→return 1",
    ),
    "docstring of an inner class": (
        'class A:\n    "Doc"\n    def f(self):\n        "Doc"\n        x\n',
        "class A :\n→def f ( self ) :\n→→x",
    ),
    "module docstring": ('"""Doc."""\na\n', "a"),
    "string that is no docstring": ('a\n"text"\n', 'a\n" text "'),
    "continuation": ("a = 1 + \\\n    2\n", "a = 1 + 2"),
    "brackets over lines": ("f(\n    a,\n    b,\n)\n", "f ( a , b , )"),
    "decorators": ("@one\n@two(1)\ndef f(): pass\n", "@ one\n@ two ( 1 )\ndef f ( ) :\n→pass"),
    "try": (
        "try: a\nexcept E as e: b\nelse: c\nfinally: d\n",
        "try :\n→a\nexcept E as e :\n→b\nelse :\n→c\nfinally :\n→d",
    ),
    "match": (
        """
        match command:
            case [x, *_] if x > 0:
                f(x)
            case _:
                pass
        end
        """,
        "match command :\n→case [ x , * _ ] if x > 0 :\n→→f ( x )\n→case _ :\n→→pass\nend",
    ),
    "async": ("async def f():\n    await g()\n", "async def f ( ) :\n→await g ( )"),
    "tabs and carriage returns": ("if a:\r\n\tb\r\nc\r\n", "if a :\n→b\nc"),
    "lambda and ternary": ("f = lambda x: 1 if x else 2\n", "f = lambda x : 1 if x else 2"),
    "type alias": ("type A = int\nb\n", "type A = int\nb"),
    "with": ("with a as b, c: d\n", "with a as b , c :\n→d"),
    "del and global": ("del a\nglobal b\nassert c\n", "del a\nglobal b\nassert c"),
}


@pytest.mark.parametrize(("source", "view"), CASES.values(), ids=CASES.keys())
def test_view(source: str, view: str) -> None:
    assert _view(source) == view


def test_a_function_in_a_class_starts_at_the_margin() -> None:
    tree = parse(b"class A:\n    @p\n    def f(self):\n        if x:\n            y\n")
    texts = [token.text for token in lexical_tokens(tree, find(tree, "A.f").node)]
    assert [text for text in texts if text.startswith("\n")] == ["\n    ", "\n        "]


def test_spans_spaces_and_names() -> None:
    data = "def f(x):\n    return  x+1  # é\n".encode()
    found = lexical_tokens(parse(data), parse(data).root)
    for token in found:
        if token.text.startswith("\n"):
            assert token.start == token.end
        else:
            assert data[token.start : token.end].decode() == token.text
    by_text = {token.text: token for token in found}
    assert by_text["return"].space_before is False  # a line break, not a space
    assert by_text["f"].space_before and by_text["f"].is_name
    assert not by_text["+"].space_before
    assert not by_text["def"].is_name
    assert found[-2].text == "+" and found[-3].space_before


def test_view_of_real_functions_compiles() -> None:
    """Writing the view down again must give code that means the same to Python's parser."""
    with open(argparse.__file__, "rb") as stream:
        tree = parse(stream.read())
    checked = 0
    for one in functions(tree):
        out = ""
        for token in lexical_tokens(tree, one.node):
            out += (" " if token.space_before else "") + token.text
        if docstring_node(one.node) is not None and out.endswith(":"):
            continue  # nothing but a docstring
        compile(out, one.qualname, "exec", dont_inherit=True)
        checked += 1
    assert checked > 100


def test_random_damage_is_no_error() -> None:
    for data in (b"def f(:\n  return ((\n", b"class\n", b"\xff\xfe\n", b"", b"if x:\n"):
        tree = parse(data)
        lexical_tokens(tree, tree.root)


@pytest.mark.parametrize(
    ("statement", "is_one"),
    [
        ('"why"', True), ('r"""why"""', True), ("('why'\n     ' not')", True), ("'a' 'b'", True),
        ("f'{x}'", False), ("b'x'", False), ("'a' f'b'", False), ("('a', 'b')", False),
    ],
)  # fmt: skip
def test_a_docstring_is_what_python_would_keep(statement: str, is_one: bool) -> None:
    source = f"def f(x):\n    {statement}\n    return x\n"
    node = parse(source.encode()).root.named_children[0]
    assert (docstring_node(node) is not None) == is_one
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef)
    assert (ast.get_docstring(tree) is not None) == is_one
