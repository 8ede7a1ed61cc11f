"""The only door to Arrow: the schemas of a corpus, streaming writers and readers.

Rows are streamed to disk in batches, so memory stays small however large a corpus grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from codemtl.errors import MissingExtraError

try:
    import pyarrow as pa  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("datasets", "train") from error

BATCH_ROWS = 1000
FIX_ROWS = 100  # a row of these holds a whole file
DATASET_MARK = "dataset_info.json"  # in every folder that ``datasets`` saved

# One project's share, before deduplication. Spans are byte offsets.
PART_FILES = pa.schema([("file", pa.int32()), ("path", pa.string()), ("text", pa.string())])
PART_FUNCTIONS = pa.schema([
    ("file", pa.int32()), ("qualname", pa.string()), ("start", pa.int32()), ("end", pa.int32()),
    ("source", pa.binary()), ("context", pa.list_(pa.string())), ("docstring", pa.string()),
    ("summary", pa.string()), ("hash", pa.int64()), ("lines", pa.int32()),
    ("tokens", pa.int32()), ("cut", pa.list_(pa.int32())), ("mask", pa.list_(pa.int32())),
    ("signature", pa.binary()),
])  # fmt: skip
_FIX = [
    ("commit", pa.string()), ("parent", pa.string()), ("path", pa.string()),
    ("qualname", pa.string()), ("before", pa.large_string()), ("after", pa.large_string()),
    ("start", pa.int32()), ("end", pa.int32()), ("file", pa.large_string()),
    ("kind", pa.string()), ("edit_start", pa.int32()), ("edit_end", pa.int32()),
    ("edit_original", pa.string()), ("edit_replacement", pa.string()), ("message", pa.string()),
    ("date", pa.string()), ("silent", pa.bool_()), ("partial", pa.bool_()), ("tests", pa.bool_()),
    ("hash_before", pa.int64()), ("hash_after", pa.int64()),
]  # fmt: skip
PART_FIXES = pa.schema([*_FIX, ("signature_before", pa.binary()), ("signature_after", pa.binary())])

# The finished corpus; each is a folder for ``datasets.load_from_disk``.
TABLES: dict[str, Any] = {
    "files": pa.schema([
        ("file_id", pa.int64()), ("project", pa.string()), ("commit", pa.string()),
        ("licence", pa.string()), ("split", pa.string()), ("path", pa.string()),
        ("text", pa.large_string()),
    ]),
    "functions": pa.schema([
        ("function_id", pa.int64()), ("file_id", pa.int64()), ("qualname", pa.string()),
        ("start", pa.int32()), ("end", pa.int32()), ("source", pa.large_string()),
        ("context", pa.list_(pa.string())), ("docstring", pa.string()), ("summary", pa.string()),
        ("hash", pa.int64()), ("lines", pa.int32()), ("tokens", pa.int32()),
        ("split", pa.string()), ("project", pa.string()),
    ]),
    "pairs": pa.schema([
        ("function_id", pa.int64()), ("source", pa.large_string()), ("summary", pa.string()),
        ("split", pa.string()),
    ]),
    "masked_lines": pa.schema([
        ("function_id", pa.int64()), ("line", pa.int32()), ("prefix", pa.large_string()),
        ("target", pa.string()), ("suffix", pa.large_string()), ("split", pa.string()),
    ]),
    "fixes": pa.schema([
        ("fix_id", pa.int64()), ("project", pa.string()), ("licence", pa.string()),
        ("split", pa.string()), *_FIX,
    ]),
}  # fmt: skip


class StreamWriter:
    """Rows to an Arrow stream file; closed at the end of a ``with`` block."""

    def __init__(self, file: Path, schema: Any, *, batch_rows: int = BATCH_ROWS) -> None:
        self.rows = 0
        self._batch_rows = batch_rows
        self._schema = schema
        self._sink = pa.OSFile(str(file), "wb")
        self._stream = pa.ipc.new_stream(self._sink, schema)
        self._batch: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Append one row, a value for each column of the schema."""
        self._batch.append(row)
        self.rows += 1
        if len(self._batch) >= self._batch_rows:
            self._flush()

    def close(self) -> None:
        """Write what is pending; the file is complete afterwards."""
        self._flush()
        self._stream.close()
        self._sink.close()

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush(self) -> None:
        if self._batch or not self.rows:  # a reader of an empty file wants one empty batch
            self._stream.write_batch(pa.RecordBatch.from_pylist(self._batch, schema=self._schema))
            self._batch = []


class TableWriter(StreamWriter):
    """One table of the corpus that is made in a working folder; ``finish`` saves it there."""

    def __init__(self, working: Path, name: str) -> None:
        if find_spec("datasets") is None:
            raise MissingExtraError("datasets", "train")
        self._saved = working / name
        self._file = working / f"{name}.arrow"
        batch_rows = FIX_ROWS if name == "fixes" else BATCH_ROWS
        super().__init__(self._file, TABLES[name], batch_rows=batch_rows)

    def finish(self) -> None:
        """Save in the layout of ``datasets.load_from_disk``, as a folder of the table's name."""
        import datasets  # takes seconds, and worker processes never need it

        self.close()
        rows = datasets.Dataset.from_file(str(self._file))
        quiet = datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            # without rows it would save no shard, and then fail to read what is not there
            rows.save_to_disk(str(self._saved), num_shards=None if self.rows else 1)
        finally:
            if not quiet:
                datasets.enable_progress_bars()
        del rows  # it maps the file that goes now
        self._file.unlink()


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of a stream file, a batch in memory at a time."""
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            yield from batch.to_pylist()


class StoredRows:
    """A stream file for look-ups: its rows stay on disk until they are asked for."""

    def __init__(self, file: Path) -> None:
        self._source = pa.memory_map(str(file))
        self._table = pa.ipc.open_stream(self._source).read_all()

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        values: list[Any] = self._table.column(name).to_pylist()
        return values

    def value(self, name: str, row: int) -> Any:
        """One value."""
        return self._table.column(name)[row].as_py()
