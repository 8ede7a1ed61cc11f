"""Processes that share the cases of an evaluation."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from codemtl.evaluation.workers import run

SLEEPER = textwrap.dedent("""
    import os
    import time
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from codemtl.evaluation.workers import run
    from codemtl.ending import tidy

    def make():
        return Path(__file__).parent

    def task(folder, case):
        with tidy(), TemporaryDirectory(dir=folder, prefix="work-"):
            (folder / f"{os.getpid()}.pid").touch()
            time.sleep(60)

    if __name__ == "__main__":
        run(task, [1, 2], make, 2, "sleeping")
""")


def _three() -> int:
    return 3


def _times(made: int, case: int) -> int:
    return made * case


@pytest.mark.parametrize("jobs", [1, 2])
def test_answers_come_in_the_order_of_the_cases(jobs: int) -> None:
    assert run(_times, [5, 1, 4], _three, jobs, "multiplying") == [15, 3, 12]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_of_a_killed_process_end(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    with subprocess.Popen([sys.executable, tmp_path / "sleeper.py"]) as process:
        while len(list(tmp_path.glob("*.pid"))) < 2:
            assert process.poll() is None
        workers = [psutil.Process(int(path.stem)) for path in tmp_path.glob("*.pid")]
        process.send_signal(number)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    if number == signal.SIGTERM:  # they were told to end, and cleared away what they had made
        assert not list(tmp_path.glob("work-*"))
