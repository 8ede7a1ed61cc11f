"""Edits touch nothing but their span, and git takes the diffs."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from codemtl.errors import EditError
from codemtl.syntax.edits import Edit, apply, unified_diff


def test_apply_in_any_order() -> None:
    edits = [Edit(4, 5, "Z"), Edit(0, 1, "long "), Edit(2, 2, "+")]
    assert apply(b"abcdef", edits) == b"long b+cdZf"


def test_adjacent_edits_do_not_overlap() -> None:
    assert apply(b"abc", [Edit(0, 1, "X"), Edit(1, 2, "Y")]) == b"XYc"


def test_no_edits() -> None:
    assert apply(b"abc", []) == b"abc"


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([Edit(0, 2, ""), Edit(1, 3, "")], "overlap"),
        ([Edit(1, 1, "a"), Edit(1, 1, "b")], "overlap"),
        ([Edit(1, 2, "a"), Edit(1, 2, "b")], "overlap"),
        ([Edit(2, 9, "")], "outside the text of 3 bytes"),
        ([Edit(-1, 1, "")], "outside"),
        ([Edit(2, 1, "")], "outside"),
        ([Edit(0, 1, "\ud800")], "not valid text"),
    ],
)
def test_refused(edits: list[Edit], message: str) -> None:
    with pytest.raises(EditError, match=message):
        apply(b"abc", edits)


def _git_apply(folder: Path, path: str, old: bytes, diff: str) -> bytes:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(old)
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"],
        cwd=folder, input=diff.encode(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode() + diff
    return file.read_bytes()


PAIRS = [
    ("a\nb\nc\n", "a\nB\nc\n"),
    ("a\nb", "a\nB"),  # no newline at the end of either
    ("a\nb", "a\nb\n"),
    ("a\nb\n", "a\nb"),
    ("a\r\nb\r\nc\r\n", "a\r\nB\r\nc\r\n"),
    ("a\rb\nc\n", "a\rb\nC\n"),  # a lone carriage return is no end of line for git
    ("a\x0cb\x1c\u2028\x85c\nd\n", "a\x0cb\x1c\u2028\x85c\nD\n"),
    ("", "a\n"),
    ("a\n", ""),
    ("😀\n" * 3, "😀\n😁\n😀\n"),
    ("".join(f"{i}\n" for i in range(60)), "".join(f"{i % 50 + i // 7}\n" for i in range(60))),
    ("x\n" * 40, "x\n" * 39),
    ("x\n" * 40, "x\n" * 43),
    ("a\nb\nc\nd\ne\nf\ng\n", "a\nB\nc\nd\ne\nF\ng\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_git_applies_the_diff(tmp_path: Path, old: str, new: str) -> None:
    diff = unified_diff("pkg/a.py", old, new)
    assert _git_apply(tmp_path, "pkg/a.py", old.encode(), diff) == new.encode()


@pytest.mark.parametrize(
    "path", ["with space.py", "tab\there.py", 'quo"te.py', "back\\slash.py", "é/ü.py", "nl\n.py"]
)
def test_git_applies_to_odd_names(tmp_path: Path, path: str) -> None:
    diff = unified_diff(path, "a\n", "b\n")
    assert _git_apply(tmp_path, path, b"a\n", diff) == b"b\n"


@pytest.mark.parametrize("seed", range(60))
def test_git_applies_any_diff(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    pieces = ["a\n", "b\n", "\n", "c\r\n", "é\n", "d"]
    before = generator.choices(pieces, k=generator.randrange(1, 30))
    after = list(before)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(after) + 1)
        after[at : at + generator.randrange(3)] = generator.choices(
            pieces, k=generator.randrange(3)
        )
    old, new = "".join(before), "".join(after) + "end"
    diff = unified_diff("a.py", old, new)
    assert _git_apply(tmp_path, "a.py", old.encode(), diff) == new.encode()


def test_no_difference() -> None:
    assert unified_diff("a.py", "a\r\n", "a\r\n") == ""


def test_diff_shows_three_lines_around() -> None:
    old = "".join(f"line {i}\n" for i in range(20))
    assert unified_diff("a.py", old, old.replace("line 9\n", "LINE\n")) == (
        "--- a/a.py\n+++ b/a.py\n@@ -7,7 +7,7 @@\n line 6\n line 7\n line 8\n"
        "-line 9\n+LINE\n line 10\n line 11\n line 12\n"
    )


def test_diff_of_a_long_file_is_quick() -> None:
    old = "\n" * 300_000 + "x = 1\n" + "\n" * 300_000
    assert unified_diff("a.py", old, old.replace("1", "2")).count("\n") == 11
