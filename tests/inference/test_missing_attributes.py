"""Attributes of classes that are known whole, and lack them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codemtl.inference.fake import FakePredictor
from codemtl.inference.missing_attributes import missing_attributes
from codemtl.inference.project import Projects
from codemtl.inference.repair import repair_source
from codemtl.syntax.files import SourceFile
from codemtl.syntax.history import UNKNOWN
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse

BASE = """\
class Base:
    limit = 3

    def __init__(self, name):
        self.name = name

    def load(self):
        return self.name
"""

OWN = """\
from p.b import Base


class Own(Base):
    def run(self):
        {line}
"""


def told(text: str, folder: Path | None = None, **files: str) -> list[tuple[str, tuple[str, ...]]]:
    """The attributes that are missing, and what they should be; of ``p/a.py`` beside ``files``."""
    project = None
    if folder is not None:
        (folder / "pyproject.toml").touch()
        (folder / "p").mkdir()
        for name, content in {"__init__": "", **files, "a": text}.items():
            (folder / "p" / f"{name}.py").write_text(content)
        project = Projects().around(SourceFile.read(folder / "p" / "a.py"))
    found = missing_attributes(analyze(parse(text.encode())), project)
    return [(one.name, one.suggestions) for one in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return self.nmae", [("nmae", ("name",))]),
        ("return self.quantity", [("quantity", ())]),
        ("self.reload()", [("reload", ("load",))]),
        ("self.quantity.append(self.quantity)", [("quantity", ()), ("quantity", ())]),
        ("base = Base(1); return base.quantity", [("quantity", ())]),
        ("return [lambda: self.quantity for _ in ()]", [("quantity", ())]),
        ("return self.name, self.load, self.limit", []),
        ("return self.__class__, self.__dict__, self.mro", []),
        ("self.quantity = 1; return self.quantity", []),
        ("self.quantity, other = 1, 2; return self.quantity", []),
        ("for self.quantity in (): print(self.quantity)", []),
        ("self.quantity: int = 1; return self.quantity", []),
        ("return getattr(self, 'quantity', self.quantity)", []),
        ("return hasattr(self, 'x') and self.quantity", []),
        ("return self.quantity  # type: ignore[attr-defined]", []),
        ("return self.quantity  # pylint: disable=no-member", []),
        ("setattr(self, key, 1); return self.quantity", []),
        ("return self.quantity, dict(quantity=1)", []),
        ("base = Base(1); base = other(); return base.quantity", []),
        ("Base = other; base = Base(1); return base.quantity", []),
        ("def inner(self): return self.quantity", []),
    ],
)
def test_attributes_of_own_classes(
    line: str, expected: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    assert told(OWN.format(line=line), tmp_path, b=BASE) == expected


@pytest.mark.parametrize("line", ["(self.limit, self.quantity) = 1, 2", "vars(self).update(name)"])
def test_what_a_base_sets(line: str, tmp_path: Path) -> None:
    base = BASE.replace("self.name = name", line)
    assert told(OWN.format(line="return self.quantity"), tmp_path, b=base) == []


def test_attributes_that_are_expected_to_be_missing(tmp_path: Path) -> None:
    tried = "try:\n            self.quantity\n        except AttributeError:\n            pass"
    assert told(OWN.format(line=tried), tmp_path, b=BASE) == []


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("@property", 1),
        ("@functools.lru_cache(maxsize=None)", 1),
        ("@cached_property\n    @abc.abstractmethod", 1),
        ("@View.method('v')", 0),
        ("@given(st.integers())\n    @property", 0),
    ],
)
def test_methods_that_may_be_called_with_anything(
    decorator: str, expected: int, tmp_path: Path
) -> None:
    text = OWN.format(line="return self.quantity")
    text = text.replace("    def run", f"    {decorator}\n    def run")
    assert len(told(text, tmp_path, b=BASE)) == expected


def test_renamed_by_a_change_of_the_file() -> None:
    text = f"{BASE}\n    def run(self):\n        return self.quantity\n"
    past = replace(UNKNOWN, renames={"quantity": {"other": 3.0, "limit": 1.0}})
    found = missing_attributes(analyze(parse(text.encode(), history=past)), None)
    assert [one.suggestions for one in found] == [("limit",)]


@pytest.mark.parametrize(
    "header",
    [
        "class Own(library.Base):",
        "class OwnMixin(Base):",
        "class Own(Base, library.Base):",
        "class Own(Enum):",
        "@library.filled\nclass Own(Base):",
        "class Own(Base, metaclass=library.Meta):",
        "class Own(Base):\n    def __getattr__(self, name): return 1\n",
    ],
)
def test_classes_that_are_not_known_whole(header: str, tmp_path: Path) -> None:
    text = OWN.format(line="return self.quantity").replace("class Own(Base):", header)
    assert told(f"import library\nfrom enum import Enum\n{text}", tmp_path, b=BASE) == []


@pytest.mark.parametrize(
    "other",
    [
        "from p.a import Own\n\n\nclass View(Own, library.View):\n    pass\n",
        "from p import a\n\n\nclass Mid(a.Own):\n    pass\n\n\n"
        "class View(\n    library.View,\n    Mid,\n):\n    pass\n",
        "def fill(own):\n    own.quantity = 1\n",
        "def fill(own):\n    setattr(own, 'quantity', 1)\n",
        "quantity = 1\n",
        "class Other:\n    def quantity(self):\n        pass\n",
    ],
)
def test_what_other_files_may_give_them(other: str, tmp_path: Path) -> None:
    text = OWN.format(line="return self.quantity")
    assert told(text, tmp_path, b=BASE, c=other) == []


def test_what_other_files_only_read_is_defined_nowhere(tmp_path: Path) -> None:
    text = OWN.format(line="return self.quantity")
    assert told(text, tmp_path, b=BASE, c="def show(own):\n    print(own.quantity)\n") == [
        ("quantity", ())
    ]


def test_a_file_alone() -> None:
    text = f"{BASE}\n    def run(self):\n        return self.quantity + self.quantity\n"
    assert told(text) == [("quantity", ()), ("quantity", ())]
    assert told(text.replace("class Base:", "class Base(Other):")) == []


def test_repair_says_so(tmp_path: Path) -> None:
    text = f"{BASE}\n    def run(self):\n        return self.quantity\n"
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "pyproject.toml").touch()
    source = SourceFile.read(tmp_path / "a.py")
    found = repair_source(source, FakePredictor(), projects=Projects()).findings
    (one,) = (finding for finding in found if finding.original == "quantity")
    assert one.message == "nothing in the project defines the attribute 'quantity'"
    assert (one.kind, one.replacement, one.confidence) == ("attribute-misuse", "quantity", 0.9)
