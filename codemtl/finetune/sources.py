"""What a user should know about the repositories as they stand: what of them is not read."""

from __future__ import annotations

from pathlib import Path

from codemtl.corpus import git
from codemtl.corpus.trees import Source


def remarks(source: Source) -> list[str]:
    """Uncommitted changes, which are not read, and a shallow clone, whose history is cut short."""
    if source.kind != "git":
        return []
    found = []
    folder = Path(source.location)
    if folder.name == ".git":
        status = ("status", "--porcelain", "--untracked-files=no")
        changed = git.output(folder, f"--work-tree={folder.parent.absolute()}", *status)
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
