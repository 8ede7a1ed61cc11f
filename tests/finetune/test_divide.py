"""Nothing that is trained on was written after the cut, and nothing judged by was seen before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import check_leaks
import pytest
from datasets import Dataset

from codemtl.corpus import divide, join
from codemtl.corpus.build import sources_at
from codemtl.corpus.divide import Cut, build_divided, cut_of, shared_functions
from codemtl.errors import DataError

from .conftest import Work, function, module


def rows(out: Path, table: str = "functions") -> list[dict[str, Any]]:
    return Dataset.load_from_disk(str(out / table)).to_list()


def splits(out: Path) -> dict[str, set[str]]:
    """Split -> the names of its functions."""
    found: dict[str, set[str]] = {}
    for row in rows(out):
        found.setdefault(row["split"], set()).add(row["qualname"])
    return found


def name(number: int) -> str:
    return function(number).partition("(")[0].removeprefix("def ")


def test_the_newest_lines_are_for_the_test(work: Work) -> None:
    (source,) = sources_at([work.path])
    cut = cut_of(source)
    assert isinstance(cut, Cut)
    days = [date[:10] for date in cut.dates]
    assert days == ["2024-01-04", "2024-01-05", "2024-01-07"]
    assert cut.test == source.commit and cut.floor == ""
    assert cut.train == work.git("rev-parse", "HEAD~3")


def test_functions_go_to_the_split_of_their_last_change(work: Work, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    again = work.cloned(copy)
    (copy / "shop" / "moved.py").write_text((copy / "shop" / "part0.py").read_text())
    (copy / "shop" / "part0.py").unlink()
    changed = (copy / "shop" / "part1.py").read_text().replace("for item in", "for one in", 1)
    changed = changed.replace("= item.", "= one.", 1)
    again.commit("Fix a name", {"shop/part1.py": changed, "shop/late.py": module(2000, 30)})
    ((divided,), summary) = build_divided(sources_at([copy]), tmp_path / "out")
    assert (divided.by, divided.reason) == ("time", "")
    found = splits(tmp_path / "out")
    assert {name(2000 + n) for n in range(30)} <= found["test"]
    assert name(0) in found["train"], "moved, but as it was"
    assert name(101) in found["train"], "its neighbour changed, not it"
    assert summary.rejected_functions["changed later"] == 1
    assert name(100) in found["test"] and name(100) not in found["train"]
    assert not shared_functions(tmp_path / "out")
    assert summary.functions["train"] >= 40


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let earlier versions of later functions pass."""
    monkeypatch.setattr(join, "near_rows", lambda parts: {})
    monkeypatch.setattr(divide, "superseded", lambda parts: {})


def check(monkeypatch: pytest.MonkeyPatch, out: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["check_leaks.py", str(out)])
    return check_leaks.main()


