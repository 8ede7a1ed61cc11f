"""What a person is given to judge: mined fixes as diffs, and docstring pairs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sample_fixes

from codemtl.corpus.build import build
from codemtl.corpus.splits import split_of

MIT = "Permission is hereby granted, free of charge, to any person"
BROKEN = """import math


def radius(area, scale):
    \"\"\"Return the radius of a circle by its area.\"\"\"
    if area > scale:
        raise ValueError(area)
    return math.sqrt(area / math.pi) * scale
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A training project with two fixes in its history, one of one place and one of two."""
    name = next(f"proj{number}" for number in range(200) if split_of(f"proj{number}") == "train")
    work = tmp_path / name
    work.mkdir()
    run = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*run, "init", "-q"], check=True)
    signed = BROKEN.replace("area >", "area <")
    for message, text in (
        ("Add the radius", BROKEN),
        ("Fix the sign: wrong circles were refused", signed),
        ("Fix the error", signed.replace("(area)", "(scale)").replace("sqrt(area", "cbrt(scale")),
    ):
        (work / "LICENSE").write_text(MIT)
        (work / "circle.py").write_text(text)
        subprocess.run([*run, "add", "-A"], check=True)
        subprocess.run([*run, "commit", "-q", "-m", message], check=True)
    build([work], tmp_path / "out", jobs=1)
    return tmp_path / "out"


def printed(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["sample_fixes.py", "--corpus", str(corpus), *more])
    code = sample_fixes.main()
    return code, capsys.readouterr().out


def test_fixes_are_printed_as_diffs(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = printed(corpus, monkeypatch, capsys, "--count", "100")
    assert code == 0
    assert "2 of 2 rows of train" in text
    assert "message: Fix the sign: wrong circles were refused" in text
    assert "function: circle.py::radius\nkind: comparison\nedit: '>' -> '<'" in text
    assert "@@ -3,6 +3,6 @@" in text
    assert "\n-    if area > scale:\n+    if area < scale:\n" in text


def test_parts_of_fixes_are_printed_as_diffs(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = printed(corpus, monkeypatch, capsys, "--parts")
    assert code == 0
    assert "parts of the first of 1 fixes of several places" in text
    assert "message: Fix the error\nfunction: circle.py::radius\nkind: variable-misuse" in text
    assert "\n-        raise ValueError(area)\n+        raise ValueError(scale)\n" in text
    assert "Fix the sign" not in text, "it changes one place"


def test_pairs_are_printed_with_their_function(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = printed(corpus, monkeypatch, capsys, "--pairs")
    assert code == 0
    assert "summary: Return the radius of a circle by its area.\ndef radius(area, scale):" in text


def test_a_split_without_rows(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(corpus, monkeypatch, capsys, "--split", "test")[0] == 1
