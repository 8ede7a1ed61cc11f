"""Whoever is told to end leaves nothing half written, and no temporary folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codemtl.ending import SIGNALS

PREPARE = """
import os, signal, sys
from pathlib import Path
number = int(sys.argv[1])
signal.signal(number, signal.SIG_DFL)  # whatever who started the tests has settled
"""
AT_THE_DISK = """
os.fsync = lambda _: os.kill(os.getpid(), number)
"""
SOURCE = """
from codemtl.syntax.files import SourceFile
SourceFile.read("a.py").write(b"x = 2\\n")
"""
RESULT = """
from codemtl.model.atomic import write_atomic
write_atomic(Path("a.py"), b"x = 2\\n")
"""
PICTURE = """
from codemtl.vision.pictures import write_whole
write_whole(Path("a.py"), b"x = 2\\n")
"""
SEARCH = """
import tempfile
from codemtl.search import workplace
from codemtl.search.pool import Validator
tempfile.tempdir = os.getcwd()
workplace._expose = lambda *_: os.kill(os.getpid(), number)
Validator(f"{sys.executable} -m pytest -q", [Path("a.py")], way="limits")
"""
SUITE = """
import tempfile
from codemtl.evaluation import repair_suites
tempfile.tempdir = os.getcwd()
repair_suites.train_ngram = lambda *_: os.kill(os.getpid(), number)
repair_suites.repair_suite("made bugs", None, None, repair_suites.Setting(*[None] * 5))
"""
EXECUTION = """
import tempfile
from codemtl.evaluation import execution
tempfile.tempdir = os.getcwd()
execution._bound = lambda _: []
execution._wait = lambda *_: os.kill(os.getpid(), number)
execution.passes("pass")
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "program",
    [*(AT_THE_DISK + one for one in (SOURCE, RESULT, PICTURE)), SEARCH, SUITE, EXECUTION],
)
def test_told_to_end(tmp_path: Path, program: str, number: signal.Signals) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + program, str(int(number))],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert [one.name for one in tmp_path.iterdir()] == ["a.py"]
    assert (tmp_path / "a.py").read_bytes() == b"x = 1\n"
