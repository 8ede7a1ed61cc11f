"""Walks where source lives: git repositories (bare or not), folders, installed distributions.

A repository is read at its HEAD through ``git cat-file --batch``: nothing is checked out and no
code of it runs. Every file comes with the project, commit and licence it belongs to.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from codemtl.corpus import git, licences
from codemtl.errors import DataError

SEARCH_DEPTH = 3  # folders below a given path in which repositories are looked for
_STANDARD_LIBRARY = re.compile(r"python\d(\.\d+)?t?|lib")
_PLAIN_NAMES = frozenset({"repo", "repository", "git", ".git", "source"})
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class Source:
    """One project and where its files are."""

    project: str  # "owner/name" where known, else the folder's name
    kind: Literal["git", "folder", "distribution"]
    location: str  # the git directory, the folder, or the .dist-info folder
    commit: str  # commit, version of a distribution, or "" for a plain folder


class SourceText(NamedTuple):
    """One Python file of a project."""

    path: str  # relative to the project, with forward slashes
    data: bytes


def find_sources(path: Path) -> list[Source]:
    """The projects at ``path``, by name; a folder without repositories is one project itself."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give a repository or a folder of source trees")
    distributions = sorted(path.glob("*.dist-info"))
    if distributions:
        return [_distribution(found) for found in distributions]
    repositories = list(_repositories(path, SEARCH_DEPTH))
    if not repositories:
        return [Source(_project_around(path.resolve()), "folder", str(path), "")]
    found = [_repository(work, folder) for work, folder in repositories]
    return sorted(found, key=lambda source: (source.project.casefold(), source.location))


def repository_around(path: Path) -> Source | None:
    """The repository whose commit holds a folder, if that is below its root and none itself."""
    path = path.resolve()
    for one in path.parents:
        folder = _git_folder(one)
        if folder is not None:
            found, inside = _repository(one, folder), path.relative_to(one).as_posix()
            return found if git.output(folder, "ls-tree", "-d", found.commit, inside) else None
    return None


def plain_folders(path: Path) -> list[Path]:
    """Folders at or below ``path`` with code that belongs to none of the repositories there.

    None where there is no repository, as ``path`` is one project then.
    """
    works = {work for work, _ in _repositories(path, SEARCH_DEPTH)}
    if not works or path in works or any(path.glob("*.dist-info")):
        return []
    return list(_beside(path, works, {folder for work in works for folder in work.parents}))


def licence_of(source: Source) -> str | None:
    """SPDX expression of a project's permissive licence, or None."""
    if source.kind == "distribution":
        metadata = Path(source.location, "METADATA")
        return licences.of_metadata(_text(metadata.read_bytes())) if metadata.is_file() else None
    if source.kind == "git":
        listing = {
            path: name for path, name in _git_listing(source) if licences.is_licence_file(path)
        }
        near = _nearest(listing)
        with git.reader(source.location) as read:
            texts = [_text(read(listing[path]) or b"") for path in near]
        return licences.detect(texts)
    root = Path(source.location)
    files = {found.name: found for found in sorted(root.iterdir()) if found.is_file()}
    names = [name for name in files if licences.is_licence_file(name)]
    return licences.detect(_text(files[name].read_bytes()) for name in names)


def paths_of(source: Source) -> list[tuple[str, str]]:
    """(path, handle) of each Python file; ``read_texts`` takes the handles."""
    if source.kind == "git":
        found = [(path, name) for path, name in _git_listing(source) if path.endswith(".py")]
    elif source.kind == "distribution":
        found = _recorded(Path(source.location))
    else:
        found = _folder_files(Path(source.location))
    return sorted(found)


def state_of(source: Source) -> str:
    """Changes when files do that commit and version say nothing of; "" where these say all."""
    if source.kind == "git":
        shallow = Path(source.location, "shallow")
        return hashlib.sha256(shallow.read_bytes()).hexdigest() if shallow.is_file() else ""
    if source.kind == "distribution":
        return ""
    root = Path(source.location).resolve()
    files = [Path(place) for _, place in paths_of(source)]
    files += [one for one in root.iterdir() if licences.is_licence_file(one.name) and one.is_file()]
    stats = [(str(path), path.stat()) for path in sorted(files)]
    text = repr([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])
    return hashlib.sha256(f"{root}{text}".encode("utf-8", "replace")).hexdigest()


def read_texts(source: Source, wanted: Iterable[tuple[str, str]]) -> Iterator[SourceText | str]:
    """The files of (path, handle) pairs in turn; the path alone where one cannot be read."""
    if source.kind == "git":
        with git.reader(source.location) as read:
            for path, name in wanted:
                data = read(name)
                yield path if data is None else SourceText(path, data)
        return
    for path, name in wanted:
        try:
            yield SourceText(path, Path(name).read_bytes())
        except OSError:
            yield path


def _nearest(paths: Iterable[str]) -> list[str]:
    """Licence files at the root, or only where there are none, one folder deeper."""
    found = sorted(paths)
    return [path for path in found if "/" not in path] or found


