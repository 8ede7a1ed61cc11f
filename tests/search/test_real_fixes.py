"""Templates that real fixes asked for: what may be missing, keywords, what the file does."""

from __future__ import annotations

import ast

import pytest

from codemtl.search.candidates import Candidate, function_candidates, ranked
from codemtl.search.failures import Failures
from codemtl.search.file_view import FileView
from codemtl.search.kinds import MAPPING, NUMBER
from codemtl.search.rules.names import likeness
from codemtl.search.view import FunctionView, module_of
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

REPAIRS = [
    # what stands there, what is meant
    ("def f(node):\n    if node.parent.kind == 1:\n        return 1\n    return 2\n",
     "def f(node):\n    if node.parent is not None and node.parent.kind == 1:\n        return 1\n"
     "    return 2\n"),
    ("def f(node):\n    node.draw()\n    node.parent.draw()\n",
     "def f(node):\n    node.draw()\n"
     "    if node.parent is not None:\n        node.parent.draw()\n"),
    ("def f(key):\n    return key.strip()\ndef g(key):\n    return isinstance(key, Key)\n",
     "def f(key):\n    if not isinstance(key, Key):\n        key = Key(key)\n"
     "    return key.strip()\n"
     "def g(key):\n    return isinstance(key, Key)\n"),
    ("def f(path, encoding):\n    return read(path)\n",
     "def f(path, encoding):\n    return read(path, encoding=encoding)\n"),
    ("def f(path):\n    return read(path)\n"
     "def read(path, strict=False):\n    return path, strict\n",
     "def f(path):\n    return read(path, strict=True)\n"
     "def read(path, strict=False):\n    return path, strict\n"),
    ("def f(path, **kwargs):\n    return read(path)\n",
     "def f(path, **kwargs):\n    return read(path, **kwargs)\n"),
    ("def f(pack, kind, name):\n    return join(base(), kind, name)\n",
     "def f(pack, kind, name):\n    return join(base(), pack, kind, name)\n"),
    ("def f(options):\n    return options['alt'] or []\n",
     "def f(options):\n    return options.get('alt', [])\n"),
    ("def f(known, key):\n    return known[key]\n",
     "def f(known, key):\n    return known.get(key, [])\n"),
    ("def f(x):\n    for y in x.items:\n        print(y)\n",
     "def f(x):\n    for y in x.items or []:\n        print(y)\n"),
    ("def f(x):\n    if x.ready:\n        return 1\n    return 2\n",
     "def f(x):\n    if getattr(x, 'ready', False):\n        return 1\n    return 2\n"),
    ("def f(a, b):\n    return a / b.size\n", "def f(a, b):\n    return a / max(b.size, 1)\n"),
    ("def f(x, y):\n    g(x)\n    h(y)\n    return y\n",
     "def f(x, y):\n    g(x)\n    if x == y:\n        return y\n    h(y)\n    return y\n"),
    ("def f(x):\n    return send(x)\ndef g(x):\n    return send(quoted(x))\n",
     "def f(x):\n    return send(quoted(x))\ndef g(x):\n    return send(quoted(x))\n"),
    ("def f(case):\n    return case\ndef g(case):\n    return case.name\n",
     "def f(case):\n    return case.name\ndef g(case):\n    return case.name\n"),
    ("def f(self):\n    return super(A).f()\n", "def f(self):\n    return super().f()\n"),
    ("def f(self, other):\n    return self.top == other\n",
     "def f(self, other):\n    return self.top == other.top\n"),
    ("def f(user, name):\n    print(user.name)\n    return {'name': name}\n",
     "def f(user, name):\n    print(user.name)\n    return {'name': user.name}\n"),
    ("def f(x):\n    return x.size()\n", "def f(x):\n    return x.size\n"),
    ("def f(here, there):\n    return here.distance\ndef g(a, b):\n    return a.distance(b)\n",
     "def f(here, there):\n    return here.distance(there)\n"
     "def g(a, b):\n    return a.distance(b)\n"),
    ("def f(x):\n    return make(a=x.a)\ndef make(a, b=0):\n    return a, b\n",
     "def f(x):\n    return make(a=x.a, b=x.b)\ndef make(a, b=0):\n    return a, b\n"),
    ("def f(big):\n    return make(bug=big)\n", "def f(big):\n    return make(big=big)\n"),
    ("def f(x):\n    return x.get('a', {}).get('b')\n",
     "def f(x):\n    return (x.get('a') or {}).get('b')\n"),
    ("def f(x, path):\n    'library/' + path\n    return path\n",
     "def f(x, path):\n    path = 'library/' + path\n    return path\n"),
    ("def f(a, b):\n    a -= b + 1\n    return a\n",
     "def f(a, b):\n    a = a - (b + 1)\n    return a\n"),
    ("def f(a, b):\n    return a == b.c\n", "def f(a, b):\n    return not b or a == b.c\n"),
    ("class A:\n    def f(self):\n        self.x = 1\n"
     "    def g(self):\n        self.changed.notify_all()\n",
     "class A:\n    def f(self):\n        self.x = 1\n        self.changed.notify_all()\n"
     "    def g(self):\n        self.changed.notify_all()\n"),
]  # fmt: skip


