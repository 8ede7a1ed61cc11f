"""The fork server against what pytest users write: whatever runs for them must run for us."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from codemtl.errors import UsageError
from codemtl.search import sandbox
from codemtl.search.child.jail import remove
from codemtl.search.child.restore import Copy
from codemtl.search.child.server import Listener
from codemtl.search.pool import Validator

from .conftest import BUGGY, FIXED, PYTEST, TEST, Make, sandboxes, tree_hash, ways

WRONG = b"def add(a, b):\n    return a * b\n"
UNITTEST = """
import unittest
from calc import add

class TestAdd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.three = 3

    def test_add(self):
        for one in (1, 2):
            with self.subTest(one=one):
                self.assertEqual(add(one, self.three - one), self.three)

    def test_zero(self):
        self.assertEqual(add(0, 0), 0)
"""
PARAMETRIZED = """
import pytest
from calc import add

@pytest.mark.parametrize("a, b, c", [(0, 0, 0), (1, 2, 3), (2, 2, 4)])
def test_add(a, b, c):
    assert add(a, b) == c

@pytest.mark.xfail(strict=True)
def test_wrong():
    assert add(1, 1) == 3

@pytest.mark.skip
def test_never():
    raise SystemExit
"""
CONFTEST = """
import pytest

@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("x")
    (folder / "y").write_text("1 2")
    yield map(int, (folder / "y").read_text().split())

@pytest.fixture(autouse=True)
def adder():
    import calc
    return calc.add
"""
SIZES = """
import pytest

@pytest.fixture(params=[1, 2])
def size(request):
    return request.param
"""

BY_PROCESS = """
import subprocess, sys

def test_add():
    code = 'import calc; print(calc.add(1, 2))'
    assert subprocess.check_output([sys.executable, '-c', code]).strip() == b'3'
"""

CASES = {
    "function": {"calc.py": BUGGY, "test_calc.py": TEST},
    "unittest": {"calc.py": BUGGY, "test_calc.py": UNITTEST},
    "parametrized": {"calc.py": BUGGY, "test_calc.py": PARAMETRIZED},
    "fixtures": {
        "calc.py": BUGGY,
        "conftest.py": CONFTEST,
        "test_calc.py": "def test_add(adder, pair):\n    assert adder(*pair) == 3\n",
    },
    "conftest imports the target": {
        "calc.py": BUGGY,
        "conftest.py": "import pytest\nfrom calc import add\n"
        "@pytest.fixture\ndef adder():\n    return add\n",
        "test_calc.py": "def test_add(adder):\n    assert adder(1, 2) == 3\n",
    },
    "fixtures of a folder": {
        "calc.py": BUGGY,
        "tests/conftest.py": SIZES,
        "tests/test_calc.py": "from calc import add\ndef test_add(size):\n"
        "    assert add(size, 2) == size + 2\ndef test_zero(size):\n"
        "    assert add(size, 0) == size\n",
    },
    "fixtures of a folder that imports the target": {
        "calc.py": BUGGY,
        "tests/conftest.py": f"import calc\n{SIZES}",
        "tests/test_calc.py": "from calc import add\nclass TestAdd:\n    def test_add(self, size):"
        "\n        assert add(size, 2) == size + 2\n    def test_zero(self, size):\n"
        "        assert add(size, 0) == size\n",
    },
    "by subprocess": {"calc.py": BUGGY, "test_calc.py": BY_PROCESS},
    "by subprocess, and imported": {
        "calc.py": BUGGY,
        "test_calc.py": BY_PROCESS + "\nimport calc\ndef test_here():\n"
        "    assert calc.add(1, 2) == 3\ndef test_zero():\n    assert calc.add(1, 0) == 1\n",
    },
    "writes beside itself": {
        "calc.py": BUGGY,
        "test_calc.py": "import pathlib\nfrom calc import add\ndef test_add():\n"
        "    out = pathlib.Path('out.txt')\n    assert not out.exists()\n"
        "    out.write_text(str(add(1, 2)))\n    assert out.read_text() == '3'\n",
    },
}


def judge(
    command: str, target: str, *sources: bytes, way: sandbox.Way | None = None
) -> tuple[list[str], str]:
    root = Path.cwd()
    before = tree_hash(root)
    with Validator(command, [Path(target)], jobs=2, timeout=60, way=way) as validator:
        found = validator.baseline()
        assert found.status == "failing", found.message
        for key, source in enumerate(sources):
            validator.submit(key, Path(target), source)
        verdicts = {}
        while len(verdicts) < len(sources):
            verdicts.update(validator.wait())
        assert validator._servers is not None
        mode = validator._servers.recipe.mode
        assert validator.confirm(Path(target), sources[0]).status == "passed"
    assert tree_hash(root) == before
    return [verdicts[key].status for key in range(len(sources))], mode


@pytest.mark.parametrize("name", CASES)
def test_it_runs_what_pytest_runs(project: Make, name: str) -> None:
    project(CASES[name])
    statuses, mode = judge(PYTEST, "calc.py", FIXED, WRONG, FIXED, BUGGY.encode())
    assert statuses == ["passed", "failed", "passed", "failed"]
    slow = {"by subprocess": "file", "by subprocess, and imported": "file"}
    if "bwrap" in ways():  # else the tests' folder is not read-only
        slow["writes beside itself"] = "file"
    assert mode == slow.get(name, "memory")


def test_a_plugin_of_several_modules(
    project: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest warns of modules that were loaded before it could rewrite them."""
    libraries = tmp_path / "libraries"
    information = libraries / "plug-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pytest11]\nplug = plug_main\n")
    (information / "RECORD").write_text("plug_main.py,,\nplug_side.py,,\n")
    (libraries / "plug_main.py").write_text("import plug_side\n")
    (libraries / "plug_side.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    project({
        "calc.py": BUGGY, "pytest.ini": "[pytest]\nfilterwarnings = error\n",
        "test_calc.py": TEST + "\n\ndef test_zero():\n    assert add(1, 0) == 1\n",
    })  # fmt: skip
    statuses, mode = judge(PYTEST, "calc.py", FIXED, WRONG)
    assert (statuses, mode) == (["passed", "failed"], "memory")


