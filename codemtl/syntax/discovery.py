"""Which Python files a folder holds, leaving out what is not the user's own source.

Git knows best what it ignores, so it is asked where it is there; elsewhere the ``.gitignore``
files are read by pathspec.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from codemtl.errors import SourceError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES = (".py", ".pyi")
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})
GIT_SECONDS = 60
GIT = ("git", "-c", "core.fsmonitor=false")  # no repository's configuration makes us run programs
_TESTS = frozenset({
    "test", "tests", "_test", "_tests", "testdata", "test_data", "unittests", "unit_tests",
    "idle_test", "testsuite", "test_suite", "testcases", "fixtures",
})  # fmt: skip
_TEST_FILE = re.compile(r"test_.*|.*_tests?|conftest|tests?")


def is_test(path: str | PurePath) -> bool:
    """Whether a file is a test or belongs to tests, by its path from the top of its project."""
    place = PurePath(path)
    folders = {part.casefold() for part in place.parts[:-1]}
    return bool(folders & _TESTS or _TEST_FILE.fullmatch(place.stem.casefold()))


def find_python_files(path: str | os.PathLike[str]) -> list[Path]:
    """List the Python files of a folder, sorted; of a file, itself, whatever its name.

    Left out: what git ignores, hidden folders, virtual environments, caches, and links, which
    would have one file repaired twice. Raises SourceError if there is nothing at ``path``.
    """
    top = Path(path)
    if not os.path.lexists(top):
        raise SourceError(f"{top}: no such file or folder; check the spelling")
    if not os.path.isdir(top):
        return [top]
    return sorted(_below(top), key=lambda found: found.parts)


def _below(top: Path) -> Iterator[Path]:
    listed = _git_files(top)
    if listed is None:
        # Only an absolute path has all its parents.
        yield from (top / found.relative_to(top.absolute()) for found in _walked(top.absolute()))
        return
    wanted: dict[Path, bool] = {top: True}  # folder -> whether it is searched
    for name in listed:
        found = top / name
        if _is_source(found):
            if _is_wanted(found.parent, wanted):
                yield found
        elif os.path.isdir(found) and not os.path.islink(found) and _is_wanted(found, wanted):
            yield from _below(found)  # a repository inside the repository


def _is_source(path: Path) -> bool:
    # os.path says no of what may not be looked at, where Path raises
    return path.name.endswith(SUFFIXES) and os.path.isfile(path) and not os.path.islink(path)


def _is_wanted(folder: Path, known: dict[Path, bool]) -> bool:
    if folder not in known:
        known[folder] = _is_wanted(folder.parent, known) and not _is_skipped(folder)
    return known[folder]


def _is_skipped(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in SKIPPED_FOLDERS or os.path.exists(folder / "pyvenv.cfg")


def git_environment() -> dict[str, str]:
    """The environment but for a hook's variables, which would point git to another repository."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}


def _git_files(top: Path) -> list[str] | None:
    """Files and inner repositories that git tracks or would track; None if it cannot tell."""
    environment = git_environment()
    git = [*GIT, "-C", os.fspath(top)]
    try:
        ignored = subprocess.run(
            [*git, "check-ignore", "-q", "."],
            env=environment, capture_output=True, timeout=GIT_SECONDS, check=False,
        )  # fmt: skip
        if ignored.returncode != 1:  # no work tree, or the user names an ignored folder
            return None
        listed = subprocess.run(
            [*git, "ls-files", "-co", "--exclude-standard", "-z", "--deduplicate", "--", "."],
            env=environment, capture_output=True, timeout=GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return None if names == ["./"] else names  # a submodule that was not checked out


def _walked(top: Path) -> Iterator[Path]:
    """Files below ``top`` that no ``.gitignore`` file of the repository names."""
    specs, root = _specs_above(top)
    for name, folders, files in os.walk(top):
        folder = Path(name)
        if ".gitignore" in files:
            specs[folder] = _ignore_spec(folder / ".gitignore")
        folders[:] = [
            inner
            for inner in folders
            if not _is_skipped(folder / inner)
            and not _is_ignored(folder / inner, True, root, specs)
        ]
        for file in files:
            found = folder / file
            if _is_source(found) and not _is_ignored(found, False, root, specs):
                yield found


def _specs_above(top: Path) -> tuple[dict[Path, GitIgnoreSpec], Path]:
    """The ``.gitignore`` files from the root of the work tree down to ``top``, and that root.

    Outside of a work tree, and in an ignored folder that the user names, only ``top`` counts.
    """
    specs: dict[Path, GitIgnoreSpec] = {}
    above = [top, *top.parents]
    root = next((folder for folder in above if os.path.exists(folder / ".git")), top)
    for folder in above[1 : above.index(root) + 1]:
        if os.path.isfile(folder / ".gitignore"):
            specs[folder] = _ignore_spec(folder / ".gitignore")
    if root == top or _is_ignored(top, True, root, specs):
        return {}, top
    return specs, root


def _ignore_spec(path: Path) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # not needed where git answers

    try:
        return GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())
    except (OSError, ValueError):  # an unreadable file or a broken pattern ignores nothing
        return GitIgnoreSpec.from_lines([])


def _is_ignored(path: Path, is_folder: bool, root: Path, specs: dict[Path, GitIgnoreSpec]) -> bool:
    """Whether the nearest ``.gitignore`` with a word on ``path`` ignores it."""
    folder = path.parent
    while True:
        spec = specs.get(folder)
        if spec is not None:
            inside = path.relative_to(folder).as_posix() + "/" * is_folder
            verdict = spec.check_file(inside).include
            if verdict is not None:
                return verdict
        if folder == root:
            return False
        folder = folder.parent
