"""Programs of a model: only one whose tests ran to their end has passed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codemtl.evaluation.execution import isolation, passes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")


def test_a_program_that_ends_well_passes() -> None:
    assert passes("def f(x):\n    return x + 1\n\nassert f(1) == 2\n")


@pytest.mark.parametrize(
    "program",
    [
        "assert False",
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "syntax error",
        "data = bytearray(4 << 30)",
        "open('x', 'wb').write(b'x' * (8 << 20))",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "print('passed')\nimport os\nos.write(1, b'passed')\nos._exit(0)",
    ],
)
def test_one_that_does_not_end_its_tests_fails(program: str) -> None:
    assert not passes(program, 10.0)


@pytest.mark.parametrize("program", ["while True:\n    pass\n", "import time\ntime.sleep(60)\n"])
def test_one_that_hangs_is_ended(program: str) -> None:
    assert not passes(program, 0.5)


def test_what_it_leaves_behind_is_ended(tmp_path: Path) -> None:
    program = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n"
    assert isinstance(passes(program, 10.0), bool)  # and it returns at once


def test_the_network_is_closed_where_it_is_said() -> None:
    if "no network" not in isolation().protects:
        pytest.skip("this system does not allow it")
    program = "import socket\nserver = socket.create_connection(('192.0.2.1', 9), timeout=2)\n"
    assert not passes(program)
    assert not passes("import socket\nassert len(socket.if_nameindex()) > 1\n")


def test_it_runs_without_the_rights_of_root() -> None:
    if not isolation().prefix or isolation().prefix[0] == "bwrap":
        pytest.skip("another way is used here")
    assert passes("import os\nassert os.geteuid() != 0\n")
