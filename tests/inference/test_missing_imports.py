"""What an undefined name is elsewhere in its project."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.inference.missing_imports import elsewhere, same_source
from codemtl.inference.repair import RepairOptions, repair_paths, repair_source
from codemtl.inference.sources import Target
from codemtl.syntax.files import SourceFile
from codemtl.syntax.imports import Import


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

    def mentions(self, name: str) -> bool:
        return any(self.holding(name))

    def holding(self, name: str) -> Iterator[tuple[str, bytes]]:
        for path, text in self.texts.items():
            if path != self.place and name.encode() in text:
                yield path, text


def said(name: str, *bound: str, **texts: str) -> str | None:
    project = Texts(**texts)
    found = elsewhere(name, project.texts[project.place], bound, project)
    return found.statement if isinstance(found, Import) else found


@pytest.mark.parametrize(
    ("texts", "statement"),
    [
        ({"a": "", "b": "import os\n"}, "import os"),
        ({"a": "", "b": "import os.path\n"}, "import os"),
        ({"a": "", "b": "from c import os\n", "d": "import os\n", "e": "import os\n"}, "import os"),
        ({"p__a": "", "p__INIT": "", "p__b": "from .c import os\n"}, "from .c import os"),
        ({"p__a": "import p.d\n", "p__INIT": "", "p__b": "from .c import os\n"},
         "from p.c import os"),
        ({"p__a": "from . import d\n", "p__INIT": "", "b": "from p.c import os\n"},
         "from .c import os"),
        ({"p__q__a": "from . import d\n", "p__INIT": "", "p__q__INIT": "",
          "p__b": "from .c import os"},
         "from ..c import os"),
        ({"src__p__a": "", "src__p__INIT": "", "src__p__c": "def os(): pass\n"},
         "from p.c import os"),
        ({"p__a": "", "p__INIT": "", "p__c": "class os: pass\n", "p__d": "def os(): pass\n"}, None),
        ({"p__a": "", "p__INIT": "", "p__c": "os = 1\n"}, None),  # no constant
        ({"p__a": "", "p__INIT": "", "p__os": ""}, "from p import os"),
        ({"a": "", "examples__b": "def os(): pass\n"}, None),  # of no package
        ({"p__a": "", "p__INIT": "", "p__test_b": "def os(): pass\n"}, None),
        ({"p__test_a": "", "p__INIT": "", "p__test_b": "def os(): pass\n"},
         "from p.test_b import os"),
        ({"p__a": "", "p__INIT": "", "b": "from p.a import os\n"}, None),  # of the file itself
        ({"p__a": "", "p__INIT": "from .c import os\n", "b": "from p import os\n"},
         "from .c import os"),  # the package may import the file
        ({"p__a": "", "p__INIT": "", "p__b": "from . import os\n"}, "from . import os"),
        ({"a": "", "b": "from .......c import os\n"}, None),
    ],
)  # fmt: skip
def test_what_others_import_or_define(texts: dict[str, str], statement: str | None) -> None:
    assert said("os", **texts) == statement


def test_a_module_that_the_file_imports_has_it() -> None:
    texts = {"p__a": "from p import c\n", "p__INIT": "", "p__c": "class Block: pass\n"}
    assert said("Block", "c", **texts) == "c.Block"
    assert said("Block", **texts) == "from p.c import Block"  # imported within a function
    more = {"p__b": "from .c import Block\n", "p__d": "class Block: pass\n"}
    assert said("Block", "c", **texts, **more) == "c.Block"


def test_what_the_file_asks_of_the_name_decides() -> None:
    several = dict.fromkeys(("b", "c"), "from datetime import datetime\ndatetime.now()\n")
    texts = {"a": "datetime.timedelta(1)\n", **several, "d": "import datetime\n"}
    assert said("datetime", **texts) == "from datetime import datetime"
    texts["d"] += "datetime.timedelta(2)\n"
    assert said("datetime", **texts) == "import datetime"


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
