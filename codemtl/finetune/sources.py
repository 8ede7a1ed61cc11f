"""The repositories that are meant, and what a user should know about them as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codemtl.corpus import git
from codemtl.corpus.build import folders_beside, sources_at
from codemtl.corpus.trees import Source, repository_around


def found_at(paths: Sequence[Path]) -> tuple[list[Source], list[str]]:
    """The projects at some paths, and what else of them is read, or is not.

    A folder of a repository means the whole repository, which has the history. Raises DataError.
    """
    sources = sources_at([path.resolve() for path in paths])
    found: dict[str, Source] = {}
    told = []
    for one in sources:
        whole = repository_around(Path(one.location)) if one.kind == "folder" else None
        if whole is not None:
            told.append(f"{one.location} is a part of {whole.project}, all of which is read")
        found.setdefault((whole or one).location, whole or one)
    beside = folders_beside([path.resolve() for path in paths], sources)
    if beside:
        told.append(
            f"{beside} folders with code beside repositories are not read; name them by themselves"
        )
    return sorted(found.values(), key=lambda one: (one.project.casefold(), one.location)), told


def remarks(source: Source) -> list[str]:
    """Uncommitted changes, which are not read, and a shallow clone, whose history is cut short."""
    if source.kind != "git":
        return []
    found = []
    folder = Path(source.location)
    work = _work_tree(folder)
    if work is not None:
        status = ("status", "--porcelain", "--untracked-files=no")
        changed = git.output(folder, f"--work-tree={work}", *status)
        count = len(changed.splitlines())
        if count:
            found.append(
                f"{source.project}: {count} files have uncommitted changes, which are not read"
            )
    if git.output(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        found.append(
            f"{source.project}: a shallow clone, whose history is cut short; `git fetch"
            " --unshallow` brings the rest"
        )
    return found


def _work_tree(folder: Path) -> Path | None:
    """Where the files of a git directory are checked out; None of a bare repository.

    A linked worktree's git directory names the ``.git`` there, a submodule's configuration it.
    """
    if folder.name == ".git":
        return folder.parent.absolute()
    link = folder / "gitdir"
    if link.is_file():
        return (folder / link.read_text("utf-8", "surrogateescape").strip()).parent
    named = git.output(folder, "config", "--local", "--get", "core.worktree").strip()
    return (folder / named).resolve() if named else None
