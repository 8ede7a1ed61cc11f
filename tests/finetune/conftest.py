"""Small repositories with dated commits, whose functions do not resemble each other."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
WORDS = re.findall(
    r"\w+",
    "alpha beam crate delta ember frame glyph hinge inlet jacket knot lever moss node orbit panel"
    " quill ridge slate tower umber valve wharf yarn zone",
)


def function(number: int) -> str:
    """A documented function of its own kind."""
    rng = np.random.default_rng(number)
    a, b, c, d = (f"{WORDS[i]}_{number}" for i in rng.permutation(len(WORDS))[:4])
    operator = "+-*%"[int(rng.integers(4))]
    sign = ("<", "<=", ">", ">=")[int(rng.integers(4))]
    return (
        f"def {a}({b}, {c}):\n"
        f'    """Return the {WORDS[number % len(WORDS)]} of a {c.replace("_", " ")}."""\n'
        f"    {d} = {b} {operator} len({c})\n"
        f"    if {d} {sign} {c}[{number % 7}]:\n"
        f"        return {b}\n"
        f"    for item in {c}:\n"
        f"        {d} {operator}= item.{WORDS[(number * 7) % len(WORDS)]}\n"
        f"    return {d}\n"
    )


def module(first: int, count: int) -> str:
    """A file of so many functions."""
    return "\n\n".join(function(number) for number in range(first, first + count))


class Work:
    """A repository with a working tree; each commit is a day later than the one before."""

    def __init__(self, path: Path) -> None:
        self.path, self.day = path, 0
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        """Output of a git command in the repository."""
        date = f"2024-01-{self.day:02} 12:00:00 +0000"
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(self.path), *who, *arguments]
        environment = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        return subprocess.check_output(command, text=True, env=environment).strip()

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write files and commit them; returns the commit."""
        self.day += 1
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def cloned(self, path: Path) -> Work:
        """A clone, to go on in."""
        subprocess.run(["git", "clone", "-q", str(self.path), str(path)], check=True)
        again = Work.__new__(Work)
        again.path, again.day = path, self.day
        return again


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A first commit, then one more file a day."""
    made = Work(tmp_path_factory.mktemp("work") / "shop")
    made.commit("Start", {f"shop/part{n}.py": module(100 * n, 12) for n in range(4)})
    for number in range(4, 10):
        made.commit(f"Add part {number}", {f"shop/part{number}.py": module(100 * number, 12)})
    return made
