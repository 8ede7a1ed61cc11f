"""``codemtl evaluate`` as a user sees it: what it prints, and what it says of wrong input."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codemtl.corpus.build import build
from codemtl.evaluation.run import samples_folder

from ..conftest import Outcome, start

Run = Callable[..., Outcome]
MODULE = '''def join_all_{n}(parts, separator):
    """Join the parts with a separator."""
    result = ""
    for index, part in enumerate(parts):
        if index > {n}:
            result += separator
        result += str(part)
    return result
'''


def test_tables_and_json(run: Run, tmp_path: Path) -> None:
    shown = run("evaluate", "--suite", "masked-lines,summaries", "--limit", 4, "--out", tmp_path)
    assert (shown.code, shown.err) == (0, "")
    for word in ("command:", "seed:", "fake 0", "n = 4", "| retrieval", "exact match", "wrote"):
        assert word in shown.out
    assert shown.out.count(str(tmp_path)) >= 4
    machine = run("evaluate", "--task", "repair", "--limit", 2, "--format", "json")
    document = json.loads(machine.out)
    assert machine.code == 0 and list(document["suites"]) == ["real-bugs", "synthetic"]


def test_a_corpus_of_ones_own_needs_no_list(run: Run, tmp_path: Path) -> None:
    shutil.copytree(samples_folder(), tmp_path / "mine")
    for file in (tmp_path / "mine").glob("*-validation.jsonl"):
        file.unlink()
    shown = run("evaluate", tmp_path / "mine", "--suite", "real-bugs", "--limit", 3)
    assert shown.code == 0 and "real-bugs of mine" in shown.out
    options = ("--suite", "real-bugs", "--split", "test")  # of which the samples have no text
    shown = run("evaluate", "--corpus", tmp_path / "mine", *options)
    assert (shown.code, shown.err.count("\n")) == (2, 1)
    assert "freeze_benchmarks.py" in shown.err


def test_a_small_corpus_without_history(run: Run, tmp_path: Path) -> None:
    """As the README has it: no list, no --limit."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(8):
        (source / f"m{number}.py").write_text(MODULE.format(n=number))
    build([source], tmp_path / "mine", jobs=1, any_licence=True)
    shown = run("evaluate", tmp_path / "mine", "--task", "repair", "--format", "json")
    assert (shown.code, shown.err) == (0, "")
    (suite,) = json.loads(shown.out)["suites"].values()
    assert (suite["bugs"], suite["clean functions"]) == (4, 4)
    for number in range(1, 8):
        (source / f"m{number}.py").unlink()
    build([source], tmp_path / "one", jobs=1, any_licence=True)
    shown = run("evaluate", tmp_path / "one", "--task", "repair")
    assert shown.code == 2 and "come from different files" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "none"], "there is no suite 'none'; the suites are real-bugs"),
        (["--task", "none"], "there is no task 'none'"),
        (["--suite", "real-bugs", "--task", "generate"], "is about generate"),
        (["--corpus", "nowhere"], "corpus nowhere is not a folder"),
        (["--corpus", "empty"], "no table 'files'"),
        (["nowhere"], "corpus nowhere is not a folder"),
        (["empty", "--corpus", "empty"], "not both"),
        (["--split", "test"], "the samples have no test split"),
        (["--suite", "humaneval-infilling"], "needs --benchmarks DIR"),
        (["--suite", "docstring-corpus", "--benchmarks", "empty"], "has no code-docstring-corpus"),
        (["--suite", "humaneval-infilling", "--benchmarks", "nowhere"], "is not a folder"),
        (["--model", "nowhere"], "model folder nowhere does not exist"),
        (["broken"], "files.jsonl, line 2, is no JSON"),
        (["nofixes", "--suite", "real-bugs"], "no table 'fixes'"),
        (["prepared"], "is a prepared dataset"),
    ],
)
def test_wrong_input_ends_in_one_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "broken", "nofixes", "prepared"):
        Path(name).mkdir()
    Path("broken/files.jsonl").write_text('{"file_id": 0, "split": "train"}\n{oops\n')
    Path("prepared/train-00000.safetensors").write_bytes(b"")
    for name in ("files", "functions"):
        shutil.copy(samples_folder() / f"{name}.jsonl", "nofixes")
    outcome = run("evaluate", *arguments)
    assert outcome.code == 2
    assert message in outcome.err and outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "summaries", "--benchmarks", "b"], "--benchmarks has no effect on summaries"),
        (["--task", "repair", "--benchmarks", "b"], "no effect on real-bugs, synthetic"),
        (
            ["--suite", "docstring-corpus", "--benchmarks", "b", "--repositories", "b"],
            "--repositories has no effect",
        ),
        (["--suite", "synthetic", "--same-time"], "--same-time has no effect on synthetic"),
        (["--task", "generate", "--uniform"], "--uniform has no effect on masked-lines"),
        (["--suite", "real-bugs", "--uniform"], "--uniform has no effect"),
        (["--suite", "synthetic", "--one-edit"], "--one-edit has no effect on synthetic"),
        (["b", "--split", "test"], "of DATA all is asked"),
        (["b", "--suite", "docstring-corpus", "--benchmarks", "b"], "DATA has no effect"),
        (["--corpus", "b", "--suite", "docstring-corpus", "--benchmarks", "b"], "--corpus has no"),
        (
            ["--split", "test", "--suite", "humaneval-infilling", "--benchmarks", "b"],
            "--split has no effect on humaneval-infilling",
        ),
        (["--suite", "real-bugs,summaries", "--task", "repair"], "suite summaries is not about"),
        (["--suite", "summaries", "--task", "repair,summarize"], "is about repair; leave it out"),
        (["--suite", ","], "--suite must name something"),
        (["--task", ""], "--task must name something"),
    ],
)
def test_an_option_without_effect_is_told(run: Run, arguments: list[str], message: str) -> None:
    outcome = run("evaluate", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err and outcome.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_told_of_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise AssertionError("it was measured")

    monkeypatch.setattr("codemtl.evaluation.run.run", never)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "inner"):
        outcome = run("evaluate", "--out", out)
        assert (outcome.code, outcome.out) == (2, "")
        assert f"cannot write to {out}: Not a directory; choose another --out" in outcome.err


def test_what_was_measured_is_told_where_the_disk_is_full(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("codemtl.evaluation.pages.write_atomic", full)
    arguments = ("evaluate", "--suite", "synthetic", "--limit", "2", "--format", "json")
    outcome = run(*arguments, "--out", tmp_path)
    assert outcome.code == 2 and outcome.err.endswith("left on device; choose another --out\n")
    assert json.loads(outcome.out)["suites"]["synthetic"]["bugs"] == 2


def test_an_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    code = (
        "import time\nold = FakePredictor.repair\n"
        "FakePredictor.repair = lambda *a: (print('busy', flush=True), time.sleep(30))"
    )
    process = start(code, "evaluate", "--suite", "real-bugs", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == b"busy\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err
