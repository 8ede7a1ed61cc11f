"""What an undefined name is elsewhere in its project."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from codemtl.inference import scope_findings
from codemtl.inference.baseline import read_baseline
from codemtl.inference.fake import FakePredictor
from codemtl.inference.missing_imports import elsewhere, same_source
from codemtl.inference.repair import RepairOptions, repair_paths, repair_source
from codemtl.inference.sources import Target
from codemtl.report.documents import Model, repair_document
from codemtl.syntax.files import SourceFile
from codemtl.syntax.imports import Import
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.syntax.undefined import UndefinedName


class Texts:
    """A project of texts; the first is the file that is asked for."""

    def __init__(self, **texts: str) -> None:
        self.texts = {
            f"{path.replace('__', '/').replace('INIT', '__init__')}.py": text.encode()
            for path, text in texts.items()
        }
        self.place = next(iter(self.texts))

    @property
    def files(self) -> Collection[str]:
        return self.texts.keys()

    def names(self, folder: str) -> frozenset[str]:
        return frozenset()

    def text(self, path: str) -> bytes:
        return self.texts.get(path, b"")

    def mentions(self, name: str) -> bool:
        return any(self.holding(name))

    def holding(self, name: str) -> Iterator[tuple[str, bytes]]:
        for path, text in self.texts.items():
            if path != self.place and name.encode() in text:
                yield path, text


def said(name: str, use: str = "", **texts: str) -> str | None:
    """What the first file is told, which uses the name in a function."""
    place, text = next(iter(texts.items()))
    texts[place] = f"{text}\n\ndef f():\n    return {use or name + '.x'}\n"
    project = Texts(**texts)
    scopes = analyze(parse(project.texts[project.place]))
    one = next(one for one in scopes.undefined_names if one.name == name)
    found = elsewhere(one, scopes, project)
    return found.statement if isinstance(found, Import) else found


@pytest.mark.parametrize(
    ("texts", "statement"),
    [
        ({"a": "", "b": "import tool\n"}, "import tool"),
        ({"a": "", "b": "import tool.path\n"}, "import tool"),
        ({"a": "", "b": "from c import tool\n", "d": "import tool\n", "e": "import tool\n"},
         "import tool"),
        ({"p__a": "", "p__INIT": "", "p__b": "from .c import tool\n"}, "from .c import tool"),
        ({"p__a": "import p.d\n", "p__INIT": "", "p__b": "from .c import tool\n"},
         "from p.c import tool"),
        ({"p__a": "from . import d\n", "p__INIT": "", "b": "from p.c import tool\n"},
         "from .c import tool"),
        ({"p__q__a": "from . import d\n", "p__INIT": "", "p__q__INIT": "",
          "p__b": "from .c import tool"},
         "from ..c import tool"),
        ({"src__p__a": "", "src__p__INIT": "", "src__p__c": "def tool(): pass\n"},
         "from p.c import tool"),
        ({"p__a": "", "p__INIT": "", "p__c": "class tool: pass\n", "p__d": "def tool(): pass\n"},
         None),
        ({"p__a": "", "p__INIT": "", "p__c": "tool = 1\n"}, None),  # no constant
        ({"p__a": "", "p__INIT": "", "p__tool": ""}, "from p import tool"),
        ({"a": "", "examples__b": "def tool(): pass\n"}, None),  # of no package
        ({"p__a": "", "p__INIT": "", "p__test_b": "def tool(): pass\n"}, None),
        ({"p__test_a": "", "p__INIT": "", "p__test_b": "def tool(): pass\n"},
         "from p.test_b import tool"),
        ({"p__a": "", "p__INIT": "", "b": "from p.a import tool\n"}, None),  # of the file itself
        ({"p__a": "", "p__INIT": "from .c import tool\n", "b": "from p import tool\n"},
         "from .c import tool"),  # the package may import the file
        ({"p__a": "", "p__INIT": "", "p__b": "from . import tool\n"}, "from . import tool"),
        ({"a": "", "b": "from .......c import tool\n"}, None),
    ],
)  # fmt: skip
def test_what_others_import_or_define(texts: dict[str, str], statement: str | None) -> None:
    assert said("tool", **texts) == statement


def test_a_module_that_the_file_imports_has_it() -> None:
    texts = {"p__a": "from p import c\n", "p__INIT": "", "p__c": "class Block: pass\n"}
    assert said("Block", **texts) == "c.Block"
    more = {"p__b": "from .c import Block\n", "p__d": "class Block: pass\n"}
    assert said("Block", **texts, **more) == "c.Block"
    for hidden in ("def g():\n    from p import c\n", "if x:\n    from p import c\n"):
        assert said("Block", **{**texts, "p__a": "x = 1\n" + hidden}) == "from p.c import Block"


def test_not_yet_imported_above_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "b.py").write_text("from os import sep\n")
    (tmp_path / "a.py").write_text("x = sep\nimport os\nprint(os)\n")
    result = repair_source(SourceFile.read(tmp_path / "a.py"), FakePredictor())
    assert result.patched == b"from os import sep\n\nx = sep\nimport os\nprint(os)\n"


def test_what_the_file_asks_of_the_name_decides() -> None:
    several = dict.fromkeys(("b", "c"), "from x import tool\ntool.now()\n")
    texts = {"a": "", **several, "d": "import tool\n"}
    assert said("tool", "tool.delta(1)", **texts) == "from x import tool"
    texts["d"] += "tool.delta(2)\n"
    assert said("tool", "tool.delta(1)", **texts) == "import tool"


@pytest.mark.parametrize(
    ("use", "statement"),
    [
        ("datetime.now()", "from datetime import datetime"),
        ("datetime.datetime.now()", "import datetime"),
        ("datetime.timedelta(1)", "import datetime"),
        ("datetime(2020, 1, 1)", "from datetime import datetime"),
        ("copy.copy(1)", "import copy"),
        ("copy([1])", "from copy import copy"),
        ("os.path.join('a')", "import os"),
        ("urllib.parse.quote('a')", "import urllib.parse"),
        ("concurrent.futures.Executor", "import concurrent.futures"),
        ("xml.dom.minidom.parse('a')", "import xml.dom.minidom"),
        ("logging.getLogger()", "import logging"),
        ("fcntl.flock(1, 2)", "import fcntl"),
        ("code.strip()", None),  # no such thing in Python's module
        ("np.mean(1)", "import numpy as np"),
        ("np(1)", None),  # no module is called
        ("[one for one in path]", None),
        ("string + 'a'", None),
        ("path.join('a')", "from os import path"),
        ("Path('a')", "from pathlib import Path"),
    ],
)
def test_what_python_and_programs_at_large_have(use: str, statement: str | None) -> None:
    name = re.findall(r"\w+", use.removeprefix("[one for one in "))[0]
    assert said(name, use, a="import sys\n") == statement


def test_a_module_of_modules_in_other_files() -> None:
    texts = {"a": "", "b": "import big.one\n", "c": "import big.two\nimport big.two as two\n"}
    assert said("big", "big.two.f()", **texts) == "import big.two"
    assert said("big", "big.three.f()", **texts) == "import big"


@pytest.mark.parametrize(
    "texts",
    [
        {"p__a": "class A: pass\n", "p__INIT": "",
         "p__b": "from p.a import A\nclass tool(A): pass\n"},
        {"p__INIT": "def make(): pass\n", "p__b": "from p import make\nclass tool: pass\n"},
        {"p__a": "", "p__INIT": "", "p__b": "from .c import C\nclass tool: pass\n",
         "p__c": "from .d import D\n", "p__d": "from .a import f\n"},
        {"p__a": "", "p__INIT": "", "c": "if TYPE_CHECKING:\n    from p.b import tool\n"},
        {"p__a": "", "p__INIT": "", "c": "def g():\n    from p.b import tool\n"},
        {"p__mod": "", "main": "from p.mod import tool\n"},  # of the file itself
        {"p__tool": "", "p__INIT": "", "main": "from p import tool\n"},
        {"a": "", "tests__test_a": "from helpers import tool\n", "tests__helpers": ""},
        {"a": "", "b": "'''\nfrom widgets import tool\n'''\n"},
        {"a": "", "b": "'''\ndef tool in your file\n'''\n"},
        {"p__a": "from p.c import d\n", "p__b": "class tool: pass\n"},  # no __init__
        {"s__p__a": "", "s__p__INIT": "", "t__q__b": "class tool: pass\n", "t__q__INIT": ""},
        {"a": "", "setup": "def tool(): pass\n"},
        {"a": "", "class": "def tool(): pass\n"},
    ],
)  # fmt: skip
def test_what_would_not_work_is_not_offered(texts: dict[str, str]) -> None:
    assert said("tool", "tool.x", **texts) is None


def test_a_module_beside_does_not_stand_for_one_of_python_s() -> None:
    texts = {"p__a": "", "p__INIT": "", "p__logging": ""}
    assert said("logging", "logging.getLogger()", **texts) == "import logging"


def test_what_a_function_only_adds_to_is_not_imported() -> None:
    text = b"def f():\n    string += 'a'\n    return string\n"
    findings = repair_source(SourceFile.from_bytes(text), FakePredictor()).findings
    assert findings and all(one.missing is None for one in findings)


def test_an_import_that_would_not_compile_leaves_the_finding(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "b.py").write_text("from class import tool\n")
    (tmp_path / "a.py").write_text("print(tool)\n")
    (one,) = repair_source(SourceFile.read(tmp_path / "a.py"), FakePredictor()).findings
    assert (one.original, one.missing) == ("tool", None)


def test_beside_another_edit_at_the_same_place() -> None:
    text = b"import os\nprnt(sys.path)\nprint(os)\n"
    result = repair_source(SourceFile.from_bytes(text), FakePredictor())
    assert result.patched == b"import os\nimport sys\nprint(sys.path)\nprint(os)\n"
    assert result.unresolved == []


def test_a_baseline_knows_it_wherever_it_is_used_first(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "def f():\n    return json.loads('1')\n\n\ndef g():\n    return json.dumps(1)\n"
    )
    document = repair_document(
        [repair_source(SourceFile.read(path), FakePredictor())], Model("m", "r"), 1.0
    )
    document["files"][0]["path"] = str(path)
    (tmp_path / "known.json").write_text(json.dumps(document))
    path.write_text(path.read_text().replace("json.loads('1')", "1"))
    options = RepairOptions(baseline=read_baseline(tmp_path / "known.json"))
    result = repair_source(SourceFile.read(path), FakePredictor(), options)
    assert (result.findings, result.hidden) == ([], 1)


def test_a_name_is_looked_for_once_for_all_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def counted(one: UndefinedName, *_: object) -> None:
        asked.append(one.name)

    monkeypatch.setattr(scope_findings, "elsewhere", counted)
    text = b"def f():\n    return a, b, a\n\n\ndef g():\n    return a\n"
    assert len(repair_source(SourceFile.from_bytes(text), FakePredictor()).findings) == 4
    assert asked == ["a", "b"]


def test_a_large_project_takes_no_time() -> None:
    texts = {f"p__m{number}": "from p.c import tool\nfrom p.d import e\n" for number in range(3000)}
    assert said("tool", **{"p__a": "", "p__INIT": "", **texts}) == "from p.c import tool"


def test_the_same_source_however_it_is_written() -> None:
    files = ["p/__init__.py", "p/a.py"]
    one, other = Import("c", "p", "c"), Import("c", ".", "c")
    assert same_source(one, other, "p/a.py", files)
    assert not same_source(one, other, "a.py", files)
    assert same_source(Import("np", "numpy"), Import("np", "numpy"), "a.py", ())


USES = "def f(a):\n    return os.path.join(a, helper(a)), os.sep\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "p").mkdir()
    for name, text in (("__init__", ""), ("a", USES), ("c", "def helper(a): pass\n")):
        (tmp_path / "p" / f"{name}.py").write_text(text)
    return tmp_path


def test_missing_imports_are_told_once_and_written_together(folder: Path) -> None:
    path = folder / "p" / "a.py"
    result = repair_source(SourceFile.read(path), FakePredictor())
    assert [(one.original, one.replacement) for one in result.findings] == [
        ("os", "os"), ("helper", "helper"),
    ]  # fmt: skip
    assert [one.message for one in result.findings] == [
        "'os' is defined nowhere in reach; 'import os' is missing",
        "'helper' is defined nowhere in reach; 'from p.c import helper' is missing",
    ]
    assert result.unresolved == []
    (result,) = repair_paths([Target(str(path))], FakePredictor(), RepairOptions(), write=True)
    assert path.read_text() == "import os\n\nfrom p.c import helper\n\n\n" + USES
    assert result.remaining == []
    assert repair_source(SourceFile.read(path), FakePredictor()).findings == []


def test_a_file_alone_knows_what_programs_at_large_import() -> None:
    source = SourceFile.from_bytes(b"def f(a):\n    return np.mean(a), stuff(a)\n")
    known, unknown = repair_source(source, FakePredictor()).findings
    assert known.missing == Import("np", "numpy")
    assert unknown.missing is None


def test_what_the_file_has_as_an_attribute_stays_one() -> None:
    text = b"import subprocess\n\n\ndef f(a):\n    subprocess.Popen(a)\n    return Popen(a)\n"
    (finding,) = repair_source(SourceFile.from_bytes(text), FakePredictor()).findings
    assert (finding.replacement, finding.missing) == ("subprocess.Popen", None)


def test_a_comment_silences_one_place(folder: Path) -> None:
    path = folder / "p" / "a.py"
    path.write_text("def f(a):\n    os.remove(a)  # codemtl: ignore\n    return os.sep\n")
    (finding,) = repair_source(SourceFile.read(path), FakePredictor()).findings
    assert path.read_text()[finding.start :].startswith("os.sep")


def test_other_edits_beside_an_import(folder: Path) -> None:
    path = folder / "p" / "a.py"
    path.write_text("import sys\n\n\ndef f(a):\n    return os.sep < a\n")
    result = repair_source(SourceFile.read(path), FakePredictor({"<": "<="}))
    expected = b"import os\nimport sys\n\n\ndef f(a):\n    return os.sep <= a\n"
    assert result.patched == expected
    assert result.unresolved == []
