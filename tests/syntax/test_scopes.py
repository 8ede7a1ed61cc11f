"""Scopes against Python's own symbol table, and reports of undefined names."""

from __future__ import annotations

import random
import subprocess
import symtable
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from codemtl.syntax.names import ANNOTATION, FUNCTION
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.suggestions import spelling_distance
from codemtl.syntax.tree import parse

STDLIB = Path(sysconfig.get_paths()["stdlib"])
MODULES = ("argparse", "ast", "dataclasses", "inspect", "tarfile", "typing", "unittest/mock")


def scopes_of(source: str) -> Scopes:
    return analyze(parse(source.encode()))


def undefined(source: str) -> list[str]:
    return [found.name for found in scopes_of(source).undefined_names]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return [y for y in x if y]",
        "class A:\n    n = 1\n    m = [i for i in range(n)]",
        "def f():\n    global g\n    g = 1\nprint(g)",
        "def f():\n    x = 1\n    def h():\n        nonlocal x\n        x = 2\n    return h",
        "try:\n    pass\nexcept OSError as e:\n    print(e)",
        "if any((hit := x) for x in [1]):\n    print(hit)",
        "match [1]:\n    case [a, *b] | {'k': a, **b} as w if w:\n        print(a, b, w)",
        "match 1:\n    case int(real=r) if r:\n        print(r)",
        "def f(a, /, b=1, *c, d: int = 2, **e): return a, b, c, d, e",
        "def f[T, *Ts, **P](x: T) -> T: return x",
        "class A[T]:\n    x: T",
        "type X[T] = list[T]\nprint(X)",
        "class A:\n    def f(self): return __class__",
        "class A:\n    print(__qualname__, __module__)\nprint(__file__)",
        "x = 1\nprint(f'{x!r:>{x}} {x=}')",
        "print((lambda a, *b, c=1: (a, b, c)))",
        "import a.b, c as d\nfrom e import f as g, h\nprint(a, d, g, h)",
        "for i, (j, *k) in []:\n    print(i, j, k)",
        "with open('x') as (a, b), open('y') as c:\n    print(a, b, c)",
        "if 0:\n    import json\njson",
        "x: 'Missing' = 1",
        "from m import *\nprint(anything)",
        "exec('x = 1')\nprint(x)",
        "globals()['x'] = 1\nprint(x)",
        "locals()['x'] = 1\nprint(x)",
        "class C:\n    locals().update(x=1)\n    print(x)",
        "def f(a=locals().update(x=1)):\n    return x",
        "def f(m):\n    vars(m).update(x=1)\n    return x",
        "globals().update(x=1)\nprint(x)",
        "try:\n    unicode\nexcept NameError:\n    unicode = str",
        "try:\n    cmp2\nexcept NameError:\n    pass",
        "import pytest\nwith pytest.raises(NameError):\n    cmp2",
        "class T:\n    def t(self): self.assertRaises(NameError, lambda: cmp2)",
        "import builtins\nbuiltins.profile = print\n@profile\ndef f(): pass",
        "import sys\nsys.modules[__name__].helper = print\nhelper(1)",
        "\u00b5m = 1e-6\ndef f(x): return x * \u03bcm",
        "\ufb01 = 1\nprint(fi)",
        "# a comment of an old Mac\rimport os\r\nprint(os.getcwd())\r\n",
        "n = 0\ndef f():\n    global n\n    n += 1",
        "n = 0\ndef f():\n    n += 1",
        "class A:\n    n += 1",
        "import sys\nif sys.version_info[0] == 2:\n    print(unicode)",
        "print _x",
        "def f(:\n    broken = \nprint(broken)",
        "class A\n    def f(self): return self",
        "def deco(f): return f\n@deco\ndef g(x=deco): pass",
    ],
)
def test_defined(source: str) -> None:
    assert undefined(source) == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("print(leng([]))", ["leng"]),
        ("class A:\n    n = 1\n    def f(self): return n", ["n"]),
        ("class A:\n    n = 1\n    m = [n for i in range(3)]", ["n"]),
        ("[x for x in []]\nprint(x)", ["x"]),
        ("def f(): y = 1\nprint(y)", ["y"]),
        ("def f(a=b, *c): b = c", ["b"]),
        ("@missing\ndef f(x: Unknown) -> None: pass", ["missing", "Unknown"]),
        ("[a for a in a]", ["a"]),
        ("match 1:\n    case Colour.RED: pass", ["Colour"]),
        ("print(f'{missing}')", ["missing"]),
        ("x = globals()['y']\nprint(z)", ["z"]),
        ("def f(x):\n    print(y)\n    return '%(x)s' % locals()", ["y"]),
        ("def f(x):\n    return g(vars()), y", ["g", "y"]),
        ("class C:\n    f = lambda x: h(locals())", ["h"]),
        ("def f(xs):\n    for x in xs: totl += x\n    return totl", ["totl", "totl"]),
        ("def f():\n    raise NameError(missing)", ["missing"]),
    ],
)
def test_undefined(source: str, names: list[str]) -> None:
    assert undefined(source) == names


def test_many_undefined_names_come_from_outside() -> None:
    calls = [f"    c_call_{letter}()\n" for letter in "abcdefg"]
    assert len(undefined("def f():\n" + "".join(calls[:6]))) == 6
    assert undefined("def f():\n" + "".join(calls)) == []


