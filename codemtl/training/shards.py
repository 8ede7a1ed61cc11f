"""Prepared shards: tokenised functions with site annotations, compressed, memory-mapped in use.

A shard is one safetensors file of flat arrays, packed by xz to about a sixth; ``at.*`` [F + 1] say
where each function's part of an array begins, ``*.offsets`` the rows of ragged arrays. It is
unpacked once, beside the packed ones or, where that cannot be written, into the folder for
temporary files. Reading needs numpy alone, so a machine without tree-sitter or datasets can train
from shards, and workers share the pages.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from codemtl.errors import DataError
from codemtl.model.atomic import write_atomic
from codemtl.tasks.example import CONTINUES, NEAR, Example, Ints, Ragged, Siblings

# array of the example -> (stored type, level whose offsets it follows)
_FLAT: dict[str, tuple[Any, str]] = {
    "pieces": (np.uint16, "pieces"), "spaces": (np.uint8, "pieces"),
    "names_at": (np.int16, "pieces"), "context": (np.uint16, "context"),
    "context_names": (np.int16, "context"), "summary": (np.uint16, "summary"),
    "site_family": (np.uint8, "sites"), "site_start": (np.uint16, "sites"),
    "site_end": (np.uint16, "sites"), "site_state": (np.int16, "sites"),
    "site_group": (np.int16, "sites"), "option_inverse": (np.uint8, "options"),
    "option_names": (np.int16, "written"), "fix": (np.int16, "fix"),
    "place": (np.uint32, "place"),
}  # fmt: skip
_RAGGED: dict[str, tuple[Any, str]] = {
    "names": (np.uint16, "names"), "groups": (np.int16, "groups"),
    "options": (np.uint8, "sites"), "decoys": (np.int16, "sites"),
    "option_pieces": (np.uint16, "options"),
}  # fmt: skip
FORMAT = "codemtl-shard-4"
SUFFIX = ".safetensors.xz"
UNPACKED = ".unpacked"


def write_shard(path: Path, examples: Sequence[Example]) -> None:
    """Write examples into one file. Values must fit the stored types; DataError otherwise."""
    arrays: dict[str, NDArray[Any]] = {}
    levels: dict[str, NDArray[np.int64]] = {}
    for name, (dtype, level) in _FLAT.items():
        parts = [getattr(example, name) for example in examples]
        arrays[name] = _packed(name, parts, dtype)
        levels.setdefault(level, _starts([len(part) for part in parts]))
    for name, (dtype, level) in _RAGGED.items():
        tables: list[Ragged] = [getattr(example, name) for example in examples]
        arrays[name] = _packed(name, [table.values for table in tables], dtype)
        rows = np.concatenate([np.diff(table.offsets) for table in tables])
        arrays[name + ".offsets"] = _starts(rows).astype(np.uint32)
        levels.setdefault(level, _starts([len(table) for table in tables]))
    for level, starts in levels.items():
        arrays["at." + level] = starts.astype(np.uint32)
    data = save(arrays, metadata={"format": FORMAT})
    write_atomic(path, lzma.compress(data, preset=1))


def _names() -> list[str]:
    """Every array of a shard."""
    levels = {level for _, level in (*_FLAT.values(), *_RAGGED.values())}
    offsets = [f"{name}.offsets" for name in _RAGGED]
    return [*_FLAT, *_RAGGED, *offsets, *(f"at.{level}" for level in sorted(levels))]


def _packed(name: str, parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    values = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    packed = values.astype(dtype)
    if not np.array_equal(packed, values):
        raise DataError(f"{name} holds values outside {np.dtype(dtype).name}")
    return packed


def _starts(sizes: Any) -> NDArray[np.int64]:
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


class Shard:
    """One memory-mapped shard; ``shard[i]`` is an Example, with its siblings if they are wanted."""

    def __init__(self, path: Path, siblings: bool = False) -> None:
        self._path, self._with_siblings = path, siblings
        self._arrays = _map_safetensors(_unpacked(path))
        missing = [name for name in _names() if name not in self._arrays]
        if missing:
            raise DataError(
                f"{path} lacks {missing[0]}: made by another version of codemtl; prepare it anew"
            )
        self._at = {
            level: self._arrays["at." + level].astype(np.int64)
            for level in {level for _, level in (*_FLAT.values(), *_RAGGED.values())}
        }
        self.lengths: Ints = self._words("pieces") + self._words("context") + 2
        self.summaries: Ints = np.diff(self._at["summary"]).astype(np.int32)
        self.site_counts: Ints = np.diff(self._at["sites"]).astype(np.int32)
        self.buggy: NDArray[np.bool_] = np.diff(self._at["fix"]) > 0
        self._file, self._own = self._ranges()
        self.siblings: Ints = np.zeros(len(self), np.int32)
        if siblings:
            sizes = self._at["pieces"]
            file, own = sizes[self._file], sizes[self._own]
            self.siblings = (np.diff(file) - np.diff(own))[:, 0].astype(np.int32)

    def _ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """[F, 2] the functions of the same file near each, and those of its outermost function.

        A function of unknown place is alone.
        """
        numbers = np.arange(len(self))
        alone = np.stack([numbers, numbers + 1], 1)
        known = np.diff(self._at["place"]) == 2
        if not known.all() or not len(self):
            return alone, alone
        place = self._arrays["place"].reshape(-1, 2).astype(np.int64)
        other_file = np.diff(place[:, 0], prepend=-1) != 0
        other = other_file | (np.diff(place[:, 1], prepend=-1) != 0)
        file, own = _runs(other_file), _runs(other)
        near = np.stack([own[:, 0] - NEAR, own[:, 1] + NEAR], 1)
        file[:, 0] = np.maximum(file[:, 0], near[:, 0])
        file[:, 1] = np.minimum(file[:, 1], near[:, 1])
        return file, own

    def _words(self, name: str) -> Ints:
        """Words of each function in an array of pieces."""
        begun = np.concatenate([[0], np.cumsum(self._arrays[name] < CONTINUES)])
        counts: Ints = np.diff(begun[self._at[name]]).astype(np.int32)
        return counts

    def __reduce__(self) -> tuple[type[Shard], tuple[Path, bool]]:
        """A worker process maps the file itself."""
        return Shard, (self._path, self._with_siblings)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Example:
        values: dict[str, Any] = {}
        for name, (_, level) in _FLAT.items():
            low, high = self._at[level][index : index + 2]
            values[name] = self._arrays[name][low:high].astype(np.int32)
        for name, (_, level) in _RAGGED.items():
            low, high = self._at[level][index : index + 2]
            offsets = self._arrays[name + ".offsets"][low : high + 1].astype(np.int64)
            row = self._arrays[name][offsets[0] : offsets[-1]].astype(np.int32)
            values[name] = Ragged(row, (offsets - offsets[0]).astype(np.int32))
        if self._with_siblings:
            values["siblings"] = self._siblings(index)
        return Example(**values)

    def _siblings(self, index: int) -> Siblings:
        file, own = self._file[index], self._own[index]
        rows = np.r_[file[0] : own[0], own[1] : file[1]]
        return Siblings(*(self._told(name, rows, file, own) for name in ("pieces", "summary")))

    def _told(self, name: str, rows: Ints, file: Ints, own: Ints) -> Ragged:
        at, values = self._at[name], self._arrays[name]
        parts = (values[at[file[0]] : at[own[0]]], values[at[own[1]] : at[file[1]]])
        sizes = at[rows + 1] - at[rows]
        return Ragged(np.concatenate(parts).astype(np.int32), _starts(sizes).astype(np.int32))


def _runs(begins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[F, 2] where the run of each member begins and ends, given where runs begin."""
    starts = np.append(np.flatnonzero(begins), len(begins))
    number = np.cumsum(begins) - 1
    return np.stack([starts[number], starts[number + 1]], 1)


