"""Definitions carry the names that Python gives them, and are found by them."""

from __future__ import annotations

import inspect
import random
import textwrap

import pytest

from codemtl.errors import SourceError
from codemtl.syntax.definitions import definitions, find, find_all, functions
from codemtl.syntax.tree import SourceTree, parse

SOURCE = textwrap.dedent('''
    import functools

    def outer(a):
        def inner(b):
            class Local:
                def method(self):
                    pass
            return b
        return inner

    @functools.cache
    @other
    async def decorated():
        pass

    class Box:
        @property
        def size(self):
            return 1
        @size.setter
        def size(self, value):
            pass
        if True:
            def conditional(self): return [lambda: 1]
''')  # fmt: skip


@pytest.fixture
def tree() -> SourceTree:
    return parse(SOURCE.encode())


def test_names_in_source_order(tree: SourceTree) -> None:
    assert [(one.qualname, one.kind) for one in definitions(tree)] == [
        ("outer", "function"),
        ("outer.<locals>.inner", "function"),
        ("outer.<locals>.inner.<locals>.Local", "class"),
        ("outer.<locals>.inner.<locals>.Local.method", "function"),
        ("decorated", "function"),
        ("Box", "class"),
        ("Box.size", "function"),
        ("Box.size", "function"),
        ("Box.conditional", "function"),
    ]
    assert all(one.kind == "function" for one in functions(tree))
    assert len(functions(tree)) == 7


def test_names_are_those_of_python() -> None:
    tree = parse(inspect.getsource(random).encode())
    ours = {one.qualname for one in definitions(tree)}
    theirs = {
        value.__qualname__
        for value in vars(random.Random).values()
        if inspect.isfunction(value) and value.__module__ == "random"
    }
    assert theirs and theirs <= ours


def test_parents_and_spans(tree: SourceTree) -> None:
    inner = find(tree, "outer.<locals>.inner")
    assert inner.parent is not None and inner.parent.qualname == "outer"
    assert inner.name == "inner"
    decorated = find(tree, "decorated")
    assert tree.text(decorated.outer).startswith("@functools.cache")
    assert tree.text(decorated.node).startswith("async def")
    assert decorated.start == decorated.outer.start_byte < decorated.node.start_byte
    assert decorated.end == decorated.node.end_byte
    plain = find(tree, "outer")
    assert plain.outer == plain.node


def test_find_without_locals(tree: SourceTree) -> None:
    assert find(tree, "outer.inner.Local.method").qualname.endswith("Local.method")


def test_find_all_of_a_property(tree: SourceTree) -> None:
    getter, setter = find_all(tree, "Box.size")
    assert "value" not in tree.text(getter.node) and "value" in tree.text(setter.node)
    assert find(tree, "Box.size").start == getter.start


def test_find_skips_overloads() -> None:
    tree = parse(b"@typing.overload\ndef f(x: int): ...\n@overload\ndef f(x): ...\ndef f(x): 1\n")
    assert tree.text(find(tree, "f").node).endswith("1")
    assert len(find_all(tree, "f")) == 3


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("outr", "did you mean outer"),
        ("Box.sise", "did you mean Box.size"),
        ("conditional", "did you mean Box.conditional"),
        ("zzzzzz", "the file has outer, "),
    ],
)
def test_find_names_what_is_near(tree: SourceTree, wanted: str, hint: str) -> None:
    with pytest.raises(SourceError, match=hint) as caught:
        find(tree, wanted)
    assert repr(wanted) in str(caught.value)


def test_find_in_a_file_without_definitions() -> None:
    with pytest.raises(SourceError, match="no functions or classes"):
        find(parse(b"x = 1\n"), "f")


@pytest.mark.parametrize(
    "broken", ["x = = 1", "def f(x)\n    return 1", "    stray", "class A\n   x=1", "if x\n  y"]
)
def test_broken_code_yields_its_good_functions(broken: str) -> None:
    good = "\n\ndef good(x):\n    return x\n\n\n"
    tree = parse((good + broken + good.replace("good", "also")).encode())
    found = [one.qualname for one in definitions(tree)]
    assert {"good", "also"} <= set(found) <= {"good", "also", "f", "A"}


def test_definitions_without_a_name_are_left_out() -> None:
    assert definitions(parse(b"def (x):\n    pass\nclass :\n")) == []
