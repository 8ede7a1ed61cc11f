"""The check of a corpus for functions that splits share: silent on what the builder wrote, and loud
where a copy slipped in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import check_leaks
import pytest

from codemtl.corpus import join
from codemtl.corpus.build import build
from codemtl.corpus.splits import split_of

MIT = "Permission is hereby granted, free of charge, to any person"


def function(name: str, words: str) -> str:
    body = "".join(f"    {word} = {name}[{n}] + items.pop()\n" for n, word in enumerate(words))
    return f"def {name}(items):\n{body}    return items\n\n\n"


@pytest.fixture
def trees(tmp_path: Path) -> list[Path]:
    """A test and a training project; ``shared`` differs by one name."""
    folders = []
    for split, words in (("test", "abcdefghijk"), ("train", "abcdefghijz")):
        name = next(f"proj{n}" for n in range(200) if split_of(f"proj{n}") == split)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "LICENSE").write_text(MIT)
        (folder / "a.py").write_text(function("shared", words) + function(f"own_{split}", "xy"))
        folders.append(folder)
    return folders


def check(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["check_leaks.py", *arguments])
    return check_leaks.main()


def test_the_builder_leaves_near_duplicates_out(
    trees: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary = build(trees, tmp_path / "out", jobs=1)
    assert summary.rejected_functions == {"near-duplicate of another split": 1}
    assert summary.functions == {"test": 2, "train": 1}
    assert check(monkeypatch, str(tmp_path / "out")) == 0
    assert check(monkeypatch, str(tmp_path / "out"), "--plant") == 0
    out = capsys.readouterr().out
    assert "functions 0, fixes 0" in out and "planted: found, 0." in out


def test_a_leak_is_found(
    trees: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(join, "near_rows", lambda _: {})
    build(trees, tmp_path / "out", jobs=1)
    assert check(monkeypatch, str(tmp_path / "out")) == 1
    out = capsys.readouterr().out
    assert "functions 1, fixes 0" in out
    assert "::shared" in out
    assert check(monkeypatch, str(tmp_path / "out"), "--threshold", "0.99") == 0
