"""The benchmark of real bugs, on a made-up repository and with a stand-in for the tool."""

from __future__ import annotations

import dataclasses
import difflib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.append(str(SCRIPTS))

import bench_real_bugs as bench  # noqa: E402
import freeze_real_bugs as freeze  # noqa: E402

from codemtl.corpus.reserved import is_reserved  # noqa: E402
from codemtl.corpus.trees import find_sources  # noqa: E402

BUGGY = (
    "def last(items, n):\n    # the tail\n    return items[-n - 1:]\n\n\ndef one():\n    return 1\n"
)
FIXED = BUGGY.replace("-n - 1", "-n").replace("the tail", "its tail")
TEST = "import sys\n\nsys.path.insert(0, '.')\nimport tail\n\n"
OLD_TEST = TEST + "sys.exit(tail.one() != 1)\n"
NEW_TEST = TEST + "sys.exit(tail.last([1, 2, 3], 2) != [2, 3])\n"
COMMAND = "python tests/test_tail.py"


@pytest.fixture
def bug(tmp_path: Path) -> bench.Bug:
    """A repository ``folder/owner+tail/repo`` whose second commit repairs, and its list."""
    work = tmp_path / "work"
    (work / "tests").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    names = []
    for message, code, test in (
        ("Begin", BUGGY, OLD_TEST),
        ("Fix the last items", FIXED, NEW_TEST),
    ):
        (work / "tail.py").write_text(code)
        (work / "tests" / "test_tail.py").write_text(test)
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", message)
        names.append(git(work, "rev-parse", "HEAD").strip())
    bare = tmp_path / "folder" / "owner+tail" / "repo"
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    git(bare, "remote", "remove", "origin")
    found = bench.Bug(
        "owner/tail", "none", names[1], names[0], "tail.py", "last", ["tests/test_tail.py"],
        COMMAND, [],
    )  # fmt: skip
    write_list(tmp_path, found)
    return found


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def write_list(folder: Path, bug: bench.Bug) -> None:
    (folder / "list.jsonl").write_text(json.dumps(dataclasses.asdict(bug)) + "\n")


def call(folder: Path, monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    arguments = [str(folder / "folder"), "--list", str(folder / "list.jsonl"), *flags]
    monkeypatch.setattr(sys, "argv", ["bench_real_bugs.py", *arguments])
    return bench.main()


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A stand-in for ``codemtl``: a program that gets its arguments in its working folder."""
    (folder / "tool.py").write_text("import json, pathlib, sys\n" + code)
    monkeypatch.setattr(bench, "TOOL", [sys.executable, str(folder / "tool.py")])


def answer(replacement: str) -> str:
    """Code of a tool that finds a patch: the file with another slice."""
    after = BUGGY.replace("-n - 1:", replacement)
    lines = difflib.unified_diff(
        BUGGY.splitlines(True), after.splitlines(True), "a/tail.py", "b/tail.py"
    )
    patch = {"status": "fixed", "diff": "".join(lines), "message": None, "candidates_tried": 7,
             "seconds": 1.25}  # fmt: skip
    return f"print(json.dumps({{'files': [{{'patch': json.loads({json.dumps(patch)!r})}}]}}))\n"


def test_check_only(
    bug: bench.Bug,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(tmp_path, monkeypatch, "--check-only") == 0
    out = capsys.readouterr().out
    assert f"| owner/tail | none | {bug.commit[:10]} | `last` | +2 -2 | fails | passes |" in out
    assert "1 of 1" in out and "sample size: 1" in out
    assert "-    return items[-n - 1:]\n" in out and "+    return items[-n:]\n" in out


@pytest.mark.parametrize(
    ("replacement", "row"),
    [("-n:", "| yes | passes |"), ("len(items) - n:", "| no | passes |"), ("n:", "| no | fails |")],
)
def test_what_the_tool_finds_is_judged(
    bug: bench.Bug,
    replacement: str,
    row: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool(tmp_path, monkeypatch, answer(replacement))
    assert call(tmp_path, monkeypatch) == 0
    out = capsys.readouterr().out
    assert f"| +2 -2 | fixed | 7 | 1.2 {row}" in out
    assert f"+    return items[{replacement}]" in out
    assert "changed a file" not in out


def test_the_tool_gets_file_command_and_budget(
    bug: bench.Bug,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool(tmp_path, monkeypatch, "sys.exit(' '.join(sys.argv[1:]))\n")
    assert call(tmp_path, monkeypatch, "--time-budget", "9s", "--python", "/usr/bin/env") == 1
    assert "| unfit: " in capsys.readouterr().out  # env runs no Python: the tests cannot run
    assert call(tmp_path, monkeypatch, "--time-budget", "9s") == 0
    out = capsys.readouterr().out
    words = f"repair tail.py --test {sys.executable} tests/test_tail.py --time-budget 9s"
    assert f"{words} --format json" in out
    assert "| error | 0 |" in out and "fixed 0" in out


def test_a_tool_that_writes_is_told_on(
    bug: bench.Bug,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool(tmp_path, monkeypatch, "pathlib.Path('new.py').write_text('')\nprint('[]')\n")
    assert call(tmp_path, monkeypatch) == 0
    assert "The run changed a file of the tree." in capsys.readouterr().out


def test_unfit_bugs_and_missing_repositories(
    bug: bench.Bug,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_list(tmp_path, dataclasses.replace(bug, tests=[]))  # the old test sees no bug
    assert call(tmp_path, monkeypatch) == 1
    assert "unfit: passes before, passes after the repair" in capsys.readouterr().out
    write_list(tmp_path, dataclasses.replace(bug, project="owner/other"))
    assert call(tmp_path, monkeypatch, "--check-only") == 1
    assert "unfit: no repository of owner/other" in capsys.readouterr().out


def test_a_command_that_hangs_is_stopped(tmp_path: Path) -> None:
    outcome = bench.run([sys.executable, "-c", "while True: pass"], tmp_path, 0.2)
    assert outcome.word == "timeout" and outcome.seconds < 20


def test_freezing_walks_to_the_repair(
    bug: bench.Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze, "_command", lambda path, tests: f"python {tests[0]}")
    monkeypatch.setitem(freeze.PROJECTS, bug.project, [])
    (source,) = find_sources(tmp_path / "folder")
    walked: Counter[str] = Counter()
    walk = freeze._bugs(bug.project, "none", source, sys.executable, walked, Counter())
    assert list(walk) == [bug]
    assert walked["run"] == 1


def test_the_frozen_list_keeps_its_rule() -> None:
    bugs = bench.read_list(bench.LIST)
    assert len(bugs) == freeze.WANTED
    assert max(Counter(bug.project for bug in bugs).values()) <= freeze.ROUNDS
    assert not any(is_reserved(bug.project) or bug.split == "train" for bug in bugs)
    assert all(bug.project in freeze.PROJECTS for bug in bugs)
