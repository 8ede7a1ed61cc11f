"""Imports of a project's own modules that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.inference.project import Projects
from codemtl.inference.repair import RepairOptions, repair_paths, repair_source
from codemtl.inference.sources import Target
from codemtl.inference.stale_imports import stale_imports
from codemtl.syntax.files import SourceFile
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse


def stale(folder: Path, text: str, **files: str) -> list[tuple[str, str | None, str | None]]:
    """Module, what it lacks, and what stands instead, of ``p/q/a.py`` that holds ``text``."""
    (folder / "pyproject.toml").touch()
    for name, content in {"p__INIT": "", "p__q__INIT": "", **files, "p__q__a": text}.items():
        place = name.replace("__", "/").replace("INIT", "__init__").replace("DOT", ".")
        path = folder / (place if "." in place else f"{place}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    source = SourceFile.read(folder / "p" / "q" / "a.py")
    project = Projects().around(source)
    assert project is not None
    found = stale_imports(analyze(parse(source.data)), project)
    assert all(source.data[one.start : one.end].decode() == one.module for one in found)
    return [(one.module, one.lacks, one.instead) for one in found]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from .b import f", None),
        ("from p.q.b import f", None),
        ("from . import b, c", None),
        ("from ..d import D", None),
        ("from p import d", None),
        ("from .b import f as g, __doc__", None),
        ("from .b import *", None),
        ("from .e import f", (".e", None, ".b")),  # the one module that has it
        (
            "from .helpers import h",
            (".helpers", None, ".helper"),
        ),  # is called nearly so and holds the word
        ("from p.q.e import f", ("p.q.e", None, "p.q.b")),
        ("from .d import D", (".d", None, "..d")),
        ("from ..q.d import D, E", ("..q.d", None, "..d")),
        ("from .b import D", (".b", "D", "..d")),
        ("from .e import D, f", (".e", None, None)),  # no module has both
        ("from .b import f, D", (".b", "D", None)),
        ("from .e import same", (".e", None, None)),  # two modules have it
        ("from p.e.r import f", ("p.e.r", None, "p.q.b")),
        ("from . import gone", (".", "gone", None)),
        ("from .e import beyond", (".e", None, None)),  # another package has it
        ("from other.e import f", None),  # of another package
        ("from ....e import f", None),  # Python itself refuses it
        ("from .e_version import f", None),  # a build may make it
        ("from .ignored import f", None),
        ("from .compiled import f", None),
        ("from .opened import f", None),
        ("try:\n    from .e import f\nexcept ImportError:\n    pass", None),
        ("with suppress(ImportError):\n    from .e import f", None),
        ("if PY2:\n    from .e import f", None),
        ("if TYPE_CHECKING:\n    from .e import f", (".e", None, ".b")),
        ("def g():\n    from .e import f", (".e", None, ".b")),
        ("import sys\nsys.path.append('x')\nfrom .e import f", None),
        ("'''from .e import f'''", None),
    ],
)
def test_what_leads_nowhere(
    tmp_path: Path, statement: str, found: tuple[str, str | None, str | None] | None
) -> None:
    said = stale(
        tmp_path, statement + "\n", p__q__b="def f(): pass\n", p__q__helper="h = 1\n",
        p__q__c="same = 1\n",
        other__INIT="def beyond(): pass\n",
        p__d="class D: pass\nclass E: pass\nclass same: pass\n", p__f="def same(): pass\n",
        p__q__opened="from x import *\n", p__q__compiledDOTso="", DOTgitignore="p/q/ignored.py\n",
    )  # fmt: skip
    assert said == ([found] if found is not None else [])


@pytest.mark.parametrize(
    "text", ["__path__ = extend_path(__path__, __name__)\n", "def __getattr__(name): pass\n"]
)
def test_a_package_that_may_hold_more(tmp_path: Path, text: str) -> None:
    assert stale(tmp_path, "from .e import f\nfrom . import g\n", p__q__INIT=text) == []


def test_scripts_of_no_package_may_import_anything(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "a.py").write_text("from .b import c\nfrom b import c\n")
    assert repair_source(SourceFile.read(tmp_path / "a.py"), FakePredictor()).findings == []


def test_the_repair_is_written(tmp_path: Path) -> None:
    text = "from .runner import run  # a\n\n\ndef f():\n    from ..gone import x\n    run(x)\n"
    assert len(stale(tmp_path, text, p__q__runners="run = 1\n")) == 2
    path = tmp_path / "p" / "q" / "a.py"
    (result,) = repair_paths([Target(str(path))], FakePredictor(), RepairOptions(), write=True)
    assert [(one.kind, one.function, one.message) for one in result.findings] == [
        ("undefined-name", None, "there is no module '.runner'; did you mean '.runners'?"),
        ("undefined-name", "f", "there is no module '..gone'"),
    ]
    assert path.read_text() == text.replace(".runner ", ".runners ")
    assert [one.original for one in result.remaining] == ["..gone"]
