"""Words that were forgotten: their repair stands far ahead among the candidates."""

from __future__ import annotations

import ast

import pytest

from codemtl.search.candidates import Candidate, function_candidates, ranked
from codemtl.search.view import FunctionView
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

CLASS = "class Counter:\n    def __init__(self, n):\n        self.n = n\n"
REPAIRS = [
    # what stands there, what is meant
    ("def f(xs):\n    for x in xs:\n        return x\n    -1\n",
     "def f(xs):\n    for x in xs:\n        return x\n    return -1\n"),
    ("def f(a):\n    {'a': a}\n", "def f(a):\n    return {'a': a}\n"),
    ("def f(a):\n    if a:\n        a == 2\n    return a\n",
     "def f(a):\n    if a:\n        a = 2\n    return a\n"),
    ("def f(x):\n    if x < 0:\n        ValueError('negative')\n    return x\n",
     "def f(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x\n"),
    ("async def f(xs):\n    return [fetch(x) for x in xs]\n",
     "async def f(xs):\n    return [await fetch(x) for x in xs]\n"),
    ("async def f(x):\n    return fetch(x).text\n",
     "async def f(x):\n    return (await fetch(x)).text\n"),
    (CLASS + "    def more(self, k):\n        return n + k\n",
     CLASS + "    def more(self, k):\n        return self.n + k\n"),
    (CLASS + "    def more(self, k):\n        n = self.n + k\n",
     CLASS + "    def more(self, k):\n        self.n = self.n + k\n"),
    (CLASS + "    def more(self):\n        return twice(self.n)\n    def twice(self, k):\n"
     "        return 2 * k\n",
     CLASS + "    def more(self):\n        return self.twice(self.n)\n    def twice(self, k):\n"
     "        return 2 * k\n"),
    (CLASS + "    def add(self, x):\n        print(x)\n",
     CLASS + "    def add(self, x):\n        print(x)\n        self.n += 1\n"),
    (CLASS + "    def add(self, x):\n        print(x)\n",
     CLASS + "    def add(self, x):\n        self.n += 1\n        print(x)\n"),
    ("def f(text):\n    return text.strip\n", "def f(text):\n    return text.strip()\n"),
    ("def f(name):\n    return '{name}: '\n", "def f(name):\n    return f'{name}: '\n"),
    ("def f(xs):\n    return [x for x in xs if x % 2]\n",
     "def f(xs):\n    return [x for x in xs if not x % 2]\n"),
    ("def f(x=None):\n    if not x:\n        x = 5\n    return x\n",
     "def f(x=None):\n    if x is None:\n        x = 5\n    return x\n"),
    ("def f(known, key):\n    return known[key]\n",
     "def f(known, key):\n    return known.get(key)\n"),
    ("def f(x):\n    try:\n        return int(x)\n    except TypeError:\n        return None\n",
     "def f(x):\n    try:\n        return int(x)\n    except ValueError:\n        return None\n"),
    ("def f(x, into=[]):\n    into.append(x)\n    return into\n",
     "def f(x, into=None):\n    if into is None:\n        into = []\n    into.append(x)\n"
     "    return into\n"),
    ("def f(n):\n    i = 0\n    while i < n:\n        print(i)\n    return i\n",
     "def f(n):\n    i = 0\n    while i < n:\n        print(i)\n        i += 1\n    return i\n"),
    ("def f(xs):\n    i = 0\n    while i < len(xs):\n        print(xs[i])\n    return i\n",
     "def f(xs):\n    i = 0\n    while i < len(xs):\n        print(xs[i])\n        i += 1\n"
     "    return i\n"),
]  # fmt: skip


def candidates_of(source: str) -> list[Candidate]:
    tree = parse(source.encode())
    scopes = analyze(tree)
    found: list[Candidate] = []
    for function in functions(tree):
        found += function_candidates(FunctionView(tree, function, scopes), lambda start, end: 1.0)
    return ranked(found, {})


@pytest.mark.parametrize(("bad", "good"), REPAIRS)
def test_what_was_forgotten_is_among_the_first(bad: str, good: str) -> None:
    meant = ast.dump(ast.parse(good))
    for one in candidates_of(bad)[:150]:
        try:
            if ast.dump(ast.parse(one.text(bad.encode()))) == meant:
                return
        except SyntaxError:
            continue
    pytest.fail("not among the first 150 candidates")


def test_an_operand_leaves_with_the_blank_before_it() -> None:
    source = "def f(x):\n    return (x - 1)\n"
    texts = {one.text(source.encode()) for one in candidates_of(source)}
    assert b"def f(x):\n    return (x)\n" in texts
    assert b"def f(x):\n    return (x )\n" not in texts


def test_what_a_loop_changes_is_not_changed_again() -> None:
    source = "def f(n):\n    while n > 0:\n        n, m = n - 1, n\n    return m\n"
    assert not [one for one in candidates_of(source) if one.rule == "advance"]
