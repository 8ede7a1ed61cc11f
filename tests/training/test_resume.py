"""A run that was killed goes on as if nothing had happened, or says why it cannot."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from codemtl.errors import DataError, UsageError
from codemtl.model.checkpoints import load_network
from codemtl.training.config import load_config
from codemtl.training.loop import MicroBatch, Trainer
from codemtl.training.place import check_writable, locked
from codemtl.training.processes import join
from codemtl.training.run import train, train_as

SETTINGS = [
    "threads=1", "accumulation=2", "micro_tokens=1024", "checkpoint_every=4", "evaluate_every=10",
    "evaluate_batches=3", "log_every=3",
]  # fmt: skip
MEASURED = ("tokens_per_second", "memory")
SHORT = [*SETTINGS, "checkpoint_every=2", "evaluate_every=2"]


def start(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    settings = [part for one in SETTINGS for part in ("--set", one)]
    command = [
        sys.executable, "-m", "codemtl", "train", "--preset", "tiny", "--data", str(data),
        "--out", str(out), "--max-steps", "40", *settings, *more,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def logged(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]


WEIGHTINGS = {
    "static": [], "uncertainty": [], "famo": [], "upgrad": [],
    "coba": ["weighting.every=3", "weighting.warmup=2"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["static", "coba"])
def test_a_killed_run_resumes_to_the_same_bits(tiny: Path, tmp_path: Path, weighting: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = [f"weighting.name={weighting}", *WEIGHTINGS[weighting]]
    method = [part for one in settings for part in ("--set", one)]
    process = start(tiny, whole, *method)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints.decode()
    process = start(tiny, killed, *method)
    deadline = time.monotonic() + 200
    while not list(killed.glob("checkpoints/step-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    pause = random.SystemRandom().uniform(0, 1.5)
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, f"finished before the kill, after {pause:.2f} s"
    assert not (killed / "checkpoints" / "step-0000040").exists()
    process = start(tiny, killed, "--resume", *method)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints.decode()
    names = ["model.safetensors", "config.json", "tokenizer.json", "metrics.json"]
    last = "checkpoints/step-0000040/"
    names += [last + name for name in ("model.safetensors", "optimizer.safetensors", "state.json")]
    for name in names:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), (name, pause)
    # means over a few steps differ where the stop cut them; evaluations must not
    steps, resumed = (
        [row for row in logged(out) if "padding" not in row] for out in (whole, killed)
    )
    assert steps == resumed
    assert len({path.name for path in (killed / "checkpoints").iterdir()}) == 2


@pytest.fixture
def finished(tiny: Path, tmp_path: Path) -> Path:
    train(preset="tiny", data=tiny, out=tmp_path / "run", max_steps=4, overrides=SHORT)
    return tmp_path / "run"


def test_a_run_writes_a_model_folder_and_its_records(finished: Path, tiny: Path) -> None:
    network, values = load_network(finished)
    assert network.config.width == 64
    assert (finished / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["step"] == values["step"] in (2, 4)
    assert 0 <= metrics["validation"]["repair/joint_accuracy"] <= 1
    assert metrics["config"]["precision"] == "no"
    assert list(finished.glob("logs/**/events.out.tfevents.*"))
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == [
        "step-0000002", "step-0000004",
    ]  # fmt: skip
    assert {row["step"] for row in logged(finished)} == {2, 3, 4}
    assert (finished / "report.html").read_text().startswith("<!doctype html>")


def interrupted(
    self: Trainer, window: list[MicroBatch], step: Any = Trainer.train_step
) -> dict[str, float]:
    if self.step == 3:
        raise KeyboardInterrupt
    row: dict[str, float] = step(self, window)
    return row


def test_an_interrupted_run_has_a_report(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(preset="tiny", data=tiny, out=tmp_path / "run", max_steps=9, overrides=SHORT)
    assert "step 3 of 9" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_run_that_is_stopped_after_its_first_look_can_go_on(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weighting: str
) -> None:
    """However rare its checkpoints are: a folder with a model holds one to go on from."""
    out = tmp_path / "run"
    method = [f"weighting.name={weighting}", *WEIGHTINGS[weighting]]
    rare = [*SHORT, "checkpoint_every=100", *method]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(preset="tiny", data=tiny, out=out, max_steps=4, overrides=rare)
    assert [one.name for one in (out / "checkpoints").iterdir()] == ["step-0000002"]
    train(preset="tiny", data=tiny, out=out, max_steps=4, overrides=rare, resume=True)
    whole = tmp_path / "whole"
    train(preset="tiny", data=tiny, out=whole, max_steps=4, overrides=rare)
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_full_disk_leaves_no_part_of_a_checkpoint_and_is_named(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        if "optimizer" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("codemtl.model.atomic.os.fsync", full)
    with pytest.raises(OSError, match=r"No space left .*optimizer\.safetensors"):
        again(tmp_path / "run", tiny, resume=False)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def again(finished: Path, tiny: Path, *changes: str, resume: bool = True) -> dict[str, float]:
    return train(
        preset="tiny", data=tiny, out=finished, max_steps=4, resume=resume,
        overrides=[*SHORT, *changes],
    )  # fmt: skip


def test_a_run_is_not_overwritten_nor_resumed_with_another_configuration(
    finished: Path, tiny: Path
) -> None:
    before = (finished / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="holds a run already; give --resume"):
        again(finished, tiny, resume=False)
    shutil.move(finished / "checkpoints", finished.parent / "aside")
    with pytest.raises(UsageError, match="holds a model already; choose another --out"):
        again(finished, tiny, resume=False)
    with pytest.raises(UsageError, match="holds a model but no checkpoint to go on from; choose"):
        again(finished, tiny)
    assert (finished / "model.safetensors").read_bytes() == before
    shutil.move(finished.parent / "aside", finished / "checkpoints")
    with pytest.raises(UsageError, match=r"was made with learning_rate = 0\.003, not 1") as caught:
        again(finished, tiny, "learning_rate=1")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"was made with model\.layers = \d+, not 9"):
        again(finished, tiny, "model.layers=9")
    with pytest.raises(UsageError, match="was made with precision = 'no', not 'bf16'"):
        again(finished, tiny, "precision=bf16")
    other = Path(shutil.copytree(tiny, finished.parent / "other"))
    (other / "train-00000.safetensors.xz").rename(other / "train-00001.safetensors.xz")
    with pytest.raises(UsageError, match="was made of other data"):
        again(finished, other)
    assert again(finished, tiny, "precision=auto", "log_every=7")["step"] in (2, 4)
    assert (finished / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("left", [(), ("checkpoints",), ("checkpoints", ".partial-0000004")])
def test_what_has_no_checkpoint_begins_anew_only_without_resume(
    tiny: Path, tmp_path: Path, left: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    out.joinpath(*left).mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no checkpoint to go on from; leave --resume out"):
        again(out, tiny)
    again(out, tiny, resume=False)
    assert (out / "checkpoints" / "step-0000004").is_dir()


def test_a_comparison_may_go_on_with_a_run_that_has_no_checkpoint_yet(
    tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    settings = load_config(preset="tiny", overrides=[*SHORT, "steps=2"])
    assert train_as(settings, tiny, tmp_path / "run", resume=True)["step"] == 2


def test_two_processes_do_not_share_a_folder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with locked(out, join(), resume=False):
        before = list(out.iterdir())
        with pytest.raises(UsageError, match=f"another process is training into --out {out}; wait"):
            again(out, tiny, resume=False)
        assert list(out.iterdir()) == before

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)  # a file system without them
    again(out, tiny, resume=False)
    assert (out / "checkpoints" / "step-0000004").is_dir()


def test_a_run_that_another_process_began_meanwhile_is_not_overwritten(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def meanwhile(*_: object) -> Path:
        (out / "checkpoints" / "step-0000002").mkdir(parents=True)
        return tiny

    monkeypatch.setattr("codemtl.training.run.prepared", meanwhile)
    with pytest.raises(UsageError, match="holds a run already; give --resume"):
        again(out, tiny, resume=False)


def test_threads_are_compared_by_what_they_come_to(finished: Path, tiny: Path) -> None:
    assert torch.get_num_threads() == 1
    before = (finished / "model.safetensors").read_bytes()
    assert again(finished, tiny, "threads=0")["step"] in (2, 4)  # one, as torch decides here
    try:
        with pytest.raises(UsageError, match=r"with 1 threads, not 2; .* needs --set threads=1"):
            again(finished, tiny, "threads=2")
    finally:
        torch.set_num_threads(1)
    assert again(finished, tiny, "threads=1")["step"] in (2, 4)
    assert (finished / "model.safetensors").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused_before_data_are_prepared(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Path:
        raise AssertionError("data were prepared")

    monkeypatch.setattr("codemtl.training.run.prepared", never)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "inner" / "run"):
        for resume in (False, True):
            with pytest.raises(UsageError, match=f"cannot write to --out {out}: Not a directory;"):
                again(out, tiny, resume=resume)

    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("codemtl.training.place.tempfile.TemporaryFile", read_only)
    with pytest.raises(UsageError, match=r"cannot write to --out .*: Read-only file system;"):
        again(tmp_path / "run", tiny, resume=False)


def test_whether_a_folder_can_be_written_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "run")
    check_writable(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_link_to_nothing_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    for out in (tmp_path / "link", tmp_path / "link" / "run"):
        with pytest.raises(UsageError, match=r"cannot write to --out .*: No such file"):
            check_writable(out)


def test_a_run_of_an_older_version_that_lacked_settings_goes_on(finished: Path, tiny: Path) -> None:
    path = finished / "checkpoints" / "step-0000004" / "state.json"
    state = json.loads(path.read_text())
    del state["config"]["encoder_rate"], state["config"]["model"]["encoder"]
    path.write_text(json.dumps(state))
    assert again(finished, tiny)["step"] in (2, 4)
    with pytest.raises(UsageError, match=r"was made with encoder_rate = 0\.0, not 0\.5"):
        again(finished, tiny, "encoder_rate=0.5")


def test_a_model_that_is_better_than_all_after_the_checkpoint_stays(
    finished: Path, tiny: Path
) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    (finished / "metrics.json").write_text(json.dumps({**metrics, "step": 3, "score": 1.0}))
    shutil.rmtree(finished / "checkpoints" / "step-0000004")  # stopped after the look at step 3
    before = (finished / "model.safetensors").read_bytes()
    assert again(finished, tiny)["score"] == 1.0
    assert (finished / "model.safetensors").read_bytes() == before


def test_an_altered_checkpoint_is_refused(finished: Path, tiny: Path) -> None:
    folder = finished / "checkpoints" / "step-0000004"
    weights = folder / "optimizer.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match=r"optimizer\.safetensors was altered or is damaged"):
        again(finished, tiny)
    (folder / "state.json").write_text("{")
    with pytest.raises(DataError, match=r"state\.json cannot be read"):
        again(finished, tiny)


def test_the_command_line_returns_two_for_a_changed_configuration(
    finished: Path, tiny: Path
) -> None:
    process = start(tiny, finished, "--resume")
    _, complaints = process.communicate(timeout=200)
    assert process.returncode == 2
    assert b"resume with the same configuration" in complaints
    assert b"Traceback" not in complaints