def test_a_planted_leak_is_found(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "shop"
    again = work.cloned(copy)
    text = (copy / "shop" / "part1.py").read_text()
    longer = "".join(f"    print({n}, 'line', {n})\n" for n in range(40))
    text = text.replace('."""\n', '."""\n' + longer, 1)
    again.commit("Grow", {"shop/part1.py": text})
    for number in (11, 12):
        again.commit("More", {f"shop/part{number}.py": module(100 * number, 12)})
    again.commit("Change", {"shop/part1.py": text.replace("return", "yield", 1)})
    build_divided(sources_at([copy]), tmp_path / "clean")
    assert not shared_functions(tmp_path / "clean")
    assert check(monkeypatch, tmp_path / "clean") == 0
    with monkeypatch.context() as patch:
        plant(patch)
        build_divided(sources_at([copy]), tmp_path / "near")
    assert check(monkeypatch, tmp_path / "near") == 1
    fixes, functions = (rows(tmp_path / "clean", one) for one in ("fixes", "functions"))
    twice = next(row for row in functions if row["split"] == "test")
    Dataset.from_list([*functions, {**twice, "split": "train"}]).save_to_disk(
        str(tmp_path / "planted" / "functions")
    )
    table = Dataset.load_from_disk(str(tmp_path / "clean" / "fixes"))
    table.save_to_disk(str(tmp_path / "planted" / "fixes"), num_shards=1)
    assert shared_functions(tmp_path / "planted") == {("train", "test"): 1}
    assert fixes == []


def test_fixes_go_by_the_date_of_their_commit(tmp_path: Path) -> None:
    made = Work(tmp_path / "shop")
    texts = {f"part{n}.py": module(100 * n, 20) for n in range(5)}
    made.commit("Start", texts)
    wanted = {}
    for number, split in enumerate(("train", "train", "validation", "test")):
        made.commit("Grow", {f"more{number}.py": module(1000 + 100 * number, 20)})
        path = f"part{number}.py"
        texts[path] = texts[path].replace(f"[{100 * number % 7}]", f"[{100 * number % 7 + 1}]", 1)
        fix = made.commit("Fix the index of the first item", {path: texts[path]})
        wanted[fix] = split
    build_divided(sources_at([made.path]), tmp_path / "out")
    assert {row["commit"]: row["split"] for row in rows(tmp_path / "out", "fixes")} == wanted


@pytest.mark.parametrize("kind", ["folder", "one commit", "shallow"])
def test_without_a_history_files_are_divided(work: Work, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "plain"
    if kind == "shallow":
        command = ["git", "clone", "-q", "--depth", "1", f"file://{work.path}", str(folder)]
        subprocess.run(command, check=True)
        reason = "its history has 1 commits"
    else:
        made = Work(folder)
        made.commit("All", {f"part{n}.py": module(100 * n, 12) for n in range(10)})
        reason = "its history has 1 commits"
        if kind == "folder":
            subprocess.run(["rm", "-rf", str(folder / ".git")], check=True)
            reason = "it is no git repository"
    ((divided,), summary) = build_divided(sources_at([folder]), tmp_path / "out")
    assert divided.by == "file" and divided.reason.startswith(reason)
    assert summary.functions == {"train": 72, "validation": 24, "test": 24}
    assert summary.pairs["test"] > 10 and not summary.fixes


def test_a_bare_repository_and_another_one(work: Work, tmp_path: Path) -> None:
    bare = tmp_path / "bare" / "shop.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(work.path), str(bare)], check=True)
    other = Work(tmp_path / "other")
    other.commit("Start", {f"a{n}.py": module(5000 + 100 * n, 10) for n in range(6)})
    found, summary = build_divided(sources_at([bare, other.path]), tmp_path / "out")
    assert [(one.by, one.project.rpartition("/")[2]) for one in found] == [
        ("file", "other"), ("time", "shop"),
    ]  # fmt: skip
    assert summary.functions["train"] > 40


def test_a_reserved_or_empty_project_is_refused(work: Work, tmp_path: Path) -> None:
    reserved = tmp_path / "tornado"
    subprocess.run(["git", "clone", "-q", "--bare", str(work.path), str(reserved)], check=True)
    subprocess.run(["git", f"--git-dir={reserved}", "remote", "remove", "origin"], check=True)
    with pytest.raises(DataError, match="kept for benchmarks"):
        build_divided(sources_at([reserved]), tmp_path / "out")
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.py").write_text(module(0, 3))
    with pytest.raises(DataError, match="too little Python"):
        build_divided(sources_at([tmp_path / "few"]), tmp_path / "out")


def test_finished_parts_are_kept(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, calls = divide.mine_part, []

    def stop(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return mine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(divide, "mine_part", stop)
        with pytest.raises(KeyboardInterrupt):
            build_divided(sources_at([work.path]), tmp_path / "out")
    done = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("parts/*/part.json")}
    assert len(done) == 2
    first = build_divided(sources_at([work.path]), tmp_path / "out")
    assert all(file.stat().st_mtime_ns == at for file, at in done.items())
    assert first == build_divided(sources_at([work.path]), tmp_path / "fresh")
