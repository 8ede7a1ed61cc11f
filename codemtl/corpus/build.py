"""``codemtl mine``: source trees and histories in, deduplicated Arrow datasets with splits out.

Projects are read by worker processes, here or on several machines, into parts (resumable), then
joined.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from codemtl.corpus.exclusions import load_exclusions
from codemtl.corpus.join import join, listed_projects
from codemtl.corpus.parts import Part, Settings, mine_part
from codemtl.corpus.ray_tasks import run_on_ray
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.summary import BuildSummary
from codemtl.corpus.trees import Source, find_sources
from codemtl.errors import CodemtlError, DataError, UsageError

_REASONS = {
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
    include_tests: bool = False,
    history: bool = True,
    ray: str | None = None,
) -> BuildSummary:
    """Mine repositories and folders below ``paths`` into ``out``; finished projects are kept.

    ``any_licence`` is for a user's own code, which needs no permission; ``history`` is whether
    the commits of repositories are searched for fixes; ``ray`` is the address of a Ray cluster to
    do it on. Raises DataError when a path is no folder or nothing was found, UsageError when
    ``out`` is no place for this corpus; a project that fails is reported and left out.
    """
    sources = sources_at(paths)
    _check_place(out, paths, sources)
    exclusions = load_exclusions(exclude_benchmarks)
    settings = Settings(
        max_bytes_per_project, seed, any_licence, include_tests, exclusions, history
    )
    parts_folder = out / "parts"
    try:
        parts_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    summary = BuildSummary()
    folders = {source: parts_folder / settings.key(source) for source in sources}
    parts: list[tuple[Path, Part]] = []
    finished = (
        _mine_all(folders, settings, jobs)
        if ray is None
        else run_on_ray(_mine_safely, folders, settings, ray, jobs)
    )
    for count, (source, result) in enumerate(finished, start=1):
        if isinstance(result, Part):
            parts.append((folders[source], result))
        else:
            summary.errors[source.project] = result
        if progress is not None:
            progress(source.project, count, len(sources))
    join(parts, out, summary)
    if not summary.functions and not summary.fixes:
        raise DataError("no function was found" + _reasons(summary))
    return summary


def _check_place(out: Path, paths: Sequence[Path], sources: Sequence[Source]) -> None:
    """Neither sources nor a corpus of other projects shall be written over."""
    places = {Path(one.location).resolve() for one in sources}
    places |= {place.parent for place in places if place.name == ".git"}
    if out.resolve() in places | {path.resolve() for path in paths}:
        raise UsageError(f"--out {out} is one of the folders to mine; name another")
    left = sorted(listed_projects(out) - {canonical_name(one.project) for one in sources})
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise UsageError(
            f"--out {out} holds a corpus of other projects too: {', '.join(left[:3])}{more}; name "
            "their paths as well, they are not read again, or another --out"
        )


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


def _mine_all(
    folders: dict[Source, Path], settings: Settings, jobs: int
) -> Iterator[tuple[Source, Part | str]]:
    if jobs <= 1 or len(folders) <= 1:
        for source, folder in folders.items():
            yield source, _mine_safely(source, folder, settings)
        return
    # Spawned, not forked: the caller may have started threads.
    context = multiprocessing.get_context("spawn")
    left = dict(folders)
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {
            pool.submit(_mine_safely, source, folder, settings): source
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
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                found = pool.submit(_mine_safely, source, folder, settings).result()
            except BrokenProcessPool:
                found = "its process was killed, perhaps for want of memory"
        yield source, found


def _mine_safely(source: Source, folder: Path, settings: Settings) -> Part | str:
    """A part, or the message of what went wrong: one bad project never stops the others."""
    try:
        return mine_part(source, folder, settings)
    except (CodemtlError, OSError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


__all__ = ["BuildSummary", "Progress", "build"]
