"""What the user's test command is: pytest under some interpreter, or anything else.

pytest gets a fast path, so it must be recognised for certain; whatever needs a shell to be
understood (``cd x && pytest``, ``$VAR``, pipes) is run by the shell, as the user expects.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codemtl.errors import UsageError

_SHELL = re.compile(r"[;&|<>()$`\n\\~{}!#]")  # what only a shell understands
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PYTHON = re.compile(r"(python|pypy)[\d.]*\Z")
_WITH_VALUE = {"-W", "-X", "-Q"}  # options of python that take a value of their own
_OLDEST = (3, 9)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that runs the tests."""

    executable: str
    options: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()  # folders that it is made of


@dataclass(frozen=True, slots=True)
class Command:
    """A test command, understood."""

    text: str
    root: Path  # the tree that belongs to it, resolved
    folder: Path  # where it runs
    environment: tuple[tuple[str, str], ...] = ()  # assignments before the command
    interpreter: Interpreter | None = None  # of pytest; None: an arbitrary command
    arguments: tuple[str, ...] = ()  # of pytest
    as_module: bool = False  # ``python -m pytest`` puts the current folder on sys.path

    @property
    def is_pytest(self) -> bool:
        """Whether the fast path is open."""
        return self.interpreter is not None


def understand(text: str, targets: Sequence[Path]) -> Command:
    """Read a command line as its user means it.

    Raises:
        UsageError: it is empty, its quotes are open, or a target lies outside its tree.
    """
    folder = Path.cwd().resolve()
    root = _root(folder)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--test {text!r}: {error}; check the quotes") from error
    if not words:
        raise UsageError("--test: the command is empty; give one, such as --test 'pytest -q'")
    command = None
    if not _SHELL.search(text):
        command = _pytest(text, words, root, folder)
    outside = [path for path in targets if not path.resolve().is_relative_to(root)]
    if outside:  # no copy would hold it
        raise UsageError(
            f"{outside[0]} lies outside {root}, the tree that --test {text!r} runs in; "
            "run codemtl from the project's folder"
        )
    return command or Command(text, root, folder)


def _root(folder: Path) -> Path:
    """The top of the git work tree that holds a folder, or else the folder."""
    for one in (folder, *folder.parents):
        if (one / ".git").exists():
            return one
    return folder


def _pytest(text: str, words: list[str], root: Path, folder: Path) -> Command | None:
    environment = []
    while words and (match := _ASSIGNMENT.fullmatch(words[0])):
        environment.append((match[1], match[2]))
        words = words[1:]
    if not words:
        return None
    path = dict(environment).get("PATH", os.environ.get("PATH"))
    name = Path(words[0]).name
    options: list[str] = []
    if name in ("pytest", "py.test"):
        script = shutil.which(words[0], path=path)
        python = _shebang(script, path) if script else None
        rest, as_module = words[1:], False
    elif _PYTHON.match(name):
        options, rest = _options(words[1:])
        if rest[:2] not in (["-m", "pytest"], ["-m", "py.test"]):
            return None
        python, rest, as_module = shutil.which(words[0], path=path), rest[2:], True
    else:
        return None
    interpreter = _ask(python, options, environment) if python else None
    if interpreter is None:
        return None
    quoted = "'" in text or '"' in text
    arguments = rest if quoted else [one for word in rest for one in _expanded(word)]
    return Command(
        text, root, folder, tuple(environment), interpreter, tuple(arguments), as_module
    )  # fmt: skip


def _options(words: list[str]) -> tuple[list[str], list[str]]:
    """Python's own options, and the rest."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c", "-"):
        at += 2 if words[at] in _WITH_VALUE else 1
    return words[:at], words[at:]


def _expanded(word: str) -> list[str]:
    found = sorted(glob.glob(word)) if any(char in word for char in "*?[") else []
    return found or [word]


def _shebang(script: str, path: str | None) -> str | None:
    """The interpreter that a script such as .../bin/pytest starts."""
    try:
        with open(script, "rb") as file:
            head = file.read(2048).decode("utf-8", "replace")
    except OSError:
        return None
    first, _, rest = head.partition("\n")
    if not first.startswith("#!"):
        return None
    words = first[2:].split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
        if words and _PYTHON.match(words[0]):
            return shutil.which(words[0], path=path)
    elif words and _PYTHON.match(Path(words[0]).name):
        return words[0]
    # pip's way round the length limit of a first line: #!/bin/sh and '''exec' PYTHON "$0" "$@"
    if match := re.match(r"'''exec' (\"[^\"]+\"|\S+)", rest):
        return match[1].strip('"')
    if "pyenv" in head and (pyenv := shutil.which("pyenv", path=path)):
        done = subprocess.run(
            [pyenv, "which", Path(script).name], capture_output=True, text=True, check=False
        )
        real = done.stdout.strip()
        return _shebang(real, path) if done.returncode == 0 and real != script else None
    return None


def _ask(python: str, options: list[str], environment: list[tuple[str, str]]) -> Interpreter | None:
    """What an interpreter says of itself; None if it does not run or is too old for us."""
    question = (
        "import sys, sysconfig; print(*sys.version_info[:2]); print(sys.executable);"
        "print(sys.prefix); print(sys.base_prefix); print(sysconfig.get_paths()['stdlib'])"
    )
    try:
        done = subprocess.run(
            [python, "-B", *options, "-c", question], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=60, env={**os.environ, **dict(environment)},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != 5:
        return None
    major, minor = map(int, lines[0].split())
    if (major, minor) < _OLDEST:
        return None
    return Interpreter(lines[1], tuple(options), tuple(dict.fromkeys(lines[2:])))