MADE = [
    ("class A:\n    def f(self, user):\n        self.user = user\n"
     "    def tell(self, user):\n        user.tell()\n",
     "class A:\n    def f(self, user):\n        self.tell(user)\n        self.user = user\n"
     "    def tell(self, user):\n        user.tell()\n"),
    ("def f(items):\n    return items[0]\ndef order(items):\n    items.sort()\n",
     "def f(items):\n    order(items)\n    return items[0]\ndef order(items):\n    items.sort()\n"),
    # what stands there, what is meant: from data/made_bugs.jsonl
    ("def f(a, b, c):\n    return a + b // 2 // c\n",
     "def f(a, b, c):\n    return (a + b // 2) // c\n"),
    ("def f(a, b, c):\n    return a or b and not c\n",
     "def f(a, b, c):\n    return (a or b) and not c\n"),
    ("def f(page, size):\n    return (page - 1) * size\n",
     "def f(page, size):\n    return (page - 1) * size + 1\n"),
    ("def f(i, bins):\n    if i > bins:\n        i = bins\n    return i\n",
     "def f(i, bins):\n    if i > bins:\n        i = bins - 1\n    return i\n"),
    ("def f(digits, n):\n    return digits[:n]\n", "def f(digits, n):\n    return digits[-n:]\n"),
    ("def f(n, m):\n    return [[0] * n] * m\n",
     "def f(n, m):\n    return [[0] * n for _ in range(m)]\n"),
    ("def f(line):\n    day, level, text = line.split(' ')\n    return day, level, text\n",
     "def f(line):\n    day, level, text = line.split(' ', 2)\n    return day, level, text\n"),
    ("def f(pause, most=None):\n    if pause > most:\n        pause = most\n    return pause\n",
     "def f(pause, most=None):\n    if most is not None and pause > most:\n        pause = most\n"
     "    return pause\n"),
    ("def f(word):\n    if word == 'x':\n        return 1\n    return 2\n"
     "def is_number(word):\n    return word.isdigit()\n",
     "def f(word):\n    if word == 'x' or is_number(word):\n        return 1\n    return 2\n"
     "def is_number(word):\n    return word.isdigit()\n"),
    ("def f(left, right):\n    for one, other in zip(left, right):\n        print(one, other)\n",
     "def f(left, right):\n    if len(left) != len(right):\n        return None\n"
     "    for one, other in zip(left, right):\n        print(one, other)\n"),
    ("def f(other, one):\n    other.lines = one.lines\n"
     "def g(one):\n    one.lines = {}\n",
     "def f(other, one):\n    other.lines = dict(one.lines)\n"
     "def g(one):\n    one.lines = {}\n"),
    ("def f(items, other):\n    return [i for i in items if i.size < other.base]\n"
     "def g(one):\n    one.level = 1\n    one.base = 1\n",
     "def f(items, other):\n    return [i for i in items if i.size < i.level]\n"
     "def g(one):\n    one.level = 1\n    one.base = 1\n"),
    ("def f(root, word):\n    node = root\n    for one in word:\n        node = node.next[one]\n"
     "    return node.end\ndef g(node):\n    node.end = False\n",
     "def f(root, word):\n    node = root\n    for one in word:\n        node = node.next[one]\n"
     "    node.end = True\n    return node.end\ndef g(node):\n    node.end = False\n"),
    ("def f(lines):\n    current = 'main'\n    for line in lines:\n        name = line.strip()\n"
     "        print(name)\n    return current\n",
     "def f(lines):\n    current = 'main'\n    for line in lines:\n        name = line.strip()\n"
     "        print(name)\n        current = name\n    return current\n"),
    ("def f(lines):\n    for line in lines:\n        if line:\n            print(line)\n"
     "        send(line)\n",
     "def f(lines):\n    for line in lines:\n        if line:\n            print(line)\n"
     "            continue\n        send(line)\n"),
]  # fmt: skip


