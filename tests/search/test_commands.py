from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codemtl.errors import UsageError
from codemtl.search.commands import understand


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (f"{sys.executable} -m pytest", ()),
        (f"{sys.executable} -m pytest -q tests/a.py::test_b", ("-q", "tests/a.py::test_b")),
        (f"A=1 {sys.executable} -X utf8 -W error -m pytest -k 'a and b'", ("-k", "a and b")),
    ],
)
def test_pytest_is_known(text: str, arguments: tuple[str, ...]) -> None:
    command = understand(text, [Path("x.py")])
    assert command.interpreter is not None
    assert command.arguments == arguments
    assert command.as_module


def test_options_and_environment_are_kept() -> None:
    command = understand(f"A=1 B=2 {sys.executable} -X utf8 -m pytest", [])
    assert command.environment == (("A", "1"), ("B", "2"))
    assert command.interpreter is not None
    assert command.interpreter.options == ("-X", "utf8")


@pytest.mark.parametrize("first", ["#!{python}", '#!/bin/sh\n\'\'\'exec\' "{python}" "$0" "$@"'])
@pytest.mark.parametrize("name", ["pytest", "py.test"])
def test_the_script_says_who_runs_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, first: str, name: str
) -> None:
    script = here / "bin" / name
    script.parent.mkdir()
    script.write_text(first.format(python=sys.executable) + "\nimport pytest\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    command = understand(f"{name} -q", [])
    assert command.interpreter is not None
    assert command.interpreter.executable == sys.executable
    assert not command.as_module


def test_the_script_of_a_version_manager_is_followed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of pyenv: a shell script in PATH; ``pyenv which`` says where the real one is."""
    shims, real = here / "shims", here / "real" / "pytest"
    for script, text in (
        (shims / "pytest", '#!/usr/bin/env bash\nexec "pyenv" exec "$program" "$@"\n'),
        (shims / "pyenv", f"#!/bin/sh\necho {real}\n"),
        (real, f"#!{sys.executable}\nimport pytest\n"),
    ):
        script.parent.mkdir(exist_ok=True)
        script.write_text(text)
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(shims), prepend=":")
    command = understand("pytest -q", [])
    assert command.interpreter is not None
    assert command.interpreter.executable == sys.executable


@pytest.mark.parametrize(
    "text",
    ["make test", "cd x && pytest", "pytest | tail", "pytest $ARGS", "python -m unittest", "true"],
)
def test_the_rest_is_for_the_shell(text: str) -> None:
    assert not understand(text, [Path("x.py")]).is_pytest


@pytest.mark.parametrize("text", ["", "  ", "pytest 'open"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--test"):
        understand(text, [])


def test_the_tree_is_git_s(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".git").mkdir()
    inner = here / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    command = understand("true", [])
    assert (command.root, command.folder) == (here.resolve(), inner.resolve())


def test_a_target_outside_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.py"
    for text in ("make test", f"{sys.executable} -m pytest"):
        with pytest.raises(UsageError, match="lies outside"):
            understand(text, [outside])


def test_globs_are_expanded(here: Path) -> None:
    (here / "test_a.py").write_text("")
    (here / "test_b.py").write_text("")
    text = f"{sys.executable} -m pytest test_*.py x.py::f[1]"
    assert understand(text, []).arguments == ("test_a.py", "test_b.py", "x.py::f[1]")