def test_many_names_take_little_time() -> None:
    """Each name is compared with each once; a quarter of a second was six."""
    names = "".join(f"name_number_{number} = {number}\n" for number in range(1000))
    uses = "".join(f"def f{number}(): return nam_number_5\n" for number in range(60))
    started = time.process_time()
    assert len(undefined(names + uses)) == 60
    assert time.process_time() - started < 3


def test_report_names_the_function_and_suggests() -> None:
    source = (
        "class A:\n    def run(self, count):\n        self.size = 1\n        return conut + size"
    )
    first, second = scopes_of(source).undefined_names
    assert (first.function, first.suggestions[0]) == ("A.run", "count")
    assert source[first.start : first.end] == "conut"
    assert second.suggestions == ("self.size",)


@pytest.mark.parametrize(
    ("one", "two", "distance"),
    [("abcd", "abdc", 1), ("abcd", "abcd", 0), ("Name", "name", 0.5), ("length", "len", None)],
)
def test_spelling_distance(one: str, two: str, distance: float | None) -> None:
    assert spelling_distance(one, two) == distance


def test_visible_names_come_nearest_first() -> None:
    source = "import os\ndef f(a):\n    b = len(a)\n    def g(c):\n        return c\n    return g\n"
    scopes = scopes_of(source)
    inner = scopes.scope_at(source.index("return c")).index
    assert scopes.visible_in(inner) == ("c", "a", "b", "g", "os", "f", "len")


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("def f(x):\n    return HERE", True),
        ("def f(x):\n    y = x\n    return HERE", False),
        ("def f(x):\n    def g():\n        return x\n    return HERE", False),
        ("def f(x):\n    x = 1\n    return HERE", True),
        ("def f(x):\n    x += 1\n    return HERE", False),
        ("def f():\n    return [HERE for x in y]", True),
        ("x = 1\nprint(HERE)", False),  # others may read it
        ("def f():\n    return HERE", False),
        ("class A:\n    x = 1\n    y = HERE", False),
    ],
)
def test_variables_that_are_read_once(source: str, answer: bool) -> None:
    scopes = scopes_of(source.replace("HERE", "x"))
    assert scopes.read_only_at(source.index("HERE")) == answer


def test_bindings_and_categories() -> None:
    source = "import os\ndef f(a):\n    return os, a, len, f\n"
    scopes, names = scopes_of(source), ("os", "a", "len", "f")
    inner = scopes.scope_at(source.index("return")).index
    assert [scopes.resolve(inner, name) for name in names] == [0, inner, -1, 0]
    categories = [scopes.category(inner, name) for name in names]
    assert categories == ["import", "local", "builtin", "definition"]


@pytest.mark.parametrize("module", MODULES)
def test_agrees_with_the_compiler(module: str) -> None:
    """Each name that Python binds in a function's table, ours binds there too, and vice versa."""
    source = (STDLIB / f"{module}.py").read_text("utf-8")
    ours: dict[tuple[str, int], list[set[str]]] = {}
    for scope in analyze(parse(source.encode())).scopes:
        if scope.kind == FUNCTION and not scope.qualname.endswith("<lambda>"):
            line = source.encode().count(b"\n", 0, scope.start) + 1
            name = scope.qualname.rpartition(".")[2]
            ours.setdefault((name, line), []).append(set(scope.bound))
    checked = 0
    tables = [symtable.symtable(source, module, "exec")]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        if isinstance(table, symtable.Function) and table.get_name().isidentifier():
            theirs = {s.get_name() for s in table.get_symbols() if s.is_local()}
            theirs = {_unmangled(name) for name in theirs if not name.startswith(".")}
            for bound in ours.get((table.get_name(), table.get_lineno()), []):
                assert {_unmangled(name) for name in bound} == theirs, table
                checked += 1
    assert checked > 20


def _unmangled(name: str) -> str:
    """``_Class__x`` as it is written, ``__x``."""
    head, middle, tail = name.partition("__")
    return "__" + tail if middle and head.startswith("_") and head[1:2].isupper() else name


def test_no_false_report_in_the_standard_library() -> None:
    files = sorted(STDLIB.glob("*.py"))
    for file in random.Random(0).sample(files, 60):
        data = file.read_bytes()
        assert analyze(parse(data)).undefined_names == [], file


def test_any_text_is_analysed() -> None:
    data = (STDLIB / "typing.py").read_bytes()
    rng = random.Random(0)
    for _ in range(60):
        start, length = rng.randrange(len(data)), rng.randrange(400)
        cut = bytearray(data[start : start + length])
        for _ in range(rng.randrange(4)):
            cut[rng.randrange(len(cut) + 1) :][:1] = rng.randbytes(1)
        assert analyze(parse(bytes(cut))).undefined_names is not None
    assert analyze(parse(b"x = " + b"(" * 3000 + b"1" + b")" * 3000)).undefined_names is not None
    assert analyze(parse(b"x = " + b" + ".join([b"y"] * 5000))).undefined_names is not None


def test_roles_cover_every_builtin() -> None:
    program = "import builtins; print(*dir(builtins))"  # here libraries may have added to them
    shown = subprocess.run([sys.executable, "-Ic", program], capture_output=True, check=True)
    names = [name for name in shown.stdout.decode().split() if name != "_"]
    source = "\n".join(names)
    found = scopes_of(source)
    assert found.undefined_names == []
    assert all(occurrence.role <= ANNOTATION for occurrence in found.names)
