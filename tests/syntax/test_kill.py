"""A writer that is killed at any moment leaves either the old file or the new one, whole."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

KILLS = 200

# In a process of its own, because it forks: the process of the tests may have threads. A child
# writes two texts in turn until it is killed; the parent then looks at what is there.
PROGRAM = textwrap.dedent("""
    import os, random, signal, sys, time
    from pathlib import Path
    from codemtl.syntax.files import SourceFile

    folder, how, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    path = folder / "a.py"
    texts = [b"x = %d  #" % i + bytes([97 + i]) * 300_000 + b"\\n" for i in range(2)]
    generator = random.Random(0)
    torn = strays = 0
    seen = set()

    def write(source, text):
        if how == "safe":
            return source.write(text)
        path.write_bytes(text)
        return source

    path.write_bytes(texts[0])
    source = SourceFile.read(path)
    start = time.perf_counter()
    for turn in range(10):
        source = write(source, texts[turn % 2])
    duration = (time.perf_counter() - start) / 10  # of one write, on this machine, now
    for _ in range(kills):
        path.write_bytes(texts[0])
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            source = SourceFile.read(path)
            os.write(writing, b"ready")
            turn = 0
            while True:
                turn = 1 - turn
                source = write(source, texts[turn])
        os.read(reading, 5)
        time.sleep(generator.uniform(0, 4 * duration))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, status  # it did not end by itself
        os.close(reading), os.close(writing)
        found = path.read_bytes()
        torn += found not in texts
        seen.add(found[:5])
        for stray in folder.glob(".codemtl-*"):
            strays += 1
            stray.unlink()
    print(torn, strays, len(seen))
""")


def _killed(folder: Path, how: str, kills: int) -> tuple[int, int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), how, str(kills)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    torn, strays, seen = map(int, done.stdout.split())
    return torn, strays, seen


@pytest.mark.slow
def test_killed_while_writing(tmp_path: Path) -> None:
    torn, strays, seen = _killed(tmp_path, "safe", KILLS)
    assert torn == 0
    assert seen == 2  # both the old and the new text were found
    assert strays > 0  # some kills fell into the writing, so the test looked at the right moment


@pytest.mark.slow
def test_the_harness_sees_a_torn_file(tmp_path: Path) -> None:
    torn, _, _ = _killed(tmp_path, "naive", 50)
    assert torn > 0