def candidates_of(source: str, failures: Failures | None = None) -> list[Candidate]:
    tree = parse(source.encode())
    view = FunctionView(tree, functions(tree)[0], analyze(tree), failures or Failures())
    return ranked(function_candidates(view, lambda start, end: 1.0), {})


def is_among(found: list[Candidate], source: str, meant: str) -> bool:
    wanted = ast.dump(ast.parse(meant))
    for one in found:
        try:
            if ast.dump(ast.parse(one.text(source.encode()))) == wanted:
                return True
        except SyntaxError:
            continue
    return False


@pytest.mark.parametrize(("bad", "good"), [*REPAIRS, *MADE])
def test_the_repair_is_among_the_candidates(bad: str, good: str) -> None:
    assert is_among(candidates_of(bad), bad, good)


def test_what_a_class_asks_and_holds() -> None:
    bad = (
        "class Tree:\n    def __init__(self):\n        self.count = 0\n        self.above = {}\n"
        "    def is_inside(self, one, other):\n        return one in self.above\n"
        "    def move(self, one, other):\n        if one == other:\n            return\n"
    )
    good = bad.replace("one == other:", "one == other or self.is_inside(one, other):")
    for name, methods in (("is_inside", [("self.is_inside", 2)]), ("inside", [])):
        here = bad.replace("is_inside", name)
        tree = parse(here.encode())
        view = FunctionView(tree, functions(tree)[-1], analyze(tree))
        assert view.methods == methods and view.attributes == ["count", "above"]
        assert view.file.attribute_kinds == {"count": NUMBER, "above": MAPPING}
        found = function_candidates(view, lambda start, end: 1.0)
        assert is_among(found, here, good.replace("is_inside", name)) == bool(methods)


def test_what_stands_outside_of_functions() -> None:
    bad = (
        "BASE = 61\nclass A:\n    KEYS = ['a', 'c']\n    def f(self, n=9):\n        return n + 5\n"
    )
    tree = parse(bad.encode())
    view = FunctionView(tree, module_of(tree), analyze(tree))
    found = function_candidates(view, lambda start, end: 1.0)
    assert is_among(found, bad, bad.replace("61", "62"))
    assert is_among(found, bad, bad.replace("'a'", "'A'"))
    assert all(edit.end <= bad.index("def f") for one in found for edit in one.edits)


def test_a_constant_of_the_tests_joins_others() -> None:
    bad = "def f(x):\n    return x in ['==', '<=']\n"
    good = "def f(x):\n    return x in ['==', '<=', '<']\n"
    assert not is_among(candidates_of(bad), bad, good)
    assert is_among(candidates_of(bad, Failures(constants=("<",))), bad, good)


def test_what_would_stand_twice_comes_late() -> None:
    source = "class A:\n    def f(self, key, rest):\n        return key in self.known\n"
    tree = parse(source.encode())
    view = FunctionView(tree, functions(tree)[0], analyze(tree))
    found = ranked(function_candidates(view, lambda start, end: 1.0), {})
    texts = [one.text(source.encode()).decode() for one in found]
    first = {text.partition("return ")[2].strip(): at for at, text in reversed([*enumerate(texts)])}
    assert first["key in rest"] < first["key in key"]


def test_names_that_are_spelled_alike_come_first() -> None:
    source = "def f(lines, line, other):\n    return len(linse)\n"
    found = candidates_of(source)
    texts = [one.text(source.encode()).decode() for one in found]
    assert texts.index(source.replace("linse", "lines")) < texts.index(
        source.replace("linse", "other")
    )
    assert likeness("Name", "name") == 1.0
    assert likeness("abc", "xyz") == 0.0


def test_what_a_file_says_of_functions_and_names() -> None:
    text = "def read(path, strict: bool = False, *, deep=None): ...\na.b\na.b.c\n"
    file = FileView(parse(text.encode()))
    assert file.keywords("read") == {"strict": ["False"], "deep": ["None"]}
    assert file.keywords("not a name") == {}
    assert file.attributes_of("a") == [("b", 2)]
    assert file.attributes_of("self") == []
