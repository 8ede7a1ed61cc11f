"""``codemtl mine``: source trees and histories in, deduplicated Arrow datasets with splits out.

Projects are read by worker processes, here or on several machines, into parts (resumable), then
joined.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

from codemtl.corpus.exclusions import load_exclusions
from codemtl.corpus.join import join
from codemtl.corpus.parts import Part, Settings, mine_part
from codemtl.corpus.place import check_place, locked
from codemtl.corpus.processes import processes, task
from codemtl.corpus.ray_tasks import run_on_ray
from codemtl.corpus.summary import BuildSummary
from codemtl.corpus.trees import Source, find_sources, plain_folders
from codemtl.errors import CodemtlError, DataError

_PLAIN = "beside repositories"
_REASONS = {
    _PLAIN: "being code beside repositories (name its folder by itself)",
    "licence": "want of a permissive licence (--any-licence takes code of your own)",
    "no functions": "want of Python functions",
    "reserved": "being reserved for evaluation",
}
Progress = Callable[[str, int, int], None]  # project just finished, how many are, how many in all


def build(
    paths: Sequence[Path],
    out: Path,
    *,
    jobs: int = 2,
    max_bytes_per_project: int | None = None,
    exclude_benchmarks: Sequence[Path] = (),
    progress: Progress | None = None,
    seed: int = 0,
    any_licence: bool = False,
    history: bool = True,
    ray: str | None = None,
) -> BuildSummary:
    """Mine repositories and folders below ``paths`` into ``out``; finished projects are kept.

    ``any_licence`` is for a user's own code, which needs no permission; ``history`` is whether
    the commits of repositories are searched for fixes; ``ray`` is the address of a Ray cluster to
    do it on. Raises DataError when a path is no folder or nothing was found, UsageError when
    ``out`` is no place for this corpus; a project that fails is reported and left out. What is
    in ``out`` stays as it was until the new corpus is whole.
    """
    sources = sources_at(paths)
    check_place(out, paths, sources)
    exclusions = load_exclusions(exclude_benchmarks)
    settings = Settings(max_bytes_per_project, seed, any_licence, exclusions, history)
    summary = BuildSummary()
    beside = folders_beside(paths, sources)
    if beside:
        summary.rejected_projects[_PLAIN] = beside
    with locked(out) as parts_folder:
        check_place(out, paths, sources)  # again: another process may have finished meanwhile
        folders = {source: parts_folder / settings.key(source) for source in sources}
        found = (
            _mine_all(folders, settings, jobs)
            if ray is None
            else run_on_ray(_mine_safely, folders, settings, ray, jobs)
        )
        parts: list[tuple[Path, Part]] = []
        with closing(found):
            for count, (source, result) in enumerate(found, start=1):
                if isinstance(result, Part):
                    parts.append((folders[source], result))
                else:
                    summary.errors[source.project] = result
                if progress is not None:
                    progress(source.project, count, len(sources))
        join(parts, out, summary, _check_counts)
    return summary


def _check_counts(summary: BuildSummary) -> None:
    """Raise DataError if there is nothing to learn from."""
    if not summary.functions and not summary.fixes:
        raise DataError("no function was found" + _reasons(summary))


def _reasons(summary: BuildSummary) -> str:
    """Why nothing is left, and the way out."""
    said = [f"{name}: {message}" for name, message in summary.errors.items()]
    for reason, projects in summary.rejected_projects.items():
        said.append(f"{projects} left out for {_REASONS.get(reason, reason)}")
    return "".join(f"; {text}" for text in said)


def sources_at(paths: Sequence[Path]) -> list[Source]:
    """The projects at or below some paths, each once, by name. DataError for what is no folder."""
    found: dict[tuple[str, str], Source] = {}
    for path in paths:
        for source in find_sources(path):
            found.setdefault((source.project, source.commit or source.location), source)
    return sorted(found.values(), key=lambda one: (one.project.casefold(), one.location))


def folders_beside(paths: Sequence[Path], sources: Sequence[Source]) -> int:
    """How many folders with code beside repositories no source takes in."""
    taken = {Path(one.location).resolve() for one in sources if one.kind == "folder"}
    found = {folder.resolve() for path in paths for folder in plain_folders(path)}
    return sum(taken.isdisjoint((folder, *folder.parents)) for folder in found)


def _mine_all(
    folders: dict[Source, Path], settings: Settings, jobs: int
) -> Generator[tuple[Source, Part | str], None, None]:
    if jobs <= 1 or len(folders) <= 1:
        for source, folder in folders.items():
            yield source, _mine_safely(source, folder, settings)
        return
    left = dict(folders)
    with processes(jobs) as pool:
        waiting = {
            pool.submit(task, _mine_safely, source, folder, settings): source
            for source, folder in folders.items()
        }
        for future in as_completed(waiting):
            source = waiting[future]
            try:
                found = future.result()
            except BrokenProcessPool:  # one of its processes was killed; which, is not said
                continue
            del left[source]
            yield source, found
    for source, folder in left.items():  # each by itself
        with processes(1) as pool:
            try:
                found = pool.submit(task, _mine_safely, source, folder, settings).result()
            except BrokenProcessPool:
                found = "its process was killed, perhaps for want of memory"
        yield source, found


def _mine_safely(source: Source, folder: Path, settings: Settings) -> Part | str:
    """A part, or the message of what went wrong: one bad project never stops the others."""
    try:
        return mine_part(source, folder, settings)
    except (CodemtlError, OSError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