def test_a_cache_of_pytest_in_the_tree(project: Make) -> None:
    """A fresh run writes it; that it cannot is a warning, which may be an error."""
    project({
        "calc.py": BUGGY, "pytest.ini": "[pytest]\nfilterwarnings = error\n",
        "test_calc.py": TEST, ".pytest_cache/v/cache/nodeids": "[]",
    })  # fmt: skip
    assert judge(PYTEST, "calc.py", FIXED, WRONG)[0] == ["passed", "failed"]


def test_tests_are_compiled_once(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user wants of byte code in the own tree."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    root = project({"calc.py": BUGGY, "test_calc.py": TEST})
    before = tree_hash(root)
    with Validator(PYTEST, [Path("calc.py")], jobs=1, timeout=60) as validator:
        assert validator.baseline().status == "failing"
        validator.submit(0, Path("calc.py"), WRONG)
        assert validator.wait()[0][1].status == "failed"
        place = validator._place
        kept = [path.name for path in place.byte_code.rglob("*.pyc")]
        for copy in place.folder.glob("copy-*"):  # where a server has one of its own
            there = place.byte_code / copy.relative_to(copy.anchor)
            assert [*there.rglob("test_calc.*.pyc")], copy
    assert any(name.startswith("test_calc.") for name in kept)
    assert not any(name.startswith("calc.") for name in kept)
    assert tree_hash(root) == before


def test_a_test_has_its_own_time_from_where_it_begins() -> None:
    def said(**frame: object) -> bytes:
        data = json.dumps(frame).encode()
        return len(data).to_bytes(4, "big") + bytes(4) + data

    setup = {"failing": ["a"], "covering": ["b"], "times": [0.1, 0.2], "collecting": 5.0}
    listener = Listener(setup, 2.0)
    assert listener.allowed() == 10.0
    listener.heard(said(test=0), 0.5)
    assert listener.allowed() == pytest.approx(0.7)
    listener.heard(said(collecting="covering"), 0.6)
    assert listener.allowed() == pytest.approx(10.6)
    listener.heard(said(test=1), 1.0)
    assert listener.allowed() == pytest.approx(1.4)


def test_doctests_of_the_target(project: Make) -> None:
    project(
        {
            "calc.py": 'def add(a, b):\n    """\n    >>> add(1, 2)\n    3\n    """\n'
            "    return a - b\n"
        }
    )
    fixed = b'def add(a, b):\n    """\n    >>> add(1, 2)\n    3\n    """\n    return a + b\n'
    statuses, _ = judge(
        f"{PYTEST} --doctest-modules calc.py", "calc.py", fixed, fixed.replace(b"+", b"*")
    )
    assert statuses == ["passed", "failed"]


def test_a_package_with_relative_imports(project: Make) -> None:
    project({
        "pkg/__init__.py": "from .core import total\n",
        "pkg/core.py": "from . import calc\n\ndef total(xs):\n    out = 0\n    for x in xs:\n"
        "        out = calc.add(out, x)\n    return out\n",
        "pkg/calc.py": BUGGY,
        "tests/__init__.py": "",
        "tests/test_core.py": "from pkg import total\ndef test_total():\n"
        "    assert total([1, 2]) == 3\n",
        "tests/test_other.py": "def test_nothing():\n    pass\n",
    })  # fmt: skip
    statuses, mode = judge(PYTEST, "pkg/calc.py", FIXED, WRONG)
    assert (statuses, mode) == (["passed", "failed"], "memory")


FINDER = """# as setuptools installs a flat layout
import sys
from importlib.util import spec_from_file_location

MAPPING = {}

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name])

sys.meta_path.append(Finder)
"""
LAYOUT = {"src/calc.py": BUGGY, "tests/test_calc.py": TEST}


@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize("tests", [TEST, BY_PROCESS])
def test_an_editable_install_in_an_environment_of_the_tree(
    project: Make, way: sandbox.Way, tests: str
) -> None:
    root = project({**LAYOUT, "tests/test_calc.py": tests})
    venv.create(root / ".venv", symlinks=True, with_pip=False)
    (packages,) = (root / ".venv").glob("lib/python*/site-packages")
    outer = sysconfig.get_paths()["purelib"]
    (packages / "x.pth").write_text(f"{root / 'src'}\n{outer}\n")
    command = ".venv/bin/python -m pytest -q -p no:randomly tests"
    statuses, _ = judge(command, "src/calc.py", FIXED, WRONG, way=way)
    assert statuses == ["passed", "failed"]


@pytest.mark.parametrize("way", ways())
def test_a_finder_of_an_editable_install(project: Make, way: sandbox.Way) -> None:
    root = project({"lib/calc.py": BUGGY, "tests/test_calc.py": TEST, "hook/finder.py": FINDER})
    venv.create(root / ".venv", symlinks=True, with_pip=False)
    (packages,) = (root / ".venv").glob("lib/python*/site-packages")
    outer = sysconfig.get_paths()["purelib"]
    place = f"import finder; finder.MAPPING['calc'] = {str(root / 'lib' / 'calc.py')!r}"
    (packages / "x.pth").write_text(f"{root / 'hook'}\n{outer}\n{place}\n")
    command = ".venv/bin/python -m pytest -q -p no:randomly tests"
    statuses, _ = judge(command, "lib/calc.py", FIXED, WRONG, way=way)
    assert statuses == ["passed", "failed"]


@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize("place", ["relative", "absolute", "in the command"])
def test_a_python_path(
    project: Make, way: sandbox.Way, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(LAYOUT)
    command = f"{PYTEST} tests"
    if place == "in the command":
        command = f"PYTHONPATH=src {command}"
    else:
        monkeypatch.setenv("PYTHONPATH", "src" if place == "relative" else str(root / "src"))
    statuses, _ = judge(command, "src/calc.py", FIXED, WRONG, way=way)
    assert statuses == ["passed", "failed"]


def test_a_file_outside_the_tree_is_never_written(project: Make, tmp_path: Path) -> None:
    root = project({"test_calc.py": TEST})
    outside = tmp_path / "calc.py"
    outside.write_text(BUGGY)
    (root / "calc.py").symlink_to(outside)
    for target in (outside, Path("calc.py")):
        with pytest.raises(UsageError, match="lies outside"):
            Validator(PYTEST, [target])
    copy = Copy(str(root), str(root), [])
    with pytest.raises(PermissionError, match="outside the copy"):
        copy.write(str(outside), FIXED)
    assert outside.read_text() == BUGGY


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_what_was_made_hard_to_remove_is_removed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir(mode=0o500)
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "link").symlink_to(outside)
    for one in (folder / "a" / "b", folder / "a", folder):
        one.chmod(0)
    remove(folder)
    assert not folder.exists()
    assert outside.stat().st_mode & 0o777 == 0o500


def test_a_passing_test_must_still_pass(project: Make) -> None:
    project({"calc.py": BUGGY, "test_calc.py": TEST, "test_more.py":
             "from calc import add\ndef test_more():\n    assert add(5, 0) == 5\n"})  # fmt: skip
    statuses, _ = judge(PYTEST, "calc.py", FIXED, b"def add(a, b):\n    return 3\n")
    assert statuses == ["passed", "failed"]


def test_an_arbitrary_command(project: Make) -> None:
    project({"calc.py": BUGGY, "check.py": "import calc\nassert calc.add(1, 2) == 3\n"})
    loop = b"def add(a, b):\n    while True: pass\n"
    statuses, mode = judge(f"{sys.executable} check.py", "calc.py", FIXED, WRONG, loop, FIXED)
    assert (statuses, mode) == (["passed", "failed", "timeout", "passed"], "command")


@pytest.mark.parametrize("way", ways())
def test_nearness_and_the_tree(project: Make, way: sandbox.Way) -> None:
    root = project({"calc.py": BUGGY, "test_calc.py":
                    "from calc import add\ndef test_a():\n    assert add(1, 1) == 2\n"
                    "    assert add(1, 2) == 3\ndef test_b():\n    assert add(0, 1) == 1\n"
                    "    assert add(5, 5) == 10\n"})  # fmt: skip
    before = tree_hash(root)
    with Validator(PYTEST, [Path("calc.py")], jobs=1, way=way) as validator:
        assert validator.baseline().status == "failing"
        assert validator.capacity == 1
        validator.submit(7, Path("calc.py"), b"def add(a, b):\n    return 2\n")
        assert validator.capacity == 0
        ((key, verdict),) = validator.wait()
        assert (key, verdict.status, verdict.fixed) == (7, "failed", 0)
        assert verdict.progress in (4, 6)
        assert verdict.message in ("assert 2 == 3", "assert 2 == 1")
        assert validator.wait(0.1) == []
        with pytest.raises(UsageError, match="none of the files"):
            validator.submit(8, Path("other.py"), b"")
        folder = validator._place.folder
        assert folder.exists()
    assert not folder.exists()
    assert sandboxes(folder.name) == []
    assert tree_hash(root) == before
