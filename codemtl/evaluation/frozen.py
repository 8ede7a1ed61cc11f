"""Frozen lists: which cases a suite has, as pointers without text, with checksums.

A list is a file of JSON lines, ``SUITE-SPLIT.jsonl``, in random order, so that its first N lines
are a sample. ``SHA256SUMS`` beside it holds the checksums (``sha256sum -c`` reads it too). A case
names project, commit and path, and the digest of the text it means, so that it stays the same
whatever becomes of the code that chose it:

    real bug    {"project": "a/b", "commit": "0f3…", "parent": "77a…", "path": "c.py",
                 "qualname": "f", "kind": "comparison", "hash_before": -31, "hash_after": 75,
                 "digest": "9ae…"}
    made bug    {"project": …, "commit": …, "path": …, "digest": "9ae…", "start": 12,
                 "qualname": "f", "kind": "comparison", "seed": 7,
                 "bug": [40, 41, ">="], "fix": [40, 42, "<"]}
    clean file  {"project": …, "commit": …, "path": "d.py", "digest": "77c…", "starts": [0, 95]}
    function    {"project": …, "commit": …, "path": …, "digest": …, "start": 12, "qualname": "f",
                 "hash": 75, "mask": null or [40, 52], "check": "2f1…"}

``digest`` is of the file (of a real bug: of file, before and after), ``check`` of the summary or of
the masked line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codemtl.errors import DataError
from codemtl.evaluation.corpus import read_lines

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class FixPointer:
    """One real fix; ``digest`` as of `fix_digest`."""

    project: str
    commit: str
    parent: str
    path: str
    qualname: str
    kind: str
    hash_before: int
    hash_after: int
    digest: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """By what it is found in the table of fixes."""
        return self.project, self.commit, self.path, self.qualname, self.hash_before


@dataclass(frozen=True, slots=True)
class MadeBug:
    """One mutated function. ``start`` is the byte of its ``def`` before the mutation."""

    project: str
    commit: str
    path: str
    digest: str
    start: int
    qualname: str
    kind: str
    seed: int
    bug: tuple[int, int, str]  # start, end, replacement, in the file as it is
    fix: tuple[int, int, str]  # the same, in the mutated file


@dataclass(frozen=True, slots=True)
class CleanFile:
    """An untouched file, of which the functions that start at ``starts`` count."""

    project: str
    commit: str
    path: str
    digest: str
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FunctionPointer:
    """One function, and the span of the line in its file that is masked, if one is."""

    project: str
    commit: str
    path: str
    digest: str
    start: int
    qualname: str
    hash: int
    mask: tuple[int, int] | None
    check: str


Pointer = FixPointer | MadeBug | CleanFile | FunctionPointer


@dataclass(frozen=True, slots=True)
class FrozenList:
    """The cases of a suite in one split."""

    name: str  # of the file
    sha256: str
    pointers: Sequence[Pointer]


def list_name(suite: str, split: str) -> str:
    """The file name of a frozen list."""
    return f"{suite}-{split}.jsonl"


def write_list(folder: Path, name: str, pointers: Iterable[Pointer]) -> FrozenList:
    """Write a list and its checksum, each in one step."""
    found = freeze_list(name, pointers)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / name, _encode(found.pointers))
    sums = {**_sums(folder), name: found.sha256}
    text = "".join(f"{value}  {key}\n" for key, value in sorted(sums.items()))
    _replace(folder / SUMS, text.encode())
    return found


def freeze_list(name: str, pointers: Iterable[Pointer]) -> FrozenList:
    """A list that stays in memory, with the checksum that its file would have."""
    kept = list(pointers)
    return FrozenList(name, hashlib.sha256(_encode(kept)).hexdigest(), kept)


def read_list(folder: Path, name: str) -> FrozenList:
    """A list from its folder. Raises DataError if it is missing, broken or not as it was frozen."""
    file = folder / name
    if not file.is_file():
        raise DataError(
            f"there is no frozen list {file}; make it by"
            " `python scripts/freeze_benchmarks.py CORPUS --out DIR`"
        )
    known = _sums(folder).get(name)
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if known != found:
        fault = f"is listed with {known[:12]}…" if known else "is not listed"
        raise DataError(
            f"{file} is not what was frozen: its SHA-256 is {found[:12]}…, but it {fault} in"
            f" {SUMS}; restore both files"
        )
    try:
        return FrozenList(name, found, [_pointer(row) for row in read_lines(file)])
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{file} holds a line that is no case: {error}") from error


def fix_digest(file: str, before: str, after: str) -> str:
    """By what a real fix is known again."""
    parts = b"\0".join(text.encode("utf-8", "surrogatepass") for text in (file, before, after))
    return hashlib.blake2b(parts, digest_size=8).hexdigest()


def _pointer(row: dict[str, Any]) -> Pointer:
    if "starts" in row:
        return CleanFile(**{**row, "starts": tuple(row["starts"])})
    if "fix" in row:
        return MadeBug(**{**row, "bug": tuple(row["bug"]), "fix": tuple(row["fix"])})
    if "mask" in row:
        mask = row["mask"]
        return FunctionPointer(**{**row, "mask": None if mask is None else tuple(mask)})
    return FixPointer(**row)


def _encode(pointers: Sequence[Pointer]) -> bytes:
    return "".join(json.dumps(asdict(one)) + "\n" for one in pointers).encode()


def _sums(folder: Path) -> dict[str, str]:
    file = folder / SUMS
    if not file.is_file():
        return {}
    pairs = (line.split(maxsplit=1) for line in file.read_text("utf-8").splitlines())
    return {pair[1].strip(): pair[0] for pair in pairs if len(pair) == 2}


def _replace(file: Path, data: bytes) -> None:
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, file)
