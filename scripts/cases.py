"""Frozen cases of the synthetic benchmark: single bugs and clean files of held-out projects.

A case is a pointer (project, commit, path, function) and, for a bug, the edit that made it and the
one that undoes it, so a case stays the same whatever becomes of the code that sampled it. The
list is written once as JSON lines, and its SHA-256 is printed with every result:

    {"project": "a/b", "commit": "0f3…", "path": "c.py", "digest": "9ae…", "start": 12,
     "qualname": "f", "kind": "comparison", "seed": 7, "bug": [40, 41, ">="], "fix": [40, 42, "<"]}
    {"project": "a/b", "commit": "0f3…", "path": "d.py", "digest": "77c…", "starts": [0, 95]}
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_from_disk

from codemtl.corpus.synthetic import Mutation, mutate, sample_bug
from codemtl.syntax.definitions import Definition, functions
from codemtl.syntax.edits import Edit, apply
from codemtl.syntax.scopes import Scopes, analyze
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree, parse

Draw = Callable[[SourceTree, Definition, Scopes, np.random.Generator], Mutation | None]


@dataclass(frozen=True, slots=True)
class Bug:
    """One mutated function. ``start`` is the byte offset of its ``def`` before the mutation."""

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
class Cases:
    """A frozen list; ``bugs`` and ``clean`` come from different files."""

    bugs: list[Bug]
    clean: list[CleanFile]
    checksum: str

    @property
    def clean_functions(self) -> int:
        return sum(len(file.starts) for file in self.clean)


class Corpus:
    """Files of one split of a mined corpus by project and path."""

    def __init__(self, folder: Path, split: str) -> None:
        self.files: Dataset = load_from_disk(str(folder / "files"))
        self.functions: Dataset = load_from_disk(str(folder / "functions"))
        columns = self.files.select_columns(["split", "project", "path", "file_id"])
        self.rows: dict[tuple[str, str], int] = {}
        self.row_of: dict[int, int] = {}  # file_id -> row
        for row, one in enumerate(columns):
            if one["split"] == split:
                self.rows[one["project"], one["path"]] = row
                self.row_of[one["file_id"]] = row
        self.split = split

    def starts(self) -> dict[int, list[int]]:
        """Row of each file -> where its functions start; duplicates in other files left out."""
        found: dict[int, list[int]] = {}
        columns = self.functions.select_columns(["split", "file_id", "start"])
        for batch in columns.iter(10_000):
            for split, file, start in zip(*batch.values(), strict=True):
                if split == self.split:
                    found.setdefault(self.row_of[file], []).append(start)
        return found

    def text(self, case: Bug | CleanFile) -> bytes:
        """The file of a case, as it is in the corpus."""
        row = self.rows.get((case.project, case.path))
        data = b"" if row is None else self.files[row]["text"].encode()
        if _digest(data) != case.digest:
            raise SystemExit(
                f"{case.project}/{case.path} is missing or another version than the frozen one of "
                f"commit {case.commit}: build the corpus from that commit, or freeze new cases"
            )
        return data


def load_cases(
    corpus: Corpus, file: Path, bugs: int, clean: int, seed: int, uniform: bool = False
) -> Cases:
    """The frozen list in ``file``; it is sampled and written if there is none yet.

    Bugs are drawn by plausibility, or ``uniform`` over sites and what could stand there.
    """
    if not file.exists():
        draw = uniform_bug if uniform else sample_bug
        rows: list[Bug | CleanFile] = [*_sample(corpus, bugs, clean, seed, draw)]
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(file.name + ".partial")
        partial.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), "utf-8")
        os.replace(partial, file)
    data = file.read_bytes()
    found: tuple[list[Bug], list[CleanFile]] = ([], [])
    for line in data.decode().splitlines():
        row = json.loads(line)
        if "starts" in row:
            found[1].append(CleanFile(**{**row, "starts": tuple(row["starts"])}))
        else:
            found[0].append(Bug(**{**row, "bug": tuple(row["bug"]), "fix": tuple(row["fix"])}))
    if len(found[0]) != bugs or sum(len(one.starts) for one in found[1]) != clean:
        raise SystemExit(f"{file} holds other numbers of cases; name another file by --cases")
    return Cases(*found, hashlib.sha256(data).hexdigest())


def uniform_bug(
    tree: SourceTree, definition: Definition, scopes: Scopes, rng: np.random.Generator
) -> Mutation | None:
    """Any edit at any site, however unlikely that somebody makes that mistake."""
    found = enumerate_sites(tree, definition.node, scopes)
    sites = [
        (site, list(site.options) or [n for n in found.groups[site.candidates] if n != site.state])
        for site in found.sites
        if not site.alone
    ]
    sites = [(site, choices) for site, choices in sites if choices]
    if not sites:
        return None
    site, choices = sites[int(rng.integers(len(sites)))]
    return mutate(tree, site, choices[int(rng.integers(len(choices)))])


def _sample(
    corpus: Corpus, bugs: int, clean: int, seed: int, draw: Draw
) -> Iterator[Bug | CleanFile]:
    rng = np.random.default_rng(seed)
    starts = corpus.starts()
    order = rng.permutation(sorted(starts)).tolist()
    while clean > 0:
        if not order:
            raise SystemExit(f"the {corpus.split} split is too small for so many cases")
        row = order.pop()
        taken = starts[row][:clean]
        clean -= len(taken)
        yield CleanFile(*_pointer(corpus, row), tuple(taken))
    pool = [(row, start) for row in order for start in starts[row]]
    for index in rng.permutation(len(pool)).tolist():
        if not bugs:
            return
        row, start = pool[index]
        case = _bug(corpus, row, start, int(rng.integers(2**31)), draw)
        if case is not None:
            bugs -= 1
            yield case
    raise SystemExit(f"the {corpus.split} split has too few functions for so many bugs")


def _bug(corpus: Corpus, row: int, start: int, seed: int, draw: Draw) -> Bug | None:
    """One random bug in one function, or None where nothing can be broken."""
    tree = parse(corpus.files[row]["text"].encode())
    definition = function_at(tree, start)
    found = draw(tree, definition, analyze(tree), np.random.default_rng(seed))
    if found is None:
        return None
    low, high, replacement = difference(tree.data, found.mutated)
    fix = (found.fix.start, found.fix.end, found.fix.replacement)
    return Bug(
        *_pointer(corpus, row), start, definition.qualname, found.kind, seed,
        (low, high, replacement), fix,
    )  # fmt: skip


def difference(old: bytes, new: bytes) -> tuple[int, int, str]:
    """The shortest edit from ``old`` to ``new`` that cuts no character."""
    head = _common(old, new)
    while head and _inside(old, head):
        head -= 1
    tail = _common(old[head:][::-1], new[head:][::-1])
    while tail and _inside(old, len(old) - tail):
        tail -= 1
    return head, len(old) - tail, new[head : len(new) - tail].decode()


def _common(one: bytes, two: bytes) -> int:
    """How many bytes at the start are equal."""
    size = min(len(one), len(two))
    differ = np.frombuffer(one, np.uint8, size) != np.frombuffer(two, np.uint8, size)
    return int(differ.argmax()) if differ.any() else size


def _inside(data: bytes, offset: int) -> bool:
    return offset < len(data) and data[offset] & 0xC0 == 0x80


def _pointer(corpus: Corpus, row: int) -> tuple[str, str, str, str]:
    one: dict[str, Any] = corpus.files[row]
    return one["project"], one["commit"], one["path"], _digest(one["text"].encode())


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def mutated(data: bytes, case: Bug) -> bytes:
    """The file with the bug in it."""
    return apply(data, [Edit(*case.bug)])


def function_at(tree: SourceTree, start: int) -> Definition:
    """The function whose ``def`` starts at a byte offset."""
    return next(one for one in functions(tree) if one.node.start_byte == start)
