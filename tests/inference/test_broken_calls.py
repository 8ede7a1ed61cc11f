"""Calls that do not fit what they call."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.inference.broken_calls import broken_calls
from codemtl.inference.fake import FakePredictor
from codemtl.inference.project import Projects
from codemtl.inference.repair import repair_source
from codemtl.syntax.edits import apply
from codemtl.syntax.files import SourceFile
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

B = """\
def helper(model, key):
    return model


class Base:
    def __init__(self, model, name):
        self.name = name

    def load(self, key, *, strict):
        pass
"""


def told(text: str, folder: Path | None = None, **files: str) -> list[tuple[str, str | None]]:
    """What is wrong, and the line after the repair; of ``p/a.py`` beside ``files``."""
    project = None
    if folder is not None:
        (folder / "pyproject.toml").touch()
        (folder / "p").mkdir()
        for name, content in {"__init__": "", **files, "a": text}.items():
            (folder / "p" / f"{name}.py").write_text(content)
        source = SourceFile.read(folder / "p" / "a.py")
        project = Projects().around(source)
    found = broken_calls(analyze(parse(text.encode())), project)
    return [(one.trouble.partition(" (")[0], repaired(text, one.repair)) for one in found]


def repaired(text: str, edit: object) -> str | None:
    from codemtl.syntax.edits import Edit

    if not isinstance(edit, Edit):
        return None
    data = apply(text.encode(), [edit])
    start, end = data.rfind(b"\n", 0, edit.start) + 1, data.find(b"\n", edit.start)
    return data[start:end].decode().strip()


SCALE = (
    "def scale(key, factor, *, mode=None):\n    return key\n\n\n"
    "def g(a, b, c):\n    return a\n\n\nclass G:\n    pass\n\n\n"
)


@pytest.mark.parametrize(
    ("header", "call", "trouble", "line"),
    [
        ("factor", "scale(1)", "scale() needs 'factor'", "scale(1, factor)"),
        ("key", "scale(factor)", "scale() needs 'factor'", "scale(key, factor)"),
        ("key, factor", "scale(factor)", "scale() needs 'factor'", "scale(key, factor)"),
        ("b", "g(1, b=b)", "g() needs 'c'", None),
        ("c", "g(1, b=2)", "g() needs 'c'", "g(1, b=2, c=c)"),
        ("factor", "scale(1, mode=2)", "scale() needs 'factor'", "scale(1, factor, mode=2)"),
        ("factor", "scale(key=1)", "scale() needs 'factor'", "scale(key=1, factor=factor)"),
        ("factor", "scale(1,)", "scale() needs 'factor'", "scale(1, factor,)"),
        ("key", "scale()", "scale() needs 'key' and 'factor'", None),
        ("x", "scale(1)", "scale() needs 'factor'", None),
        ("x", "factor = scale(1)", "scale() needs 'factor'", None),
        ("x", "for factor in scale(1): pass", "scale() needs 'factor'", None),
        ("x", "factor = 2; scale(1)", "scale() needs 'factor'", "factor = 2; scale(1, factor)"),
        (
            "mode",
            "scale(1, 2, mode, mode=3)",
            "scale() takes 2 positional arguments, not 3",
            "scale(1, 2, mode=3)",
        ),
        ("x", "scale(1, 2, size=3,)", "scale() has no parameter 'size'", "scale(1, 2,)"),
        (
            "x",
            "scale(size=3, key=1, factor=2)",
            "scale() has no parameter 'size'",
            "scale(key=1, factor=2)",
        ),
        ("x", "G(size=3)", "G() has no parameter 'size'", "G()"),
        ("x", "scale(1, 2, 3)", "scale() takes 2 positional arguments, not 3", "scale(1, 2)"),
        (
            "x",
            "scale(key, x, factor)",
            "scale() takes 2 positional arguments, not 3",
            "scale(key, factor)",
        ),
        (
            "mode",
            "scale(1, 2, mode)",
            "scale() takes 2 positional arguments, not 3",
            "scale(1, 2, mode=mode)",
        ),
        ("x", "scale(1, 2, 3, 4)", "scale() takes 2 positional arguments, not 4", None),
        ("x", "g(c=x, message=3)", "g() has no parameter 'message'", None),
        ("x", "scale(1, fctr=3)", "scale() has no parameter 'fctr'", "scale(1, factor=3)"),
        ("size_b", "g(b_size, c)", "g() needs 'c'", None),
        ("a", "g(x.b, c[0])", "g() needs 'c'", "g(a, x.b, c[0])"),
        ("x", "scale(1, 2, key=3)", "scale() gets 'key' twice", None),
        ("x", "scale(1, 2, mdoe=3)", "scale() has no parameter 'mdoe'", "scale(1, 2, mode=3)"),
        ("x", "scale(1, factors=3)", "scale() has no parameter 'factors'", "scale(1, factor=3)"),
        ("x", "scale(1, 2, size=3)", "scale() has no parameter 'size'", "scale(1, 2)"),
        (
            "x",
            "scale(key=1, size=3, factor=2)",
            "scale() has no parameter 'size'",
            "scale(key=1, factor=2)",
        ),
        ("factor", "scale(i for i in x)", "scale() needs 'factor'", None),
    ],
)
def test_calls_of_a_function(header: str, call: str, trouble: str, line: str | None) -> None:
    assert told(f"{SCALE}def f({header}):\n    {call}\n") == [(trouble, line)]


@pytest.mark.parametrize(
    "body",
    [
        "scale(1, 2)",
        "scale(*a)",
        "scale(1, **a)",
        "scale = a\n    scale(1)",
        "try:\n        scale(1)\n    except (ValueError, TypeError):\n        pass",
        "try:\n        scale(1)\n    except:\n        pass",
        "with pytest.raises(TypeError):\n        scale(1)",
        "self.assertRaises(TypeError, lambda: scale(1))",
        "scale(1, \\\n        2)",
        "scale(\\\n        1, 2)",
        "scale(1)  # type: ignore[call-arg]",
        "scale(1)  # pylint: disable=no-value-for-parameter",
    ],
)
def test_calls_that_fit_or_may(body: str) -> None:
    assert told(f"{SCALE}def f(a):\n    {body}\n") == []


@pytest.mark.parametrize(
    "above",
    [
        "@decorated\ndef scale(a, b): return a\n",
        "def scale(a, b): return a\nscale = g(scale)\n",
        "def scale(a, b): return a\ndef scale(a): pass\n",
        "if x:\n    def scale(a, b): pass\nelse:\n    def scale(a): pass\n",
        "def scale(a, b): return a\ndef g():\n    global scale\n    scale = 3\n",
        "def scale(a, *b): pass\n",
        "def scale(a, b=1): pass\n",
        "@dataclass\nclass scale:\n    a: int\n    b: int\n",
        "class scale(NamedTuple):\n    a: int\n    b: int\n",
        "class scale(metaclass=M):\n    def __init__(self, a, b): pass\n",
        "class scale(Enum):\n    def __init__(self, a, b): pass\n",
        "class scale:\n    def __new__(cls, a): pass\n    def __init__(self, a, b): pass\n",
        "class scale(Unknown): pass\n",
        "class A(metaclass=M): pass\n\n\nclass scale(A):\n    def __init__(self, a, b): pass\n",
        "class A:\n    def __init__(self, a, b): pass\n\n\nclass B(A): pass\n\n\n"
        "class C(A):\n    def __init__(self, a): pass\n\n\nclass scale(B, C): pass\n",
        "def scale(): pass\n",
        "def scale(a, b): return a\nfrom x import *\n",
        "def scale(a, b): return a\nglobals().update(x)\n",
        "class A:\n    def __init_subclass__(cls): pass\n\n\nclass scale(A): pass\n",
        "class scale:\n    def __init__(self, a, b): pass\n\n\nscale.__init__ = x\n",
        "def scale(a, b): return a\nexec(x)\n",
    ],
)
def test_what_may_be_called_otherwise(above: str) -> None:
    assert told(f"{above}\n\ndef f(a):\n    scale(1)\n") == []


def test_what_other_calls_hand_over_is_handed_over_here() -> None:
    text = (
        "def find(model, key): return key\n\n\nclass A:\n    def f(self, key):\n"
        "        find(self.model, key)\n\n    def g(self, key):\n        find(key)\n"
    )
    assert told(text) == [("find() needs 'key'", "find(self.model, key)")]


def test_a_constant_is_handed_over_if_two_calls_agree() -> None:
    text = "def find(x, key): return key\n\n\ndef f():\n    find(2, 'a b')\n    find(3)\n"
    assert told(text) == [("find() needs 'key'", None)]
    assert told(f"{text}    find(5, 'a b')\n") == [("find() needs 'key'", "find(3, 'a b')")]


def test_attributes_of_the_object() -> None:
    text = (
        "def find(x, key): return key\n\n\nclass A:\n    def __init__(self, key):\n"
        "        self._key = key\n\n    def g(self):\n        find(1)\n"
    )
    assert told(text) == [("find() needs 'key'", "find(1, self._key)")]


def test_classes_and_methods_of_other_files(tmp_path: Path) -> None:
    text = (
        "import p.b as b\nfrom .b import Base, helper as h\n\n\nclass A(Base):\n"
        "    def __init__(self, model, name):\n        super().__init__(name=name)\n"
        "        self.load(name)\n        h(model)\n        b.helper(name)\n"
        "        b.Base(model)\n\n"
        "    @classmethod\n    def make(cls):\n        cls.make(3)\n        cls.load(3, 4)\n"
        "        return A(3)\n"
    )
    assert told(text, tmp_path, b=B) == [
        ("super().__init__() needs 'model'", "super().__init__(name=name, model=model)"),
        ("self.load() needs 'strict'", None),
        ("h() needs 'key'", None),
        ("b.helper() needs 'key'", "b.helper(model, name)"),
        ("b.Base() needs 'name'", "b.Base(model, name)"),
        ("cls.make() takes no positional arguments, not 1", "cls.make()"),
        ("A() needs 'name'", None),
    ]


def test_what_comes_after_another_class() -> None:
    text = (
        "class A:\n    def __init__(self, a): pass\n\n\nclass B(A):\n"
        "    def __init__(self):\n        super(B, self).__init__()\n"
        "        super(A, self).__init__()\n"
    )
    assert told(text) == [("super(B, self).__init__() needs 'a'", None)]


def test_a_method_that_forgot_self() -> None:
    text = "class A:\n    def f(self):\n        self.g(1)\n\n    def g(x):\n        return x\n"
    assert told(text) == [("self.g() takes no positional arguments, not 1", "def g(self, x):")]


def test_methods_that_others_override(tmp_path: Path) -> None:
    text = "class A:\n    def f(self):\n        self.g(1)\n\n    def g(self): ...\n"
    assert len(told(text)) == 1
    child = "from .a import A\nclass C(A):\n    def g(self, x): ...\n"
    assert told(text, tmp_path, c=child) == []


ASYNC = "async def load(x): return x\n\n\nasync def stream(x):\n    yield x\n\n\n"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("load(1)", "await load(1)"),
        ("if load(1) == 2: pass", "if await load(1) == 2: pass"),
        ("load(1).x", "(await load(1)).x"),
        ("return not load(1)[0]", "return not (await load(1))[0]"),
        ("load(1).close()", None),
        ("x = load(1); x.y", "x = await load(1); x.y"),
        ("x = load(1); x.close()", None),
        ("x = load(1); x.y; gather(x)", None),
        ("x = load(1)", None),
        ("x = load(1); x = await x; x.y", None),
        ("x[load(1)]", None),
        ("await load(1)", None),
        ("return load(1)", None),
        ("tasks = [load(1)]", None),
        ("gather(load(1))", None),
        ("stream(1)", None),
        ("lambda: load(1) + 2", None),
    ],
)
def test_coroutines_that_nobody_awaits(body: str, line: str | None) -> None:
    trouble = "load() is a coroutine, and nobody awaits it"
    assert told(f"{ASYNC}async def f():\n    {body}\n") == ([(trouble, line)] if line else [])
    assert told(f"{ASYNC}def f():\n    {body}\n") == []


def test_coroutines_that_another_class_has_as_plain_methods() -> None:
    text = "class A:\n    async def f(self):\n        self.g()\n\n    async def g(self): ...\n"
    assert told(text) == [("self.g() is a coroutine, and nobody awaits it", "await self.g()")]
    assert told(f"{text}\n\nclass B(A):\n    def g(self): ...\n") == []


@pytest.mark.parametrize(
    "more",
    [
        "class C(A):\n    def g(self, x): ...\n",
        "class C(A):\n    g = None\n",
        "class C(A):\n    g=lambda self, x: x\n",
        "A.g = f\n",
        "a.g: int = f\n",
        "setattr(a, 'g', f)\n",
        "class C(A):\n    from b import g\n",
        "class C(A):\n    class g: ...\n",
    ],
)
def test_methods_that_are_replaced(tmp_path: Path, more: str) -> None:
    text = "class A:\n    def f(self):\n        self.g(1)\n\n    def g(self): ...\n"
    assert told(text, tmp_path, c=more) == []


def test_a_project_that_is_too_large_may_override_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codemtl.inference.project.MOST_FILES", 1)
    text = "class A:\n    def f(self):\n        self.g(1)\n\n    def g(self): ...\n"
    assert told(text, tmp_path) == []


def test_what_stands_between_a_class_and_its_base(tmp_path: Path) -> None:
    text = (
        "class Base:\n    def save(self): ...\n\n\nclass Timed(Base):\n"
        "    def save(self, using):\n        super().save(using=using)\n"
    )
    assert told(text) == [("super().save() has no parameter 'using'", "super().save()")]
    assert told(f"{text}\n\nclass Thing(Timed, Storage): ...\n") == []
    assert told(text, tmp_path, c="class Thing(Storage, a.Timed): ...\n") == []


def test_a_class_method_calls_its_base() -> None:
    text = (
        "class Base:\n    def f(self, a): ...\n\n\nclass A(Base):\n    @classmethod\n"
        "    def g(cls):\n        super().f(cls(), 2)\n"
    )
    assert told(text) == []


def test_names_that_a_package_binds_itself(tmp_path: Path) -> None:
    tool = "class tool:\n    def f(self, a): ...\n\n\ndef f(a, b):\n    return a\n"
    text = "from p import tool\n\ntool.f(1)\n"
    assert len(told(text, tmp_path, tool=tool)) == 1
    other = tmp_path / "other"
    other.mkdir()
    assert told(text, other, tool=tool, __init__="from .tool import tool\n") == []
    third = tmp_path / "third"
    third.mkdir()
    assert len(told(text, third, tool=tool, __init__="from p import tool\n")) == 1


def test_modules_that_are_called_as_those_of_python(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "time.py").write_text("def sleep(a, b):\n    return a\n")
    path = tmp_path / "a.py"
    path.write_text("import time\n\ntime.sleep(1)\n")
    source = SourceFile.read(path)
    scopes = analyze(parse(source.data))
    assert broken_calls(scopes, Projects().around(source)) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # what other calls hand over is not known here
        ("def f(a, b): return a\ndef g(opts): f(1, opts)\ndef h(): f(3)\n", None),
        ("def f(a, b): return a\nclass A:\n    def g(self): f(1, self.b)\ndef h(): f(3)\n", None),
        ("def f(a): return a\nf(z for z in x)\nf()\n", None),
        # attributes of the object, before they are set, and methods
        (
            "def f(a): return a\nclass A:\n    def __init__(self):\n        self.b = f()\n"
            "        self.a = 1\n",
            None,
        ),
        (
            "def f(a): return a\nclass A:\n    def __init__(self):\n        self.a = 1\n"
            "        self.b = f()\n",
            "self.b = f(self.a)",
        ),
        ("def f(a): return a\nclass A:\n    def a(self): return f()\n", None),
        # it would still not be accepted, or not compile
        ("def f(a, b, c): return a\ndef g(a, c): f(c, b=1)\n", None),
        ("def f(a, /): return a\nf(a=3)\n", None),
        ("def f(a, b): return a\nf(1, 2, # one, two,\n  3)\n", None),
        # a static method
        (
            "class A:\n    def f(self): self.n(3)\n    def n(x): return x\nA.n(3)\n",
            None,
        ),
    ],
)
def test_repairs_that_are_not_offered(text: str, line: str | None) -> None:
    ((_, found),) = told(text)
    assert found == line


def test_coroutines_in_generators_and_defaults() -> None:
    text = f"{ASYNC}async def f(a=load(1) + 2):\n    sum(load(1)[0] for x in a)\n"
    assert told(text) == []
    assert told(f"{ASYNC}async def f():\n    x = load(1)\n    x is None\n") == []


def test_imports_behind_a_star(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    star, plain = "from x import *\n", "from .b import helper\n"
    assert len(told(f"{star}{plain}helper(1)\n", tmp_path / "one", b=B)) == 1
    assert told(f"{plain}{star}helper(1)\n", tmp_path / "two", b=B) == []


def test_the_findings_of_repair() -> None:
    text = f"{SCALE}def f(factor):\n    scale(1)\n    scale(2, 3, 4, 5)\n"
    result = repair_source(SourceFile.from_bytes(text.encode()), FakePredictor())
    assert [(one.kind, one.function, one.original, one.replacement) for one in result.findings] == [
        ("call-misuse", "f", "scale", "scale"),
        ("call-misuse", "f", "", ", factor"),
    ]
    assert result.patched is not None and b"    scale(1, factor)\n" in result.patched
    assert [one.original for one in result.unresolved] == ["scale"]
