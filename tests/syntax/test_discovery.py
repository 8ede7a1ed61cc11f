"""Folders yield the user's own Python files and nothing else, with git and without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codemtl.errors import SourceError
from codemtl.syntax import discovery
from codemtl.syntax.discovery import find_python_files, is_test

FILES = [
    "a.py",
    "b.pyi",
    "notes.txt",
    "pkg/c.py",
    "pkg/ignored.py",
    "pkg/deep/kept.py",
    "pkg/deep/other_ignored.py",
    "build/d.py",
    "__pycache__/e.py",
    ".hidden/f.py",
    "node_modules/g.py",
    "env/lib/h.py",
    "env/pyvenv.cfg",
    "pkg/é 😀.py",
]
EXPECTED = ["a.py", "b.pyi", "pkg/c.py", "pkg/deep/kept.py", "pkg/é 😀.py"]


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(params=["git", "no git", "not in a work tree"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    top = tmp_path / "project"
    for name in FILES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x = 1\n")
    (top / ".gitignore").write_text("build/\n*ignored.py\nkept.py\n")
    (top / "pkg/deep/.gitignore").write_text("!kept.py\n")
    if request.param == "git":
        _git(top, "init", "-q")
        _git(top, "add", "a.py")
    elif request.param == "no git":
        _git(top, "init", "-q")
        monkeypatch.setenv("PATH", str(tmp_path))
    return top


def _names(top: Path) -> list[str]:
    return [found.relative_to(top).as_posix() for found in find_python_files(top)]


def test_what_a_folder_holds(project: Path) -> None:
    assert _names(project) == EXPECTED


def test_links_are_left_out(project: Path) -> None:
    (project / "link.py").symlink_to("a.py")
    (project / "broken.py").symlink_to("nowhere")
    (project / "around").symlink_to(".", target_is_directory=True)
    assert _names(project) == EXPECTED


def test_a_folder_inside(project: Path) -> None:
    expected = ["kept.py"]
    if not (project / ".git").exists():  # who knows how far up the project begins?
        expected.append("other_ignored.py")
    assert _names(project / "pkg/deep") == expected


def test_a_named_folder_is_taken_though_it_is_ignored(project: Path) -> None:
    assert find_python_files(project / "build") == [project / "build/d.py"]
    assert find_python_files(project / ".hidden") == [project / ".hidden/f.py"]
    assert find_python_files(project / "env") == [project / "env/lib/h.py"]


def test_a_named_file_is_always_taken(project: Path) -> None:
    for name in ("build/d.py", "notes.txt", ".hidden/f.py", "pkg/ignored.py"):
        assert find_python_files(project / name) == [project / name]


def test_relative_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert find_python_files(".") == [Path(name) for name in EXPECTED]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.py: no such file"):
        find_python_files(tmp_path / "gone.py")
    assert find_python_files(tmp_path) == []


def test_deleted_file_and_inner_repository(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "gone.py").write_text("x = 1\n")
    _git(tmp_path, "add", "gone.py")
    (tmp_path / "gone.py").unlink()
    inner = tmp_path / "inner"
    inner.mkdir()
    _git(inner, "init", "-q")
    (inner / ".gitignore").write_text("no.py\n")
    (inner / "no.py").write_text("x = 1\n")
    (inner / "yes.py").write_text("x = 1\n")
    assert _names(tmp_path) == ["inner/yes.py"]


def test_a_hook_s_environment_does_not_lead_astray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _git(tmp_path / name, "init", "-q")
        (tmp_path / name / f"{name}.py").write_text("x = 1\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "one/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "one"))
    assert _names(tmp_path / "two") == ["two.py"]


def test_a_repository_cannot_make_us_run_its_programs(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    _git(tmp_path, "config", "core.fsmonitor", str(program))
    assert _names(tmp_path) == ["a.py"]
    assert not (tmp_path / "ran").exists()


def test_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    fake.chmod(0o755)
    (tmp_path / "a.py").write_text("x = 1\n")
    monkeypatch.setenv("PATH", str(fake.parent))
    monkeypatch.setattr(discovery, "GIT_SECONDS", 0.2)
    assert _names(tmp_path) == ["a.py"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("tests/a.py", True), ("src/Tests/unit/a.py", True), ("a/test_b.py", True),
        ("b_test.py", True), ("conftest.py", True), ("a.py", False), ("testing/a.py", False),
        ("contest.py", False), ("latest/a.py", False),
    ],
)  # fmt: skip
def test_what_belongs_to_tests(path: str, answer: bool) -> None:
    assert is_test(path) == answer


def test_a_submodule_that_was_not_checked_out_has_no_files(tmp_path: Path) -> None:
    inner, top = tmp_path / "inner", tmp_path / "top"
    for folder in (inner, top):
        folder.mkdir()
        (folder / "a.py").write_text("x = 1\n")
        _git(folder, "init", "-q")
        _git(folder, "add", ".")
        _git(folder, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=inner, check=True, capture_output=True, text=True
    ).stdout.strip()
    _git(top, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    (top / "sub").mkdir()
    assert _names(top) == ["a.py"]
    assert _names(top / "sub") == []
    (top / "sub/own.py").write_text("x = 1\n")
    assert _names(top / "sub") == ["own.py"]
