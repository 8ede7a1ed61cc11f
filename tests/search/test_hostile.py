"""Candidates that misbehave: each is contained, and the next one is still judged right."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemtl.search import sandbox
from codemtl.search.pool import Validator

from .conftest import BUGGY, FIXED, PYTEST, TEST, sandboxes, tree_hash, ways

LOOP = "def add(a, b):\n    while True:\n        pass\n"
FORKS = "import os\ndef add(a, b):\n    while True:\n        os.fork()\n"
MEMORY = "def add(a, b):\n    out = []\n    while True:\n        out.append(bytearray(1 << 24))\n"
OS_EXIT = "import os\ndef add(a, b):\n    os._exit(0)\n"
SYS_EXIT = "import sys\ndef add(a, b):\n    sys.exit(0)\n"
AT_IMPORT = "import os\nos._exit(0)\n"
AT_EXIT = (
    "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b):\n    raise SystemExit(0)\n"
)
EQUALS = (
    "class E:\n    def __eq__(self, other):\n        return True\ndef add(a, b):\n    return E()\n"
)
LISTED = EQUALS.replace("return E()", "return [E()][0]")
INT = EQUALS.replace("class E", "class E(int)")
PARENT = (
    "import os, signal\ndef add(a, b):\n    os.kill(os.getppid(), signal.SIGKILL)\n"
    "    return a - b\n"
)
STOPS = (
    "import os, signal\ndef add(a, b):\n    os.kill(os.getppid(), signal.SIGSTOP)\n"
    "    return a - b\n"
)
OUTPUT = (
    "import os, sys\ndef add(a, b):\n    block = 'x' * (1 << 20)\n    for _ in range(1024):\n"
    "        print(block)\n        os.write(1, block.encode())\n    return a - b\n"
)
RUNTEST = (
    "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None\n"
    "def add(a, b):\n    return 0\n"
)
CALL = (
    "import _pytest.runner as runner\n"
    "runner.pytest_runtest_call.__code__ = (lambda item: None).__code__\n"
    "def add(a, b):\n    return 0\n"
)
REPORT = (
    "import _pytest.reports as r\nold = r.TestReport.from_item_and_call.__func__\n"
    "def new(cls, item, call):\n    call.excinfo = None\n    return old(cls, item, call)\n"
    "r.TestReport.from_item_and_call = classmethod(new)\ndef add(a, b):\n    return 0\n"
)
DAEMON = (
    "import os, time\ndef add(a, b):\n    if os.fork() == 0:\n        os.setsid()\n"
    "        if os.fork() == 0:\n            time.sleep(600)\n        os._exit(0)\n"
    "    return a - b\n"
)

NEVER_PASS = {
    "endless loop": (LOOP, {"timeout"}),
    "memory bomb": (MEMORY, {"failed", "crashed", "timeout"}),
    "os._exit": (OS_EXIT, {"crashed"}),
    "sys.exit": (SYS_EXIT, {"failed"}),
    "os._exit at import": (AT_IMPORT, {"crashed"}),
    "atexit": (AT_EXIT, {"failed", "crashed"}),
    "equals everything": (EQUALS, {"failed"}),
    "equals everything, from a list": (LISTED, {"failed"}),
    "an int that equals everything": (INT, {"failed"}),
    "1 GB of output": (OUTPUT, {"failed", "timeout"}),
    "replaces Function.runtest": (RUNTEST, {"failed"}),
    "replaces code of the runner": (CALL, {"failed"}),
    "replaces reports": (REPORT, {"failed"}),
    "a daemon that escapes": (DAEMON, {"failed"}),
}


class Bench:
    """A validator on a small project, with a file outside of it that must not change."""

    def __init__(self, folder: Path, way: sandbox.Way) -> None:
        self.root, self.outside = folder / "project", folder / "outside"
        self.root.mkdir()
        self.outside.mkdir()
        (self.root / "calc.py").write_text(BUGGY)
        (self.root / "test_calc.py").write_text(TEST)
        (self.root / "data.txt").write_text("precious")
        (self.outside / "data.txt").write_text("precious")
        self.before = tree_hash(folder)
        self.folder = folder
        os.chdir(self.root)
        self.validator = Validator(PYTEST, [Path("calc.py")], jobs=1, way=way)
        self.way = way
        assert self.validator.baseline().status == "failing"

    def judge(self, source: str) -> str:
        self.validator.submit(1, Path("calc.py"), source.encode())
        ((_, verdict),) = self.validator.wait()
        return verdict.status

    def is_well(self) -> None:
        assert self.judge(FIXED.decode()) == "passed"
        assert self.judge(BUGGY) == "failed"
        assert tree_hash(self.folder) == self.before


@pytest.fixture(scope="module", params=ways())
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    here = Path.cwd()
    one = Bench(tmp_path_factory.mktemp("hostile"), request.param)
    try:
        yield one
    finally:
        one.validator.close()
        os.chdir(here)
        assert sandboxes(one.validator._place.name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NEVER_PASS)
def test_it_does_not_pass(bench: Bench, name: str) -> None:
    source, allowed = NEVER_PASS[name]
    assert bench.judge(source) in allowed
    bench.is_well()


@pytest.mark.slow
@pytest.mark.parametrize("source", [PARENT, STOPS], ids=["kills", "stops"])
def test_one_that_attacks_its_parent(bench: Bench, source: str) -> None:
    assert bench.judge(source) in ("crashed", "timeout", "failed")
    bench.is_well()


@pytest.mark.slow
def test_a_fork_bomb(bench: Bench) -> None:
    if bench.way == "limits" and os.geteuid() == 0:
        pytest.skip("for root, without namespaces, the system does not limit processes")
    began = time.monotonic()
    assert bench.judge(FORKS) in ("crashed", "timeout", "failed")
    assert time.monotonic() - began < 60
    bench.is_well()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["tree", "outside"])
@pytest.mark.parametrize(
    "what",
    ["open({!r} + '/data.txt', 'w')", "__import__('shutil').rmtree({!r}, ignore_errors=True)",
     "open({!r} + '/new.txt', 'w')"],
    ids=["overwrites", "deletes", "adds"],
)  # fmt: skip
def test_one_that_writes(bench: Bench, what: str, where: str) -> None:
    if bench.way != "bwrap":
        pytest.skip("only bubblewrap gives a read-only view of the file system")
    folder = str(bench.root if where == "tree" else bench.outside)
    attack = f"    try:\n        {what.format(folder)}\n    except OSError:\n        pass\n"
    bench.judge(f"def add(a, b):\n{attack}    return a + b\n")
    bench.is_well()


@pytest.mark.slow
def test_one_that_writes_where_it_runs(bench: Bench) -> None:
    """In every way, relative paths lead into a private place."""
    bench.judge("import os\ndef add(a, b):\n    os.remove('data.txt')\n    return 1\n")
    bench.is_well()


@pytest.mark.slow
def test_one_that_opens_sockets(bench: Bench) -> None:
    if bench.way == "limits":
        pytest.skip("without namespaces the network is open")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        source = (
            "import socket\ndef add(a, b):\n"
            f"    socket.create_connection(('127.0.0.1', {port}), 1)\n    return a + b\n"
        )
        assert bench.judge(source) == "failed"
    bench.is_well()