def _repositories(path: Path, depth: int) -> Iterator[tuple[Path, Path]]:
    """(folder that names the project, git directory) of the repositories at or below ``path``."""
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        yield path, path
    elif (folder := _git_folder(path)) is not None:
        if _commit(folder):
            yield path, folder
    elif depth:
        for child in _subfolders(path):
            yield from _repositories(child, depth - 1)


def _subfolders(path: Path) -> Iterator[Path]:
    """Folders of a folder in which something may be looked for."""
    for child in sorted(path.iterdir()):
        if (
            child.is_dir() and not child.is_symlink() and child.name not in _SKIPPED_FOLDERS
            and os.access(child, os.R_OK | os.X_OK)
        ):  # fmt: skip
            yield child


def _beside(path: Path, works: set[Path], around: set[Path]) -> Iterator[Path]:
    """Folders with code at or below ``path``, which has repositories below it."""
    if any(found.suffix == ".py" and found.is_file() for found in path.iterdir()):
        yield path
    for child in _subfolders(path):
        if child in around:
            yield from _beside(child, works, around)
        elif child not in works and not _is_apart(child) and any(_walk(child)):
            yield child


def _git_folder(path: Path) -> Path | None:
    """The git directory of a work tree; a worktree or submodule has a file that names it."""
    found = path / ".git"
    if found.is_dir():
        return found
    if not found.is_file():
        return None
    head, _, where = _text(found.read_bytes()).strip().partition(": ")
    folder = (path / where).resolve()
    return folder if head == "gitdir" and folder.is_dir() else None


def _project_around(path: Path) -> str:
    """The name of the repository that a folder is a part of, else the folder's own."""
    for one in path.parents:
        folder = _git_folder(one)
        if folder is not None:
            return _repository(one, folder).project
    return _folder_name(path)


def _repository(work: Path, folder: Path) -> Source:
    url = git.output(folder, "config", "--local", "--get", "remote.origin.url").strip()
    if url and re.search(r"[/:][^/:]+/[^/:]+$", url):
        parts = re.split(r"[/:]", url.removesuffix(".git").rstrip("/"))
        project = "/".join(parts[-2:])
    else:
        common = folder / "commondir"  # of a worktree: where the repository itself lies
        named = folder / _text(common.read_bytes()).strip() if common.is_file() else work
        project = _folder_name(named.resolve()).replace("+", "/", 1)
    return Source(project, "git", str(folder), _commit(folder))


def _folder_name(path: Path) -> str:
    while path.name in _PLAIN_NAMES and path != path.parent:
        path = path.parent
    if _STANDARD_LIBRARY.fullmatch(path.name.casefold()) and (path / "abc.py").is_file():
        return "python/cpython"
    return path.name.removesuffix(".git") or "unnamed"


def _commit(folder: Path) -> str:
    """The commit of HEAD, or of the likeliest branch in a mirror whose HEAD is unborn."""
    for name in ("HEAD", "main", "master", "origin/main", "origin/master", "develop", "dev"):
        found = git.output(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        if found:
            return found
    newest = ("--sort=-committerdate", "--count=1", "--format=%(objectname)")
    return git.output(folder, "for-each-ref", *newest, "refs/heads", "refs/remotes").strip()


def _git_listing(source: Source) -> Iterator[tuple[str, str]]:
    """(path, object name) of the regular files at the commit; links and submodules are left out."""
    if not source.commit:
        return
    for entry in git.output(source.location, "ls-tree", "-r", "-z", source.commit).split("\0"):
        meta, _, path = entry.partition("\t")
        if meta.startswith("100"):
            yield path.encode("utf-8", "replace").decode("utf-8", "replace"), meta.split(" ")[2]


def _folder_files(root: Path) -> list[tuple[str, str]]:
    found = []
    for path in _walk(root):
        inside = Path(path).relative_to(root).as_posix()
        found.append((inside.encode("utf-8", "replace").decode(), path))
    return found


def _walk(root: Path) -> Iterator[str]:
    """Python files below a folder, but for hidden, skipped and virtual environments' folders."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not _is_apart(Path(folder, name)))
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".py") and os.path.isfile(path):
                yield path


def _is_apart(folder: Path) -> bool:
    """Whether a folder below a project's is none of its own."""
    skipped = folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS
    return skipped or os.path.exists(folder / "pyvenv.cfg")


def _distribution(info: Path) -> Source:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    return Source(name, "distribution", str(info), version)


def _recorded(info: Path) -> list[tuple[str, str]]:
    """Files that a distribution's RECORD lists, inside its site-packages folder only."""
    record = info / "RECORD"
    if not record.is_file():
        return []
    root = info.parent
    found = []
    for line in _text(record.read_bytes()).splitlines():
        path = line.rsplit(",", 2)[0].strip('"')
        if path.endswith(".py") and ".." not in path.split("/") and (root / path).is_file():
            found.append((path, str(root / path)))
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
