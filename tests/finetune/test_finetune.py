"""``codemtl finetune`` as a user sees it: once from end to end, stopped and gone on with."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from codemtl.cli import app
from codemtl.corpus.build import sources_at
from codemtl.corpus.divide import build_divided
from codemtl.corpus.trees import Source
from codemtl.errors import DataError, ModelError, UsageError
from codemtl.evaluation.corpus import Corpus
from codemtl.finetune.cases import line_cases, repair_blocks, summary_cases
from codemtl.finetune.comparison import compare, notes
from codemtl.finetune.measuring import _until
from codemtl.finetune.run import _Stages
from codemtl.finetune.state import State
from codemtl.inference import load_predictor
from codemtl.model.folder import read_config
from codemtl.training import tuning
from codemtl.training.loop import MicroBatch, Trainer

from .conftest import Work, module

Result = tuple[int, str, str]


def finetune(*arguments: object) -> Result:
    """Exit code, output, complaints."""
    done = CliRunner().invoke(app, ["finetune", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.slow
def test_stopped_and_gone_on_with(
    work: Work, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    asked = (work.path, "--model", untrained, "--time-budget", "2s", "--out")
    monkeypatch.setattr(tuning, "_CHECKPOINT", 0.0)
    monkeypatch.setattr(tuning, "_MEASURED", 1)
    step = Trainer.train_step

    def interrupted(self: Trainer, window: list[MicroBatch]) -> dict[str, float]:
        if self.step == 2 and (out / "checkpoints" / "step-0000002").exists():
            raise KeyboardInterrupt
        return step(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        stopped = CliRunner().invoke(app, ["finetune", *map(str, asked), str(out)])
    assert stopped.exit_code == 130
    assert f"call it again with --out {out} to go on" in stopped.stderr
    state = json.loads((out / "finetune" / "state.json").read_text())
    broken_off = state["broken_off"]["training"]
    assert broken_off > 0
    whole = tmp_path / "whole"
    shutil.copytree(out, whole)
    shutil.rmtree(whole / "checkpoints")

    code, text, complaints = finetune(*asked, out)
    assert (code, complaints) == (0, "")
    shown = ("trained on its code of 2024-01-04", "before", "docstring BLEU", "masked line")
    for words in (*shown, "at 5% false positives", f"use it by --model {out}"):
        assert words in text, text
    code, machine, _ = finetune(*asked, out, "--format", "json")
    document = json.loads(machine)
    assert code == 0 and document == json.loads((out / "finetune.json").read_text())
    assert document["training"]["steps"] == tuning.LEAST_STEPS
    assert document["seconds"]["training"] > broken_off
    assert document["training"]["expected_seconds"] > 0
    (note,) = (one for one in document["notes"] if "longer than the budget of 2 s: mining" in one)
    assert f"({tuning.LEAST_STEPS} steps)" in note
    assert not (out / "checkpoints").exists()
    figures = {one["measure"]: one for one in document["figures"]}
    assert figures["made bugs located, known to be there"]["n"] >= 5
    assert read_config(out)["name"] == "untrained-finetuned"
    assert load_predictor(out).name == "untrained-finetuned"

    assert finetune(*asked, whole)[0] == 0
    assert (whole / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()

    code, _, complaints = finetune(tmp_path, "--model", untrained, "--out", out)
    assert code == 2 and "on other code" in complaints


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "is not a folder"),
        (["few", "--time-budget", "soon"], "must be a duration"),
        (["few", "--model", "nowhere"], "model folder nowhere does not exist"),
        (["few", "--out", "few"], "exists and holds no fine-tuning"),
        (["few"], "too little Python to learn from"),
        (["tornado"], "kept for benchmarks"),
    ],
)
def test_wrong_input_ends_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("few", "tornado"):
        Path(name).mkdir()
        Path(name, "a.py").write_text(module(0, 3))
    code, _, complaints = finetune(*arguments)
    assert code == 2
    assert message in complaints and complaints.count("\n") == 1, complaints


def test_cases_are_of_the_later_functions(work: Work, tmp_path: Path) -> None:
    build_divided(sources_at([work.path]), tmp_path / "out")
    corpus = Corpus(tmp_path / "out", "test")
    late = {f"shop/part{number}.py" for number in (8, 9)}
    blocks = list(repair_blocks(corpus))
    assert {block[0].origin.path for block in blocks} == late
    for clean, *bugs in blocks:
        assert len(clean.starts) == 12 and 6 <= len(bugs) <= 12
        for bug in bugs:
            assert bug.truth is not None and bug.fixed == clean.data != bug.data
    assert [[one.data for one in block] for block in repair_blocks(corpus)] == [
        [one.data for one in block] for block in blocks
    ]
    for case in summary_cases(corpus):
        assert case.origin.path in late and case.reference.startswith("Return the")
    for case in line_cases(corpus):
        assert case.mask is not None
        assert case.data[slice(*case.mask)].decode() == case.reference != ""


def test_the_second_model_is_asked_what_the_first_one_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def ask(block: list[int]) -> list[int]:
        asked.extend(block)
        return block

    blocks = [[number] for number in range(10)]
    assert _until(0.0, blocks, ask) == ([[0]], 1), "one at least"
    assert _until(None, blocks, ask, 3) == ([[0], [1], [2]], 3)
    assert _until(9.0, [], ask, 0) == ([], 0)
    with pytest.raises(ModelError, match="12 blocks"):
        _until(None, blocks, ask, 12)


def repair(scale: float, right: Callable[[int], bool]) -> dict[str, Any]:
    """What was kept of a model: confidences are of any scale, one clean function in 20 is high."""
    clean = [[n // 10, scale * (0.9 if n % 20 == 0 else 0.1)] for n in range(100)]
    bugs = [[scale * 0.5, True, right(n)] for n in range(50)]
    return {"clean": clean, "bugs": bugs, "real": bugs[:3], "done": 1, "real_done": 3}


def test_both_models_flag_the_same_share_of_clean_functions() -> None:
    texts = {"rows": [["a = 1", "a = 1"], ["b", "c"]], "done": 1}
    before = {"repair": repair(1.0, lambda n: n < 10), "summarize": {"rows": []}, "generate": texts}
    after = {"repair": repair(0.01, lambda n: n < 30), "summarize": {"rows": []}, "generate": texts}
    found = {one.measure: one for one in compare(before, after)}
    figure = found["made bugs repaired at 5% false positives"]
    assert np.allclose((figure.before.value, figure.after.value), (0.2, 0.6))
    assert figure.n == 50
    assert found["masked line, exact match"].before.value == 0.5
    assert not any(name.startswith(("real", "docstring")) for name in found)
    told = notes(before)
    assert any("3 small bug fixes: too few" in note for note in told)
    assert any("no docstrings" in note for note in told)
    before["repair"]["real_all"] = 8
    assert any("the time sufficed for 3 of them: too few" in note for note in notes(before))


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    out, model = tmp_path / "out", {"name": "m", "revision": "r"}
    first = State.open(out, [], model, 60.0)
    with closing(first), pytest.raises(UsageError, match="another process is fine-tuning"):
        State.open(out, [], model, 60.0)
    State.open(out, [], model, 60.0).close()


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)
    State.open(tmp_path / "out", [], {"name": "m", "revision": "r"}, 60.0).close()


def test_where_nothing_can_be_written_another_folder_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    with pytest.raises(UsageError, match=f"cannot write to --out {out}: Not a dir.*; name another"):
        State.open(out, [], {"name": "m", "revision": "r"}, 60.0)


def test_a_tuned_model_that_was_damaged_since_is_named(untrained: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(untrained, tmp_path / "tuned"))
    state = State(out, {})
    stages = _Stages(state, untrained, out, print)
    stages.sign()
    assert read_config(out)["name"] == "untrained-finetuned"
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=f"{weights} is no longer .*; remove {out} and give"):
        stages.sign()
    weights.unlink()
    with pytest.raises(ModelError, match="is no longer what training wrote"):
        stages.sign()


def test_more_code_is_taken_in_where_it_was_too_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("few", "more"):
        Path(name).mkdir()
        Path(name, "a.py").write_text(module(len(name), 2))
    for places in (["few"], ["few", "more"]):
        code, _, complaints = finetune(*places, "--out", "ft")
        assert code == 2 and "too little Python to learn from" in complaints, complaints


def test_a_request_is_kept_once_a_stage_is_finished(tmp_path: Path) -> None:
    out, model = tmp_path / "out", {"name": "m", "revision": "r"}

    def asked(commit: str, project: str = "shop", seconds: float | None = 60.0) -> State:
        return State.open(out, [Source(project, "git", project, commit)], model, seconds)

    def fail() -> None:
        raise DataError("too little Python")

    with closing(asked("a")) as state, pytest.raises(DataError):
        state.stage("mining", fail)
    with closing(asked("a")) as state:
        assert "mining" in state.values["broken_off"]
    for commit, project, seconds in (("b", "shop", 60.0), ("b", "till", 60.0), ("b", "till", 9.0)):
        with closing(asked(commit, project, seconds)) as state:
            assert [(one.project, one.commit) for one in state.sources] == [(project, commit)]
            assert state.seconds == seconds and state.spent() == 0.0
    with closing(State.open(out, [], {**model, "name": "n"}, 9.0)) as state:
        assert state.sources == []
    with closing(asked("c")) as state:
        state.stage("mining", dict)
        assert not state.outdated()
    with closing(asked("d", seconds=None)) as state:
        assert state.sources[0].commit == "c" and state.seconds == 60.0
        (told,) = state.outdated()
        assert told.startswith("shop: its commits since the first call are not read")
    with pytest.raises(UsageError, match="began with a --time-budget of 60 s"):
        asked("c", seconds=9.0)
    with pytest.raises(UsageError, match="on other code"):
        asked("c", "till")
    with pytest.raises(UsageError, match="another model"):
        State.open(out, [Source("shop", "git", "shop", "c")], {"name": "n", "revision": "r"}, None)