def _unpacked(path: Path) -> Path:
    """The unpacked file of a shard, made if it is not there; DataError if the shard is damaged."""
    beside = path.parent / UNPACKED
    place = hashlib.sha256(bytes(beside.absolute())).hexdigest()[:16]
    folders = (beside, Path(tempfile.gettempdir()) / "codemtl-shards" / place)
    try:
        stat = path.stat()
        name = f"{path.name.removesuffix(SUFFIX)}-{stat.st_size}-{stat.st_mtime_ns}.safetensors"
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        data = lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise DataError(f"cannot read the shard {path}: {error}") from error
    for folder in folders:
        with suppress(OSError):  # read-only or full: the next one
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / name, data)
            return folder / name
    raise DataError(
        f"cannot unpack the shard {path}: neither {folders[0]} nor {folders[1]} takes it"
    )


def _map_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Memory-map every array of a safetensors file (8 bytes of length, JSON, data)."""
    types = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I16": np.int16}
    try:
        data = np.memmap(path, np.uint8, mode="r")
        size = int(data[:8].view(np.uint64)[0])
        header = json.loads(bytes(data[8 : 8 + size]))
        if header.pop("__metadata__", {}).get("format") != FORMAT:
            raise DataError(f"{path} is not a codemtl shard of format {FORMAT}; prepare it anew")
        arrays = {}
        for name, entry in header.items():
            low, high = entry["data_offsets"]
            dtype = np.dtype(types[entry["dtype"]])
            count = (high - low) // dtype.itemsize
            arrays[name] = (
                np.frombuffer(data, dtype, count, 8 + size + low) if count else np.zeros(0, dtype)
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"cannot read the shard {path}: {error}") from error
    return arrays


class Shards:
    """All shards of one split as one sequence of examples."""

    def __init__(self, folder: Path, split: str, siblings: bool = False) -> None:
        paths = sorted(folder.glob(f"{split}-*{SUFFIX}"))
        if not paths:
            raise DataError(
                f"{folder} has no {split}-*{SUFFIX}; prepare a dataset with `codemtl mine` "
                "or name the folder of a prepared one with --data"
            )
        self._shards = [Shard(path, siblings) for path in paths]
        self._starts = _starts([len(shard) for shard in self._shards])
        self.lengths = np.concatenate([shard.lengths for shard in self._shards])
        self.summaries = np.concatenate([shard.summaries for shard in self._shards])
        self.siblings = np.concatenate([shard.siblings for shard in self._shards])
        self.site_counts = np.concatenate([shard.site_counts for shard in self._shards])
        self.buggy = np.concatenate([shard.buggy for shard in self._shards])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Example:
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._shards[which][index - int(self._starts[which])]
