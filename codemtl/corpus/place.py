"""The folder of a corpus: whose it is, one process at a time, and files put in place when whole.

Nothing in ``--out`` is replaced but what is plainly a table of a corpus. ``summary.json`` comes
last and goes first, so a folder that has it holds tables of one and the same build.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from codemtl.corpus.locks import alone
from codemtl.corpus.parts import MARK
from codemtl.corpus.splits import canonical_name
from codemtl.corpus.tables import DATASET_MARK, TABLES
from codemtl.corpus.trees import Source
from codemtl.errors import DataError, UsageError

SOURCES, SUMMARY, PARTS, LOCK = "sources.tsv", "summary.json", "parts", ".lock"
_WORKING = re.compile(rf"\.(corpus|{'|'.join(TABLES)})\.\d+")
_WORKING_PART = re.compile(r"\.[0-9a-f]{24}\.\d+")


def check_place(out: Path, paths: Sequence[Path], sources: Sequence[Source]) -> None:
    """Neither sources, nor a corpus of other projects, nor files of a user shall be written over.

    Raises UsageError, or DataError if the list of projects there is not of ours.
    """
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
    check_tables(out)


def check_tables(out: Path) -> None:
    """Raise UsageError if a name that a corpus needs belongs to something else in ``out``."""
    taken = [name for name in (*TABLES, SOURCES, SUMMARY) if os.path.lexists(out / name)]
    if taken and not _is_corpus(out):
        raise UsageError(
            f"--out {out} is no corpus of codemtl but has {taken[0]}, which would be replaced; "
            "name a new folder"
        )
    for name in TABLES:
        if name in taken and not (out / name / DATASET_MARK).is_file():
            raise UsageError(
                f"{out / name} is no table of a corpus, and would be replaced; move it elsewhere, "
                "or name another --out"
            )


def _is_corpus(out: Path) -> bool:
    """Whether ``out`` holds a list of projects or a finished part, which all corpora do."""
    return bool(listed_projects(out)) or any((out / PARTS).glob(f"*/{MARK}"))


def listed_projects(out: Path) -> set[str]:
    """Canonical names of the projects of the corpus in ``out``; none where there is no corpus.

    Raises DataError if the file that lists them is not of ours.
    """
    file = out / SOURCES
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return {row["project"] or "" for row in csv.DictReader(stream, delimiter="\t")}
    except OSError:
        return set()
    except (ValueError, KeyError, csv.Error) as error:
        raise DataError(f"{file} lists no corpus of codemtl; name another --out") from error


@contextmanager
def locked(out: Path) -> Iterator[Path]:
    """The folder of parts in ``out``, for this process alone; what stopped ones left is removed.

    Raises DataError if ``out`` cannot be written to, UsageError if another process mines into it.
    """
    parts = out / PARTS
    refusal = f"another process is mining into --out {out}; wait for it, or name another"
    with ExitStack() as held:
        try:
            parts.mkdir(parents=True, exist_ok=True)
            own = held.enter_context(alone(out / LOCK, refusal))
        except OSError as error:
            raise DataError(
                f"cannot write to {out}: {error.strerror}; choose another --out"
            ) from error
        if not own:  # a file system without locks: what others may be writing stays
            yield parts
            return
        _sweep(out)
        try:
            yield parts
        finally:
            _sweep(out)


def _sweep(out: Path) -> None:
    """Remove the working folders of processes that were stopped."""
    for folder, names in ((out, _WORKING), (out / PARTS, _WORKING_PART)):
        with suppress(OSError):
            for found in list(folder.iterdir()):
                if names.fullmatch(found.name) and not found.is_symlink():
                    shutil.rmtree(found, ignore_errors=True)


@contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """A folder in ``out`` to make a corpus in; it is gone afterwards, whatever happened."""
    folder = out / f".corpus.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(made: Path, out: Path) -> None:
    """Move a whole corpus from a working folder to ``out``, where only tables are replaced."""
    check_tables(out)
    (out / SUMMARY).unlink(missing_ok=True)
    for name in TABLES:
        if os.path.lexists(out / name):
            (out / name).rename(made / f"{name}.old")  # goes with the working folder
        (made / name).rename(out / name)
    (made / SOURCES).replace(out / SOURCES)
    (made / SUMMARY).replace(out / SUMMARY)
