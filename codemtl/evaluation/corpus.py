"""The text that frozen lists point to: a corpus that ``codemtl mine`` wrote, or the samples.

A corpus folder holds a table as an Arrow dataset (``files/``) or, in the samples that ship, as
JSON lines (``files.jsonl``), with the columns of `codemtl.corpus.tables`. The table ``fixes`` has

    fix_id, project, commit, parent, licence, split, path, qualname, before, after, start, end,
    file, kind, edit_start, edit_end, edit_original, edit_replacement, message, date, tests,
    hash_before, hash_after

``file`` is the whole file in the parent commit, ``start`` and ``end`` the bytes of the function in
it, ``before`` and ``after`` the function without and with the fix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from codemtl.errors import DataError, MissingExtraError

ANY = "any"  # a split that holds them all


class Table(Protocol):
    """Rows of one table."""

    def __len__(self) -> int: ...

    def columns(self, names: Sequence[str], rows: Sequence[int] | None = None) -> list[list[Any]]:
        """The values of some columns, of all rows or of the given ones."""
        ...

    def row(self, index: int) -> dict[str, Any]:
        """One whole row."""
        ...


class FunctionRow(NamedTuple):
    """What is known of one function without reading its file."""

    id: int
    file: int  # row of its file
    start: int  # byte of its ``def``
    qualname: str
    hash: int
    summary: str


class Corpus:
    """One split of a corpus folder. Raises DataError for a folder that is none."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        if not folder.is_dir():
            raise DataError(f"corpus {folder} is not a folder; name one that `codemtl mine` wrote")
        if list(folder.glob("train-*.safetensors")):
            raise DataError(
                f"{folder} is a prepared dataset, which holds no text; name the corpus that"
                " `codemtl mine` wrote"
            )
        self._tables: dict[str, Table] = {}
        self.files = self.table("files")

    def table(self, name: str) -> Table:
        """A table by name; DataError where the corpus lacks it."""
        if name not in self._tables:
            self._tables[name] = _open(self.folder, name)
        return self._tables[name]

    def rows(self, name: str, split: str | None = None) -> list[int]:
        """The rows of a table that belong to a split, by default that of the corpus."""
        wanted = split or self.split
        (found,) = self.table(name).columns(["split"])
        return np.flatnonzero(np.array(found) == wanted).tolist() if wanted != ANY else [
            *range(len(found))
        ]  # fmt: skip

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """(project, path) -> row of the file."""
        rows = self.rows("files")
        names = self.files.columns(["project", "path"], rows)
        return dict(zip(zip(*names, strict=True), rows, strict=True))

    @cached_property
    def row_of_file(self) -> dict[int, int]:
        """``file_id`` -> row of the file."""
        rows = self.rows("files")
        return dict(zip(self.files.columns(["file_id"], rows)[0], rows, strict=True))

    @cached_property
    def functions(self) -> list[FunctionRow]:
        """The functions of the split; those that occur in another file too are listed once."""
        rows = self.rows("functions")
        names = ["function_id", "file_id", "start", "qualname", "hash", "summary"]
        columns = self.table("functions").columns(names, rows)
        return [
            FunctionRow(number, self.row_of_file[file], *values)
            for number, file, *values in zip(*columns, strict=True)
            if file in self.row_of_file
        ]

    def text(self, row: int) -> bytes:
        """The text of the file in a row."""
        return str(self.files.row(row)["text"]).encode()

    def at(self, project: str, path: str) -> bytes | None:
        """The text of a file; None where the corpus lacks it."""
        row = self.places.get((project, path))
        return None if row is None else self.text(row)

    def training_rows(self, name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
        """Random rows of the training split, in the order of the table.

        None where all splits are one, as nobody may learn from what is asked.
        """
        if self.split == ANY:
            return
        rows = np.random.default_rng(seed).permutation(self.rows(name, "train"))[:count]
        table = self.table(name)
        for row in np.sort(rows).tolist():
            yield table.row(row)


def digest(data: bytes) -> str:
    """Eight bytes of BLAKE2b, by which a pointer knows its text again."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _open(folder: Path, name: str) -> Table:
    lines, arrow = folder / f"{name}.jsonl", folder / name
    if lines.is_file():
        return _Lines(read_lines(lines))
    if not arrow.is_dir():
        raise DataError(
            f"corpus {folder} has no table {name!r}; build it by `codemtl mine PATH... --out DIR`"
        )
    try:
        import datasets  # takes seconds
    except ImportError as error:
        raise MissingExtraError("datasets", "evaluate") from error
    try:
        return _Arrow(datasets.load_from_disk(str(arrow)))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{arrow} is no readable dataset: {error}") from error


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; DataError names the line that is none."""
    rows = []
    try:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{file}, line {number}, is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{file}, line {number}, is no JSON object")
            rows.append(row)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    return rows


class _Lines:
    """A table in memory."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def columns(self, names: Sequence[str], rows: Sequence[int] | None = None) -> list[list[Any]]:
        chosen = self._rows if rows is None else [self._rows[row] for row in rows]
        return [[one.get(name) for one in chosen] for name in names]

    def row(self, index: int) -> dict[str, Any]:
        return self._rows[index]


class _Arrow:
    """A table on disk, memory-mapped."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def columns(self, names: Sequence[str], rows: Sequence[int] | None = None) -> list[list[Any]]:
        if not len(self) or (rows is not None and not len(rows)):
            return [[] for _ in names]  # Arrow takes no rows of no type
        missing = [name for name in names if name not in self._dataset.column_names]
        if missing:
            raise DataError(f"a table of the corpus lacks the columns {', '.join(missing)}")
        table = self._dataset.select_columns(list(names)).with_format("arrow")[:]
        if rows is not None:
            table = table.take(list(rows))
        return [table.column(name).to_pylist() for name in names]

    def row(self, index: int) -> dict[str, Any]:
        found: dict[str, Any] = self._dataset[index]
        return found
