"""Parts to one corpus: deduplicated within and across splits, put in place when it is whole.

A function or fix that occurs in several projects is kept once, in a test project before a
validation project before a training project. What is nearly the same as something in a split
before its own is left out too, so that no split learns what another one is judged by.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from codemtl.corpus.examples import masked_line, without_docstring
from codemtl.corpus.near_duplicates import VALUES, Runs, leaks, source_runs
from codemtl.corpus.parts import Part
from codemtl.corpus.place import SOURCES, SUMMARY, put_in_place, working_folder
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.summary import BuildSummary
from codemtl.corpus.tables import TABLES, StoredRows, TableWriter, read_rows

_Listed = tuple[str, str, str, int, int, int, str]  # a line of sources.tsv
_COPIED = (
    "qualname", "start", "end", "context", "docstring", "summary", "hash", "lines", "tokens",
)  # fmt: skip
_SPLIT_ORDER = {"test": 0, "validation": 1, "train": 2}
_NEAR = "near-duplicate of another split"
_FUNCTIONS, _FIXES = "functions.arrow", "fixes.arrow"
_TEXTS = (  # where a part holds functions: file, column of the source, column of the signature
    (_FUNCTIONS, "source", "signature"),
    (_FIXES, "before", "signature_before"),
    (_FIXES, "after", "signature_after"),
)


class _Place(NamedTuple):
    """A function in a part: one of ``_TEXTS``, and the row."""

    folder: Path
    text: int
    row: int


def join(
    parts: list[tuple[Path, Part]],
    out: Path,
    summary: BuildSummary,
    check: Callable[[BuildSummary], None],
    superseded: Mapping[Path, set[int]] | None = None,
) -> None:
    """Write the datasets, ``summary.json`` and ``sources.tsv``; ``summary`` is filled in.

    ``check`` sees the counts and raises if they will not do; ``superseded`` are rows of parts'
    tables (by file) that are left out for what came later. Until all is written, ``out`` stays
    as it was.
    """
    parts = sorted(
        parts, key=lambda one: (_SPLIT_ORDER[one[1].split], one[1].project.casefold(), one[0].name)
    )
    near = near_rows([one for one in parts if one[1].rejected is None])
    with working_folder(out) as made:
        writers = {name: TableWriter(made, name) for name in TABLES}
        joint = _Joint(writers, summary, near, superseded or {})
        listed = _add_parts(joint, parts)
        check(summary)
        for writer in writers.values():
            writer.finish()
        summary.checksums = {split: one.hexdigest() for split, one in joint.digests.items()}
        summary.fix_checksums = {split: one.hexdigest() for split, one in joint.fix_digests.items()}
        text = json.dumps(vars(summary), indent=2, sort_keys=True)
        (made / SUMMARY).write_text(text + "\n", "utf-8")
        _write_sources(made / SOURCES, listed)
        put_in_place(made, out)


def _add_parts(joint: _Joint, parts: Sequence[tuple[Path, Part]]) -> list[_Listed]:
    """Add what each part holds; returns those that are in the corpus."""
    summary = joint.summary
    listed: list[_Listed] = []
    for folder, part in parts:
        summary.bytes_read += part.bytes_read
        for name in ("rejected_files", "rejected_functions", "walked", "rejected_fixes"):
            getattr(summary, name).update(getattr(part, name))
        if part.rejected is not None:
            summary.rejected_projects[part.rejected] += 1
            continue
        before = _sizes(summary)
        joint.add_part(folder, part)
        files, functions, fixes = (a - b for a, b in zip(_sizes(summary), before, strict=True))
        if not functions and not fixes:
            summary.rejected_projects["all duplicates"] += 1
            continue
        summary.projects[part.split] += 1
        summary.licences[part.licence] += 1
        listed.append(
            (part.project, part.commit, part.licence, files, functions, fixes, part.split)
        )
    return listed


def _sizes(summary: BuildSummary) -> tuple[int, int, int]:
    return summary.files.total(), summary.functions.total(), summary.fixes.total()


def near_rows(parts: Sequence[tuple[Path, Part]]) -> dict[Path, set[int]]:
    """Rows of each table of parts (by its file) that are nearly the same as one of a split before.

    The parts must be sorted by split. Equal functions count as nearly the same.
    """
    places: list[_Place] = []
    signatures: list[bytes] = []
    ranks: list[int] = []
    for folder, part in parts:
        for text, (file, _, column) in enumerate(_TEXTS):
            found = _stored(folder / file).column(column)
            signatures += found
            places += [_Place(folder, text, row) for row in range(len(found))]
            ranks += [_SPLIT_ORDER[part.split]] * len(found)
    if not places:
        return {}
    values = np.frombuffer(b"".join(signatures), np.uint32).reshape(-1, VALUES)

    def runs_of(item: int) -> Runs:
        place = places[item]
        file, column, _ = _TEXTS[place.text]
        source = _stored(place.folder / file).value(column, place.row)
        return source_runs(source.decode() if isinstance(source, bytes) else source)

    rows: defaultdict[Path, set[int]] = defaultdict(set)
    for pair in leaks(values, np.array(ranks, np.int8), runs_of):
        place = places[pair.item]
        rows[place.folder / _TEXTS[place.text][0]].add(place.row)
    _stored.cache_clear()
    return rows


@lru_cache(maxsize=512)
def _stored(file: Path) -> StoredRows:
    return StoredRows(file)


class _Joint:
    """The tables as they grow, and the hashes of the functions and fixes that are in them."""

    def __init__(
        self,
        writers: dict[str, TableWriter],
        summary: BuildSummary,
        near: Mapping[Path, set[int]],
        superseded: Mapping[Path, set[int]],
    ) -> None:
        self.writers = writers
        self.summary = summary
        self.digests = {split: hashlib.sha256() for split in _SPLIT_ORDER}
        self.fix_digests = {split: hashlib.sha256() for split in _SPLIT_ORDER}
        self._near, self._superseded = near, superseded
        self._seen: set[int] = set()
        self._seen_fixes: set[tuple[int, int]] = set()

    def add_part(self, folder: Path, part: Part) -> None:
        """Append the functions of a part that are new, the files that hold one, and the fixes."""
        files = self.writers["files"]
        first = files.rows
        numbers: dict[int, int] = {}  # the part's file number -> file_id
        for number, row in enumerate(read_rows(folder / _FUNCTIONS)):
            reason = self._reason(folder / _FUNCTIONS, number, row["hash"] in self._seen)
            if reason is not None:
                self.summary.rejected_functions[reason] += 1
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
        self._add_fixes(folder / _FIXES, part)

    def _reason(self, file: Path, number: int, seen: bool) -> str | None:
        """Why a row of a part's table is left out, or None."""
        if seen:
            return "duplicate"
        if number in self._superseded.get(file, ()):
            return "changed later"
        return _NEAR if number in self._near.get(file, ()) else None

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

    def _add_fixes(self, file: Path, part: Part) -> None:
        fixes = self.writers["fixes"]
        for number, row in enumerate(read_rows(file)):
            pair = (row["hash_before"], row["hash_after"])
            reason = self._reason(file, number, pair in self._seen_fixes)
            if reason is not None:
                self.summary.rejected_fixes[reason] += 1
                continue
            self._seen_fixes.add(pair)
            for one in pair:
                self.fix_digests[part.split].update(one.to_bytes(8, "big", signed=True))
            if row["partial"]:
                self.summary.partial_fixes[row["kind"]] += 1
            elif row["silent"]:
                self.summary.silent_fixes[row["kind"]] += 1
            else:
                self.summary.fixes[part.split] += 1
                self.summary.fix_kinds[row["kind"]] += 1
            fixes.add({
                **row, "fix_id": fixes.rows, "project": part.project, "licence": part.licence,
                "split": part.split,
            })  # fmt: skip


def _write_sources(file: Path, listed: list[_Listed]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(
            (
                "project",
                "repository",
                "commit",
                "licence",
                "files",
                "functions",
                "fixes",
                "split",
            )
        )
        for row in sorted(listed, key=_by_name):
            table.writerow((canonical_name(row[0]), *row))


def _by_name(row: _Listed) -> str:
    return row[0].casefold()
