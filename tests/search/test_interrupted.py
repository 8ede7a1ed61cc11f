"""A search that is interrupted or killed at any moment leaves the user's tree as it was.

CODEMTL_KILLS=100 tries a hundred moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import start

KILLS = int(os.environ.get("CODEMTL_KILLS", "8"))
LONGEST = 6.0  # seconds until a search is interrupted
PROGRAM = """def total(items):
    found = 1
    for item in items:
        found -= item * 2
    return found
"""
TESTS = """from a import total

def test_nothing():
    assert total([]) == 0

def test_some(tmp_path):
    (tmp_path / "x").write_text("x")
    assert total([3, 4]) == 12345
"""


def tree(folder: Path) -> str:
    """A hash of every name, mode and byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mode} ".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def processes(mark: str) -> list[int]:
    """Processes whose environment names ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", range(KILLS))
def test_stopped_at_a_random_moment(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    project.mkdir()
    temporary.mkdir()
    (project / "a.py").write_text(PROGRAM)
    (project / "test_a.py").write_text(TESTS)
    before = tree(project)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("CODEMTL_UNPROTECTED_TESTS", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    wanted = signal.SIGINT if number % 2 else signal.SIGKILL
    moment = random.Random(number).uniform(0.3, LONGEST)
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"{sys.executable} -m pytest -q"
    process = start(
        restore, "repair", "a.py", "--test", command, "--time-budget", "60s", cwd=project
    )
    try:
        time.sleep(moment)
        process.send_signal(wanted)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert tree(project) == before
    deadline = time.monotonic() + 10
    while processes(str(temporary)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes(str(temporary)) == []
    if wanted == signal.SIGINT:
        assert list(temporary.iterdir()) == []
