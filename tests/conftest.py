"""Fixtures that all tests share: a fake predictor behind the command line, and ways to run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from codemtl import inference
from codemtl.cli import app
from codemtl.inference.fake import FakePredictor


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and one of nohup that a terminal is closed.

    So would what the tests start and interrupt.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


if "PYTEST_XDIST_WORKER" in os.environ:  # the others have the other cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

BEGAN = time.monotonic()
TIME_FOR_SLOW = 18 * 60  # seconds, after which a machine does not fit them all into half an hour


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Slow tests run where they fit."""
    if item.get_closest_marker("slow") and time.monotonic() - BEGAN > TIME_FOR_SLOW:
        pytest.skip("no time left for slow tests on this machine; run it by itself")


class Outcome(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str
    raw: bytes


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    """The predictor that every command gets; a test may change its attributes."""
    fake = FakePredictor({"leng": "len"})
    monkeypatch.setattr(inference, "load_predictor", lambda model=None, threads=None: fake)
    return fake


@pytest.fixture
def run(predictor: FakePredictor) -> Callable[..., Outcome]:
    """Run a command in this process: ``run("repair", path, "--diff", stdin=b"...")``."""

    def call(*arguments: object, stdin: bytes = b"") -> Outcome:
        result = CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)

    return call


def start(code: str, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Run the real ``main`` in a process of its own, after ``code``, with the fake predictor."""
    program = (
        "import codemtl.inference as inference\n"
        "from codemtl.inference.fake import FakePredictor\n"
        "fake = FakePredictor({'leng': 'len'})\n"
        "inference.load_predictor = lambda model=None, threads=None: fake\n"
        f"{code}\n"
        "from codemtl.cli import main\n"
        "main()\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The prepared dataset of the repository."""
    return Path(__file__).parents[1] / "data" / "tiny"


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A real model folder."""
    import torch

    from codemtl.model.checkpoints import save_network
    from codemtl.model.config import PRESETS
    from codemtl.model.network import Network

    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    save_network(Network(PRESETS["tiny"]), folder, name="untrained")
    shutil.copy(tiny / "tokenizer.json", folder)
    return folder
