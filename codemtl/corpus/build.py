"""``codemtl mine``: source trees in, deduplicated Arrow datasets with frozen splits out.

Projects are read by worker processes into parts (resumable), then joined here: a function that
occurs in several projects is kept once, in a test project before a validation project before a
training project, so that the splits share none.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codemtl.corpus.examples import masked_line, without_docstring
from codemtl.corpus.exclusions import load_exclusions
from codemtl.corpus.parts import Part, Settings, mine_part
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.tables import TABLES, TableWriter, read_rows
from codemtl.corpus.trees import Source, find_sources
from codemtl.errors import CodemtlError, DataError

Progress = Callable[[str, int, int], None]  # project just finished, how many are, how many in all

_Listed = tuple[str, str, str, int, int, str]  # a line of sources.tsv
_COPIED = (
    "qualname", "start", "end", "context", "docstring", "summary", "hash", "lines", "tokens",
)  # fmt: skip
_SPLIT_ORDER = {"test": 0, "validation": 1, "train": 2}


@dataclass
class BuildSummary:
    """What a build found; ``summary.json`` holds the same."""

    projects: Counter[str] = field(default_factory=Counter)  # by split
    files: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    masked_lines: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    rejected_projects: Counter[str] = field(default_factory=Counter)  # by reason
    rejected_files: Counter[str] = field(default_factory=Counter)
    rejected_functions: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)  # project -> what went wrong
    checksums: dict[str, str] = field(default_factory=dict)  # split -> SHA-256 of its hashes
    bytes_read: int = 0
    bytes_kept: int = 0


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
) -> BuildSummary:
    """Mine repositories and folders below ``paths`` into ``out``; finished projects are kept.

    ``any_licence`` is for a user's own code, which needs no permission. Raises DataError when a
    path is no folder or nothing was found; a project that fails is reported and left out.
    """
    sources = _sources(paths)
    exclusions = load_exclusions(exclude_benchmarks)
    settings = Settings(max_bytes_per_project, seed, any_licence, include_tests, exclusions)
    parts_folder = out / "parts"
    try:
        parts_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    summary = BuildSummary()
    folders = {source: parts_folder / settings.key(source) for source in sources}
    parts: list[tuple[Path, Part]] = []
    finished = _mine_all(folders, settings, jobs)
    for count, (source, result) in enumerate(finished, start=1):
        if isinstance(result, Part):
            parts.append((folders[source], result))
        else:
            summary.errors[source.project] = result
        if progress is not None:
            progress(source.project, count, len(sources))
    _join(parts, out, summary)
    if not summary.functions:
        reasons = dict(summary.rejected_projects) or summary.errors
        hint = "; --any-licence takes code of your own" if "licence" in reasons else ""
        raise DataError(
            f"no function was found; of {len(sources)} projects were left out: {reasons}{hint}"
        )
    return summary


def _sources(paths: Sequence[Path]) -> list[Source]:
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
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {
            pool.submit(_mine_safely, source, folder, settings): source
            for source, folder in folders.items()
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _mine_safely(source: Source, folder: Path, settings: Settings) -> Part | str:
    """A part, or the message of what went wrong: one bad project never stops the others."""
    try:
        return mine_part(source, folder, settings)
    except (CodemtlError, OSError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


def _join(parts: list[tuple[Path, Part]], out: Path, summary: BuildSummary) -> None:
    """Deduplicate over all parts and write the final datasets, each replaced in one step."""
    parts.sort(key=lambda one: (_SPLIT_ORDER[one[1].split], one[1].project.casefold(), one[0].name))
    listed: list[_Listed] = []
    joint = _Joint({name: TableWriter(out, name) for name in TABLES}, summary)
    for folder, part in parts:
        summary.bytes_read += part.bytes_read
        summary.rejected_files.update(part.rejected_files)
        summary.rejected_functions.update(part.rejected_functions)
        if part.rejected is not None:
            summary.rejected_projects[part.rejected] += 1
            continue
        before = summary.files.total(), summary.functions.total()
        joint.add_part(folder, part)
        added = summary.files.total() - before[0], summary.functions.total() - before[1]
        if not added[1]:
            summary.rejected_projects["all duplicates"] += 1
            continue
        summary.projects[part.split] += 1
        summary.licences[part.licence] += 1
        listed.append((part.project, part.commit, part.licence, *added, part.split))
    for writer in joint.writers.values():
        writer.finish()
    summary.checksums = {split: found.hexdigest() for split, found in joint.digests.items()}
    text = json.dumps(vars(summary), indent=2, sort_keys=True)
    (out / "summary.json").write_text(text + "\n", "utf-8")
    _write_sources(out / "sources.tsv", listed)


class _Joint:
    """The tables as they grow, and the hashes of the functions that are already in them."""

    def __init__(self, writers: dict[str, TableWriter], summary: BuildSummary) -> None:
        self.writers = writers
        self.summary = summary
        self.digests = {split: hashlib.sha256() for split in _SPLIT_ORDER}
        self._seen: set[int] = set()

    def add_part(self, folder: Path, part: Part) -> None:
        """Append the functions of a part that are new, and the files that hold one of them."""
        files = self.writers["files"]
        first = files.rows
        numbers: dict[int, int] = {}  # the part's file number -> file_id
        for row in read_rows(folder / "functions.arrow"):
            if row["hash"] in self._seen:
                self.summary.rejected_functions["duplicate"] += 1
                continue
            self._seen.add(row["hash"])
            self.digests[part.split].update(row["hash"].to_bytes(8, "big", signed=True))
            file_id = numbers.setdefault(row["file"], first + len(numbers))
            self._add_function(row, file_id, part)
        for row in read_rows(folder / "files.arrow"):
            if row["file"] not in numbers:
                self.summary.rejected_files["duplicate"] += 1
                continue
            self.summary.files[part.split] += 1
            self.summary.bytes_kept += len(row["text"].encode())
            files.add({
                "file_id": numbers[row["file"]], "project": part.project, "commit": part.commit,
                "licence": part.licence, "split": part.split, "path": row["path"],
                "text": row["text"],
            })  # fmt: skip

    def _add_function(self, row: dict[str, Any], file_id: int, part: Part) -> None:
        functions = self.writers["functions"]
        split = {"function_id": functions.rows, "split": part.split}
        source: bytes = row["source"]
        cut, mask = tuple(row["cut"]), tuple(row["mask"])
        self.summary.functions[part.split] += 1
        functions.add({
            **split, **{name: row[name] for name in _COPIED}, "file_id": file_id,
            "source": source.decode(), "project": part.project,
        })  # fmt: skip
        if row["summary"]:
            self.summary.pairs[part.split] += 1
            bare = without_docstring(source, cut).decode()
            self.writers["pairs"].add({**split, "source": bare, "summary": row["summary"]})
        if mask[1] > mask[0]:
            self.summary.masked_lines[part.split] += 1
            line, prefix, target, suffix = masked_line(source, cut, mask)
            self.writers["masked_lines"].add({
                **split, "line": line, "prefix": prefix.decode(), "target": target.decode(),
                "suffix": suffix.decode(),
            })  # fmt: skip


def _write_sources(file: Path, listed: list[_Listed]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(
            ("project", "repository", "commit", "licence", "files", "functions", "split")
        )
        for row in sorted(listed, key=_by_name):
            table.writerow((canonical_name(row[0]), *row))


def _by_name(row: _Listed) -> str:
    return row[0].casefold()
