"""Reading the files of public benchmarks from the folder that the user names."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import NamedTuple

from codemtl.errors import DataError

INFILLING = "HumanEval-SingleLineInfilling.jsonl.gz"
DOCSTRINGS = "code-docstring-corpus"
_FIELDS = ("task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test")


class InfillingTask(NamedTuple):
    """One task of HumanEval's single-line infilling (Bavarian et al. 2022, arXiv:2207.14255)."""

    name: str
    entry_point: str
    prompt: str
    suffix: str
    solution: str
    test: str


class DocstringTask(NamedTuple):
    """One line of the code-docstring corpus (Barone & Sennrich 2017, arXiv:1707.02275)."""

    declaration: str
    code: str  # declaration and body
    body: str
    description: str


def infilling_tasks(folder: Path) -> list[InfillingTask]:
    """All tasks. Raises DataError if the file is missing, or is not what its name says."""
    file = _existing(folder, INFILLING)
    found = []
    try:
        text = gzip.decompress(file.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}; fetch it again") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(InfillingTask(*(str(row[name]) for name in _FIELDS)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{file}, line {number}, is no infilling task: {error}; fetch the file again"
            ) from error
    if not found:
        raise DataError(f"{file} is empty; fetch it again")
    return found


def docstring_tasks(folder: Path, split: str) -> list[DocstringTask]:
    """The canonical validation or test split, as it is printed there."""
    parts = ("declarations", "declbodies", "bodies", "descriptions")
    suffix = "valid" if split == "validation" else "test"
    columns = []
    for part in parts:
        file = _existing(folder, f"{DOCSTRINGS}/data_ps.{part}.{suffix}")
        columns.append(file.read_text("utf-8", "replace").removesuffix("\n").split("\n"))
    sizes = {len(column) for column in columns}
    if len(sizes) != 1:
        raise DataError(f"the files of {folder / DOCSTRINGS} differ in length; fetch them again")
    return [DocstringTask(*row) for row in zip(*columns, strict=True)]


def docstring_text(printed: str) -> str:
    """A description as prose: without quotes and signs for line breaks."""
    text = " ".join(re.sub(r"DC(NL|SP)", " ", printed).split())
    return text[1:-1].strip() if text[:1] in "'\"" and text[-1:] == text[:1] else text


def print_code(source: str) -> str:
    """A body as the corpus prints one: a sign for each line break and each step of indentation.

    The lines of ``source`` stand at its own first level, four spaces a step.
    """
    rows = []
    for line in source.splitlines():
        if line.strip():
            steps = (len(line) - len(line.lstrip(" "))) // 4 + 1
            rows.append(" DCSP " * steps + line.strip())
    return " DCNL".join(rows)


def _existing(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"--benchmarks {folder} is not a folder; name the one that holds {name}")
    file = folder / name
    if not file.is_file():
        raise DataError(f"--benchmarks {folder} has no {name}; put it there or leave out its suite")
    return file
