"""A validation that is interrupted leaves no process, no temporary folder and no changed file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codemtl.ending import SIGNALS
from codemtl.search import sandbox

from .conftest import BUGGY, PYTEST, TEMPORARY, TEST, Make, tree_hash, ways, with_temporary

SEARCH = """
import sys
from pathlib import Path
from codemtl.search.pool import Validator

with Validator(sys.argv[1], [Path("calc.py")], jobs=2, way=sys.argv[2]) as validator:
    validator.baseline()
    print("searching", flush=True)
    key = 0
    while True:
        while validator.capacity:
            key += 1
            validator.submit(key, Path("calc.py"), b"def add(a, b):\\n    return %d\\n" % -key)
        validator.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize("number", [signal.SIGINT, *SIGNALS, signal.SIGKILL])
def test_a_signal_at_any_moment(
    project: Make, tmp_path: Path, way: sandbox.Way, number: signal.Signals
) -> None:
    root = project({"calc.py": BUGGY, "test_calc.py": TEST})
    before = tree_hash(root)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    rng = random.Random(f"{way} {number}")
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", SEARCH, PYTEST, way],
            env={**os.environ, "TMPDIR": str(temporary), TEMPORARY: str(temporary)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        time.sleep(rng.uniform(0.3, 6))
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode != 0, said
        until = time.monotonic() + (15 if number == signal.SIGKILL else 1)
        while with_temporary(temporary) and time.monotonic() < until:
            time.sleep(0.1)
        assert with_temporary(temporary) == []
        names = [one.name for one in temporary.iterdir()]
        if number != signal.SIGKILL:
            assert names == [], said
        for name in names:
            shutil.rmtree(temporary / name)
        assert tree_hash(root) == before
