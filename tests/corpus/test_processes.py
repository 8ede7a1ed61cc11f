"""Processes that are ended with the call that started them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import multiprocessing
import time
from pathlib import Path

from codemtl.corpus.processes import processes, task

def work(begun):
    lock = multiprocessing.RLock()  # as tqdm makes one
    begun.touch()
    time.sleep(600)

if __name__ == "__main__":
    begun = Path("begun")
    with processes(1) as pool:
        pool.submit(task, work, begun)
        while not begun.exists():
            time.sleep(0.01)
        raise SystemExit(130)
"""


def test_what_a_library_of_theirs_made_is_no_reason_to_complain(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
