"""Training from the command line: what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file

from codemtl.errors import DataError, ModelError, UsageError, WriteError
from codemtl.vision.coco import split_of
from codemtl.vision.config import VisionConfig, make_config
from codemtl.vision.data import load_split, scene_examples
from codemtl.vision.evaluate import evaluate
from codemtl.vision.folders import load_network
from codemtl.vision.pictures import write_whole
from codemtl.vision.place import locked
from codemtl.vision.train import Run, read_log, train
from codemtl.vision.trainer import Trainer, learning_rate


def test_a_run_writes_a_model_folder(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["steps"] == 6
    assert set(metrics["test"]) == {"images", "images_per_second", "accuracy", "ap", "ap50"}
    assert metrics["test"]["images"] == 20
    network, config, names = load_network(trained)
    assert metrics["parameters"] == sum(one.numel() for one in network.parameters())
    assert config.batch_size == 8
    assert names == tuple("0123456789")
    for name in ("examples.png", "curve.png", "example.png"):
        with Image.open(trained / name) as picture:
            picture.load()
    steps = [row["step"] for row in read_log(trained / "log.jsonl")]
    assert steps == [3, 6, 6]
    assert [one.name for one in (trained / "checkpoints").iterdir()] == ["step-0000006"]


def test_evaluate_repeats_the_figures_of_training(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    found = evaluate(trained, None)
    for key in ("images", "accuracy", "ap", "ap50"):
        assert found[key] == metrics["test"][key]
    assert evaluate(trained, None, ["split=validation"])["split"] == "validation"
    for wrong in ({"tasks": 3}, {"learning_rate": float("nan")}):
        with pytest.raises(UsageError, match="it must be"):
            make_config(wrong)
    with pytest.raises(UsageError, match="split is 'all'"):
        evaluate(trained, None, ["split=all"])


@pytest.mark.parametrize("model", ["document", "reference"])
@pytest.mark.parametrize("weighting", ["static", "uncertainty"])
def test_steps_lower_the_losses_of_both_tasks(model: str, weighting: str) -> None:
    config = make_config({"model": model, "weighting": weighting, "batch_size": 4})
    torch.manual_seed(0)
    trainer = Trainer(config, Accelerator(cpu=True))
    batch = trainer.batch(scene_examples("train", 4))
    rows = [trainer.train_step(*batch, progress=0.5) for _ in range(12)]
    for task in ("cls", "det"):
        assert rows[-1][f"{task}/loss"] < rows[0][f"{task}/loss"]
    assert rows[-1]["learning_rate"] == rows[0]["learning_rate"] > 0


@pytest.mark.parametrize(
    ("model", "tasks", "weighting"),
    [("document", "cls,det", "uncertainty"), ("document", "cls", "static"),
     ("reference", "det", "uncertainty")],
)  # fmt: skip
def test_every_kind_of_run(
    tmp_path: Path, tiny: list[str], model: str, tasks: str, weighting: str
) -> None:
    settings = [*tiny, "steps=2", f"weighting={weighting}"]
    metrics = train(model=model, data=None, out=tmp_path, tasks=tasks, settings=settings)
    assert ("accuracy" in metrics["test"]) == ("cls" in tasks)
    assert ("ap" in metrics["test"]) == ("det" in tasks)


def test_a_run_on_the_users_pictures(
    tmp_path: Path, tiny: list[str], write_coco: Callable[..., Path], run: Callable[..., Any]
) -> None:
    data = write_coco(tmp_path / "data", pictures=40)
    settings = [part for one in [*tiny, "steps=2", "image_size=64"] for part in ("--set", one)]
    out = tmp_path / "out"
    ended = run("vision", "train", "--data", data, "--out", out, *settings)
    assert ended.code == 0, ended.err
    assert f"wrote {out}" in ended.out
    ended = run("vision", "evaluate", "--model", out, "--data", data, "--format", "json",
                "--set", "split=all")  # fmt: skip
    assert json.loads(ended.out)["images"] == 40
    ended = run("vision", "evaluate", "--model", out)
    assert ended.code == 2
    assert "give it its own pictures by --data" in ended.err
    name = next(f"{i:02}.png" for i in range(40) if split_of(f"{i:02}.png") == "train")
    Image.new("RGB", (64, 48)).save(data / "images" / name)
    ended = run("vision", "train", "--data", data, "--out", out, "--resume", *settings)
    assert ended.code == 2
    assert "was made with other pictures; resume with the same" in ended.err


def start(out: Path, tiny: list[str], *more: str) -> subprocess.Popen[bytes]:
    settings = [*tiny, "steps=20", "checkpoint_every=4", "evaluate_every=100"]
    command = [sys.executable, "-m", "codemtl", "vision", "train", "--out", str(out), *more,
               *(part for one in settings for part in ("--set", one))]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, tiny: list[str]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    straight = start(whole, tiny, "--set", "weighting=uncertainty")
    killed = start(broken, tiny, "--set", "weighting=uncertainty")
    for _ in range(6000):
        if list((broken / "checkpoints").glob("step-*")) or killed.poll() is not None:
            break
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (left,) = (broken / "checkpoints").glob("step-*")
    assert left.name < "step-0000020"
    assert killed.returncode == -signal.SIGKILL
    _, said = start(broken, tiny, "--resume", "--set", "weighting=uncertainty").communicate()
    straight.communicate()
    assert straight.returncode == 0
    assert said == b""
    for name in ("trainee", "average", "optimizer"):
        file = f"checkpoints/step-0000020/{name}.safetensors"
        one, other = load_file(whole / file), load_file(broken / file)
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert torch.equal(value, other[key]), (name, key)
    rows = [list(read_log(folder / "log.jsonl")) for folder in (whole, broken)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]


def test_a_run_is_not_overwritten_and_not_resumed_as_another(
    trained: Path, tiny: list[str]
) -> None:
    settings = [*tiny, "steps=6"]
    with pytest.raises(UsageError, match="holds a run already; give --resume"):
        train(model="reference", data=None, out=trained, settings=settings)
    with pytest.raises(UsageError, match=r"made with learning_rate = 0\.003, not 0\.1"):
        train(model="reference", data=None, out=trained, resume=True,
              settings=[*settings, "learning_rate=0.1"])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{}", "holds a model already; choose another --out"),
        ("model.safetensors", "", "holds a model already; choose another --out"),
        ("metrics.json", "{}", r"holds metrics\.json already; choose another --out"),
        ("curve.png", "", r"holds curve\.png already"),
        ("examples.png", "", r"holds examples\.png already"),
        ("example.png", "", r"holds example\.png already"),
        ("log.jsonl", '{"step": 20, "tokens_per_second": 3.0}\n', r"holds log\.jsonl already"),
        ("log.jsonl", "[1]\n", r"holds log\.jsonl already"),
        ("log.jsonl", "of something else\n", r"holds log\.jsonl already"),
    ],
)
def test_what_is_there_is_not_replaced(
    tmp_path: Path, tiny: list[str], name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        train(model="reference", data=None, out=tmp_path, settings=[*tiny, "steps=1"])
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(
    tmp_path: Path, tiny: list[str]
) -> None:
    settings = [*tiny, "steps=100", "evaluate_every=1"]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "batch", _stopped(Trainer.batch))
        train(model="reference", data=None, out=tmp_path, settings=settings)
    assert {one.name for one in tmp_path.iterdir()} == {"log.jsonl", ".lock"}
    settings = [*tiny, "steps=1"]
    assert train(model="reference", data=None, out=tmp_path, settings=settings)["steps"] == 1
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1]


def _stopped(batch: Callable[..., Any]) -> Callable[..., Any]:
    def made(trainer: Trainer, *arguments: Any) -> Any:
        if trainer.step == 2:
            raise KeyboardInterrupt
        return batch(trainer, *arguments)

    return made


def test_two_processes_do_not_share_a_folder(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*tiny, "steps=1"]
    with locked(tmp_path, lambda: None):
        with pytest.raises(UsageError, match=f"training into --out {tmp_path}; wait for it, or"):
            train(model="reference", data=None, out=tmp_path, settings=settings)
        assert [one.name for one in tmp_path.iterdir()] == [".lock"]

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)  # a file system without them
    assert train(model="reference", data=None, out=tmp_path, settings=settings)["steps"] == 1


def test_what_another_process_wrote_meanwhile_is_not_replaced(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*arguments: Any) -> Any:
        (tmp_path / "config.json").touch()
        return load_split(*arguments)

    monkeypatch.setattr("codemtl.vision.train.load_split", made)
    with pytest.raises(UsageError, match="holds a model already; choose another --out"):
        train(model="reference", data=None, out=tmp_path, settings=[*tiny, "steps=1"])


def test_what_did_not_begin_is_not_resumed(tmp_path: Path, tiny: list[str]) -> None:
    with pytest.raises(UsageError, match="holds no run to go on with"):
        train(model="reference", data=None, out=tmp_path / "out", resume=True, settings=tiny)
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_written_no_scene_is_made(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("scenes were made")

    monkeypatch.setattr("codemtl.vision.train.load_split", never)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nothing")
    for out in (tmp_path / "file", tmp_path / "file" / "inner", tmp_path / "link"):
        with pytest.raises(WriteError, match=f"cannot write to --out {out}: .*; name another"):
            train(model="reference", data=None, out=out, settings=tiny)

    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("codemtl.vision.folders.tempfile.TemporaryFile", read_only)
    with pytest.raises(WriteError, match="Read-only file system"):
        train(model="reference", data=None, out=tmp_path, settings=tiny)


def test_a_full_disk_leaves_no_part_of_a_checkpoint(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        write_whole(path, data)
        if path.name == "optimizer.safetensors":
            raise WriteError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("codemtl.vision.trainer.write_whole", full)
    with pytest.raises(WriteError, match="No space left"):
        train(model="reference", data=None, out=tmp_path, settings=tiny)
    assert not list((tmp_path / "checkpoints").iterdir())
    with pytest.raises(UsageError, match="holds no run to go on with; leave --resume out"):
        train(model="reference", data=None, out=tmp_path, resume=True, settings=tiny)
    monkeypatch.undo()
    train(model="reference", data=None, out=tmp_path, settings=[*tiny, "steps=1"])


@pytest.mark.parametrize(("log_every", "said"), [(1, "log.jsonl"), (50, "checkpoints/.partial")])
def test_a_folder_that_is_lost_meanwhile_is_named(
    log_every: int, said: str, tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    step = Trainer.train_step

    def lost(self: Trainer, *values: Any) -> dict[str, float]:
        shutil.rmtree(out, ignore_errors=True)
        if said != "log.jsonl":
            out.touch()
        return step(self, *values)

    monkeypatch.setattr(Trainer, "train_step", lost)
    monkeypatch.setattr("codemtl.vision.train._LOG_EVERY", log_every)
    with pytest.raises(WriteError, match=f"cannot write {out / said}: "):
        train(model="reference", data=None, out=out, settings=[*tiny, "steps=1"])


def test_what_the_memory_cannot_hold_is_refused(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in ("batch_size=1000000000", "train_scenes=1000000000", "test_scenes=1000000000"):
        name, number = wrong.split("=")
        with pytest.raises(UsageError, match=f"{name} is {number}, which takes .* set less"):
            train(model="reference", data=None, out=tmp_path, settings=[*tiny, wrong])

    def short(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    monkeypatch.setattr(Trainer, "train_step", short)
    with pytest.raises(UsageError, match="does not suffice; set a smaller batch_size"):
        train(model="reference", data=None, out=tmp_path, settings=tiny)


def test_a_damaged_checkpoint_is_named(tmp_path: Path, tiny: list[str]) -> None:
    settings = [*tiny, "steps=1"]
    train(model="reference", data=None, out=tmp_path, settings=settings)
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    path = checkpoint / "average.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x77")
    with pytest.raises(DataError, match=r"average\.safetensors was altered"):
        train(model="reference", data=None, out=tmp_path, resume=True, settings=settings)


def test_a_time_budget_ends_the_run(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_seconds", lambda run: float(run.trainer.step))
    metrics = train(model="reference", data=None, out=tmp_path, time_budget=2, settings=tiny)
    assert metrics["steps"] == 2
    load_network(tmp_path)


def test_a_time_budget_without_a_step_makes_no_model(
    tmp_path: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_seconds", lambda run: 7.25)
    with pytest.raises(UsageError, match=r"preparing took 7\.2 s, .* in 7 s; give a longer --time"):
        train(model="reference", data=None, out=tmp_path, time_budget=7, settings=tiny)
    assert [one.name for one in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("clip", ["clip=10", "clip=0"])
def test_a_run_that_diverges_makes_no_model(tmp_path: Path, tiny: list[str], clip: str) -> None:
    out, steep = tmp_path / "m", ["learning_rate=1e30", "warmup=0", "steps=4", clip]
    with pytest.raises(UsageError, match=r"diverged: at step .* below 1e\+30 or a longer warmup"):
        train(model="reference", data=None, out=out, settings=[*tiny, *steep])
    assert not (out / "config.json").exists() and not (out / "checkpoints").exists()


def test_the_learning_rate_rises_and_falls() -> None:
    config = VisionConfig(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(config, share) for share in (0.0, 0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([0.01, 0.505, 1.0, 0.5, 0.0])
    assert learning_rate(VisionConfig(learning_rate=1.0, warmup=0.0), 0.0) == 1.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", None, r"holds no model\.safetensors"),
        ("model.safetensors", b"broken", r"model\.safetensors is damaged"),
        ("config.json", b"{}", "not the configuration of a codemtl-vision model"),
        ("config.json", b"[", r"config\.json cannot be read"),
        ("config.json", b"[" * 100_000, r"config\.json cannot be read: maximum recursion"),
        (
            "config.json",
            "image_size",
            r"config\.json cannot be read: image_size is 16000000000000000",
        ),
    ],
)
def test_broken_model_folders_are_named(
    trained: Path, tmp_path: Path, name: str, content: bytes | str | None, message: str
) -> None:
    for one in ("model.safetensors", "config.json"):
        (tmp_path / one).write_bytes((trained / one).read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    elif isinstance(content, str):  # a number of the configuration, more than memory holds
        values = json.loads((tmp_path / name).read_text()) | {content: 16 * 10**15}
        (tmp_path / name).write_text(json.dumps(values))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--model", "resnet"], "--model resnet: train makes document or reference"),
        (["train", "a.png"], "an IMAGE does not go with `codemtl vision train`"),
        (["train", "--tasks", "seg"], "there is no task 'seg'; known: cls, det"),
        (["train", "--time-budget", "soon"], "--time-budget must be a duration"),
        (["train", "--seed", "4294967296"], "seed is 4294967296; it must be at most 4294967295"),
        (["train", "--set", "threads=1025"], "threads is 1025; it must be at most 1024"),
        (["train", "--set", "image_size=8192"], "image_size is 8192; it must be at most 4096"),
        (["train", "--data", "gone"], "gone: there is no such folder"),
        (["evaluate"], "--model must name a trained folder"),
        (["evaluate", "--model", "reference"], "--model must name a trained folder"),
        (["evaluate", "--model", "gone", "--out", "x"], "--out does not go with"),
        (["evaluate", "--model", "gone"], "gone holds no model.safetensors and config.json"),
        (["predict", "--model", "gone"], "no picture is named"),
        (["predict", "a.png", "--model", "gone", "--resume"], "--resume does not go with"),
        (["predict", "a.png", "--model", "gone", "--set", "threshold=high"], "threshold is 'high'"),
        (["predict", "a.png", "--model", "gone", "--set", "threshold=nan"], "threshold is nan; it"),
        (["predict", "a.png", "--model", "gone", "--set", "threshold=1.5"], "threshold is 1.5; it"),
        (["predict", "a.png", "--model", "gone", "--set", "threads=1025"], "threads is 1025; it"),
        (["predict", "a.png", "--model", "gone", "--set", "x=1"], "--set x: there is no such"),
    ],
)
def test_wrong_usage_ends_in_one_line(
    arguments: list[str],
    message: str,
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("vision", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_a_missing_extra_is_named_with_its_command(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "codemtl.vision.evaluate", raising=False)
    monkeypatch.delitem(sys.modules, "codemtl.vision.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    ended = run("vision", "evaluate", "--model", tmp_path)
    assert ended.code == 2
    assert "faster_coco_eval is not installed; run: pip install 'codemtl[vision]'" in ended.err
