"""One project's share of a corpus, written once and kept, so that a build can be resumed.

A part is a folder with ``files.arrow``, ``functions.arrow`` and ``fixes.arrow`` (Arrow streams) and
``part.json`` (counts). It appears under its final name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from codemtl.corpus import filters, trees
from codemtl.corpus.decoding import decode, parsed
from codemtl.corpus.examples import FunctionRow, function_rows
from codemtl.corpus.exclusions import Exclusions
from codemtl.corpus.fixes import mine_fixes
from codemtl.corpus.partial_fixes import mine_partial_fixes
from codemtl.corpus.reserved import is_reserved
from codemtl.corpus.splits import Split, split_of
from codemtl.corpus.tables import FIX_ROWS, PART_FILES, PART_FIXES, PART_FUNCTIONS, StreamWriter

FORMAT = 4  # raise when the rows of a part change meaning
MARK = "part.json"  # in every complete part


@dataclass(frozen=True, slots=True)
class Share:
    """What one split gets of a project that is divided among the splits; see `divide`."""

    split: Split
    since: str = ""  # commit: files that were the same there are left out
    fixes: str = ""  # revisions, as of ``git log``, that are searched for fixes; "" for none
    first: str = ""  # commit: under a cap, files that change until then come first
    tenths: tuple[int, int] = (0, 10)  # of the files, in the order of a seeded draw


@dataclass(frozen=True)
class Settings:
    """What decides the content of a part besides its source."""

    max_bytes: int | None
    seed: int
    any_licence: bool
    exclusions: Exclusions
    history: bool = True  # look for fixes in the commits of repositories

    def key(self, source: trees.Source, share: Share | None = None) -> str:
        """Folder name of a part: changes whenever its content could."""
        facts = (FORMAT, source.project, source.kind, source.commit or source.location)
        how = (self.max_bytes, self.seed, self.any_licence, False, self.history)  # False: no tests
        more: list[object] = [] if share is None else [astuple(share)]
        state = trees.state_of(source)
        more += [state] if state else []
        text = json.dumps([facts, how, self.exclusions.checksum, *more])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass
class Part:
    """Counts of one project. ``rejected`` is the reason why the whole project was left out."""

    project: str
    commit: str
    split: str
    licence: str = ""
    rejected: str | None = None
    files: int = 0
    functions: int = 0
    fixes: int = 0  # whose message says so
    silent_fixes: int = 0  # whose message does not; training only
    partial_fixes: int = 0  # a part of what a commit that says fix changes; training only
    bytes_read: int = 0  # Python text that was looked at, kept or not
    bytes_kept: int = 0
    rejected_files: Counter[str] = field(default_factory=Counter)
    rejected_functions: Counter[str] = field(default_factory=Counter)
    walked: Counter[str] = field(default_factory=Counter)  # commits, merges, messages that say fix
    rejected_fixes: Counter[str] = field(default_factory=Counter)  # of those that say fix

    @classmethod
    def load(cls, folder: Path) -> Part:
        """Read ``part.json``."""
        values: dict[str, Any] = json.loads((folder / MARK).read_text("utf-8"))
        for name in ("rejected_files", "rejected_functions", "walked", "rejected_fixes"):
            values[name] = Counter(values[name])
        return cls(**values)


def mine_part(
    source: trees.Source,
    folder: Path,
    settings: Settings,
    share: Share | None = None,
    known: frozenset[int] = frozenset(),
) -> Part:
    """Read one project into ``folder``; a folder that exists is complete and is only loaded.

    So is one that appears meanwhile, from a process that was faster.
    ``share`` is what the part gets of a divided project; functions whose hash is ``known`` are
    left out as unchanged.
    """
    if (folder / MARK).is_file():
        return Part.load(folder)
    split = split_of(source.project) if share is None else share.split
    part = Part(source.project, source.commit, split)
    working = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    try:
        licence = trees.licence_of(source)
        part.licence = licence or ""
        if is_reserved(source.project):
            part.rejected = "reserved"
        elif licence is None and not settings.any_licence:
            part.rejected = "licence" if trees.paths_of(source) else "no functions"
        else:
            texts = _texts(source, settings, share, part)
            _write_rows(texts, working, settings, part, known)
            revisions = source.commit if share is None else share.fixes
            _write_fixes(source, working, settings, part, revisions)
            if not part.functions and not part.fixes:
                part.rejected = "no functions"
        (working / MARK).write_text(json.dumps(vars(part)), "utf-8")
        try:
            working.rename(folder)
        except OSError:
            if not (folder / MARK).is_file():
                raise
            return Part.load(folder)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return part


def _write_rows(
    texts: Iterator[tuple[str, str]],
    folder: Path,
    settings: Settings,
    part: Part,
    known: frozenset[int],
) -> None:
    rejected = part.rejected_functions
    with (
        StreamWriter(folder / "files.arrow", PART_FILES) as files,
        StreamWriter(folder / "functions.arrow", PART_FUNCTIONS) as functions,
    ):
        for path, text in texts:
            found = function_rows(
                text, part.project, path, settings.exclusions, settings.seed, rejected
            )
            rows = [row for row in found if row.hash not in known]
            if len(rows) < len(found):
                rejected["unchanged"] += len(found) - len(rows)
            if not rows:
                part.rejected_files["no functions"] += 1
                continue
            data = text.encode()
            files.add({"file": part.files, "path": path, "text": text})
            for row in rows:
                functions.add(_record(part.files, data, row))
            part.files += 1
            part.functions += len(rows)
            part.bytes_kept += len(data)


def _write_fixes(
    source: trees.Source, folder: Path, settings: Settings, part: Part, revisions: str
) -> None:
    with StreamWriter(folder / "fixes.arrow", PART_FIXES, batch_rows=FIX_ROWS) as rows:
        if source.kind != "git" or not settings.history or not revisions:
            return
        found = mine_fixes(
            source.location, revisions, part.project, settings.exclusions,
            part.walked, part.rejected_fixes, any_licence=settings.any_licence,
            silent=part.split == "train",
        )  # fmt: skip
        whole: set[str] = set()
        for row in found:
            rows.add(row)
            part.silent_fixes += row["silent"]
            part.fixes += not row["silent"]
            whole.add(row["commit"])
        if part.split != "train":
            return
        partial = mine_partial_fixes(
            source.location, revisions, part.project, settings.exclusions, whole,
            any_licence=settings.any_licence,
        )  # fmt: skip
        for row in partial:
            rows.add(row)
            part.partial_fixes += 1


def _texts(
    source: trees.Source, settings: Settings, share: Share | None, part: Part
) -> Iterator[tuple[str, str]]:
    """Paths and texts of the files that are fit, in the order of a seeded draw if capped."""
    wanted = []
    for path, handle in trees.paths_of(source) if share is None else _shared(source, share):
        reason = filters.reject_path(path)
        if reason is None:
            wanted.append((path, handle))
        else:
            part.rejected_files[reason] += 1
    if settings.max_bytes is not None:
        first = _changed(source, share.first) if share is not None and share.first else set()
        wanted.sort(key=lambda pair: (pair[0] not in first, _draw(pair[0], settings.seed)))
    kept = 0
    for number, found in enumerate(trees.read_texts(source, wanted)):
        if isinstance(found, str):
            part.rejected_files["unreadable"] += 1
            continue
        part.bytes_read += len(found.data)
        reason = filters.reject_data(found.data, any_licence=settings.any_licence)
        text = decode(found.data) if reason is None else None
        if text is None or parsed(text) is None:
            part.rejected_files[reason or "syntax"] += 1
            continue
        kept += len(found.data)
        yield found.path, text
        if settings.max_bytes is not None and kept >= settings.max_bytes:
            part.rejected_files["cap"] += len(wanted) - number - 1
            return


def _shared(source: trees.Source, share: Share) -> list[tuple[str, str]]:
    """As ``trees.paths_of``, only the files that the share holds."""
    found = trees.paths_of(source)
    if share.since:
        before = {handle for _, handle in trees.paths_of(replace(source, commit=share.since))}
        found = [pair for pair in found if pair[1] not in before]
    if share.tenths == (0, 10):
        return found
    fit = [pair for pair in found if filters.reject_path(pair[0]) is None]
    fit.sort(key=lambda pair: _draw(pair[0], 0))
    low, high = (len(fit) * tenth // 10 for tenth in share.tenths)
    return fit[low:high]


def _changed(source: trees.Source, until: str) -> set[str]:
    """The files that do not stay as they are until a later commit."""
    later = set(trees.paths_of(replace(source, commit=until)))
    return {pair[0] for pair in trees.paths_of(source) if pair not in later}


def _draw(path: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=8).digest()


def _record(file: int, data: bytes, row: FunctionRow) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(row, name) for name in FunctionRow.__slots__}
    values["cut"], values["mask"] = list(row.cut), list(row.mask)
    return {**values, "file": file, "source": data[row.start : row.end]}
