"""Suites whose files the user has: small files in the formats of the originals."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codemtl.errors import DataError
from codemtl.evaluation.benchmarks import (
    DOCSTRINGS,
    INFILLING,
    docstring_tasks,
    docstring_text,
    infilling_tasks,
    print_code,
)
from codemtl.evaluation.infilling import indentation, placed
from codemtl.evaluation.options import Options
from codemtl.evaluation.run import run
from codemtl.inference import Predictor
from codemtl.inference.fake import FakePredictor

Use = Callable[[Predictor], None]
TASK = {
    "task_id": "T/0", "entry_point": "add", "prompt": "def add(a, b):\n    c = a\n",
    "suffix": "    return c\n", "canonical_solution": "    c += b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One task of each benchmark."""
    (tmp_path / INFILLING).write_bytes(gzip.compress(json.dumps(TASK).encode() + b"\n"))
    corpus = tmp_path / DOCSTRINGS
    corpus.mkdir()
    parts = {
        "declarations": "def double(x):",
        "declbodies": "def double(x): DCNL  DCSP y = x DCNL DCSP return (y + x)",
        "bodies": " DCSP y = x DCNL DCSP return (y + x)",
        "descriptions": "'Return twice x. DCNL And so on.'",
    }
    for name, line in parts.items():
        for split in ("valid", "test"):
            (corpus / f"data_ps.{name}.{split}").write_text(f"{line}\n" * 3)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "passed", "exact"), [("c += b", 1, 1), ("c = a + b", 1, 0), ("c -= b", 0, 0)]
)
def test_infilling_runs_the_tests(
    folder: Path, use: Use, line: str, passed: int, exact: int
) -> None:
    use(FakePredictor(generated=["return (", line]))
    done = run(Options(suites=("humaneval-infilling",), benchmarks=folder))
    found = done.results[0].metrics
    assert found["model"]["pass@1"]["value"] == passed
    assert found["model"]["exact match"]["value"] == exact
    assert found["the line `pass`"]["pass@1"]["value"] == 0
    assert found["the solution's line"]["pass@1"]["value"] == 1
    assert len(done.results[0].misses) == 1 - passed


@pytest.mark.parametrize(
    ("prompt", "suffix", "wanted"),
    [
        ("def f():\n", "    return 1\n", "    "),
        ("def f():\n    if a:\n", "", "        "),
        ("def f():\n    a = 1\n", "        b = 2\n", "    "),
        ("def f():\n    if a:\n        return 1\n", "    c = 2\n", "    "),
        ("def f():\n    while a:\n        a -= 1\n", "", "    "),
    ],
)
def test_indentation_follows_from_the_lines_around(prompt: str, suffix: str, wanted: str) -> None:
    assert indentation(prompt, suffix) == wanted


def test_a_clause_stands_further_out(folder: Path) -> None:
    (task,) = infilling_tasks(folder)
    inner = task._replace(prompt="def f():\n    if a:\n        b = 1\n", suffix="        b = 2\n")
    assert placed(inner, "else:") == "    else:\n"
    assert placed(inner, "b = 3") == "        b = 3\n"


def test_docstrings_and_bodies(folder: Path, use: Use) -> None:
    use(
        FakePredictor(
            summary="Return twice x. DCNL And so on.", generated=["y = x\nreturn (y + x)"]
        )
    )
    done = run(Options(suites=("docstring-corpus",), benchmarks=folder))
    found = done.results[0].metrics
    assert found["code to docstring"]["BLEU"]["value"] == pytest.approx(100)
    assert found["docstring to code"]["BLEU"]["value"] == pytest.approx(100)
    only = run(Options(suites=("docstring-corpus",), benchmarks=folder, tasks=("generate",)))
    assert list(only.results[0].metrics) == ["docstring to code"]


def test_code_is_printed_as_the_corpus_does() -> None:
    assert print_code("if a:\n    return 1\nb()") == (
        " DCSP if a: DCNL DCSP  DCSP return 1 DCNL DCSP b()"
    )
    assert docstring_text("'Do it. DCNL  DCSP Now.'") == "Do it. Now."


def test_files_that_are_not_what_their_name_says(folder: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        infilling_tasks(folder / "none")
    for data, fault in (
        (b"no gzip", "cannot be read"),
        (gzip.compress(b"{}\n"), "line 1, is no infilling task"),
        (gzip.compress(json.dumps(TASK).encode() + b"\n{broken"), "line 2"),
        (gzip.compress(b""), "is empty"),
    ):
        (folder / INFILLING).write_bytes(data)
        with pytest.raises(DataError, match=fault):
            infilling_tasks(folder)
    (folder / INFILLING).unlink()
    with pytest.raises(DataError, match="has no HumanEval"):
        infilling_tasks(folder)
    (folder / DOCSTRINGS / "data_ps.bodies.test").write_text("one\n")
    with pytest.raises(DataError, match="differ in length"):
        docstring_tasks(folder, "test")
