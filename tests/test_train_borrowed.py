"""A run on a borrowed machine, whose weights are there before it ends and after it was cut off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codemtl.model.checkpoints import load_network
from codemtl.model.folder import read_config

ROOT = Path(__file__).parent.parent
SMALL = (
    "model.width=32", "model.layers=1", "model.decoder_layers=1", "model.heads=2",
    "model.hidden=64", "micro_tokens=1024", "accumulation=2", "evaluate_batches=1",
    "evaluate_every=2", "threads=1",
)  # fmt: skip


def borrowed(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "train_borrowed.py"), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )


def started(run: Path, seconds: int) -> int:
    data = ROOT / "data" / "tiny"
    changes = [part for change in SMALL for part in ("--set", change)]
    done = borrowed(
        "start", run, "--preset", "tiny", "--data", data, "--seconds", seconds, *changes
    )
    assert done.returncode == 0, done.stderr
    return int((run / "pid").read_text("utf-8"))


@pytest.mark.slow
def test_what_comes_back_is_a_model(tmp_path: Path) -> None:
    started(tmp_path / "run", 6)
    begun = time.monotonic()
    fetched = borrowed("fetch", tmp_path / "run", "--out", tmp_path / "parts", "--wait", 100)
    assert time.monotonic() - begun < 90, "it should not wait for a run that is over"
    assert "the run has ended" in fetched.stdout, fetched.stdout + fetched.stderr
    joined = borrowed("join", tmp_path / "parts", "--out", tmp_path / "model")
    assert joined.returncode == 0, joined.stderr
    assert (tmp_path / "model" / "log.jsonl").stat().st_size > 0
    network, values = load_network(tmp_path / "model")
    assert values["step"] == read_config(tmp_path / "run" / "model")["step"]
    theirs, _ = load_network(tmp_path / "run" / "model")
    for ours, exact in zip(network.parameters(), theirs.parameters(), strict=True):
        assert (ours - exact).abs().max() <= exact.abs().max() / 100  # rounded to int8


@pytest.mark.slow
def test_a_run_that_goes_on_leaves_its_newest_weights(tmp_path: Path) -> None:
    pid = started(tmp_path / "run", 600)
    try:
        while not (tmp_path / "run" / "model" / "model.safetensors").exists():
            time.sleep(0.2)
        fetched = borrowed("fetch", tmp_path / "run", "--out", tmp_path / "parts")
        assert "the run goes on" in fetched.stdout, fetched.stdout + fetched.stderr
    finally:
        os.killpg(pid, signal.SIGKILL)
    again = borrowed("fetch", tmp_path / "run", "--out", tmp_path / "parts", "--wait", 60)
    assert "the run has ended" in again.stdout, "a run that was killed has ended too"
    joined = borrowed("join", tmp_path / "parts", "--out", tmp_path / "model")
    assert joined.returncode == 0, joined.stderr


@pytest.mark.slow
def test_parts_that_are_not_all_there_are_told(tmp_path: Path) -> None:
    assert "holds no parts" in borrowed("join", tmp_path, "--out", tmp_path / "model").stderr
    (tmp_path / "part.001").write_bytes(b"the second one")
    joined = borrowed("join", tmp_path, "--out", tmp_path / "model")
    assert joined.returncode == 2
    assert "does not hold all parts" in joined.stderr and "Traceback" not in joined.stderr


def test_a_run_without_weights_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("0", "utf-8")
    (tmp_path / "output.txt").write_text("no space left", "utf-8")
    done = borrowed("fetch", tmp_path, "--out", tmp_path / "parts")
    assert done.returncode == 2
    assert "output.txt" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "parts" / "output.txt").read_text("utf-8") == "no space left"


@pytest.mark.slow
def test_shards_travel_in_parts_and_the_first_runs_are_short(tmp_path: Path) -> None:
    shards, data = tmp_path / "shards", tmp_path / "data"
    shutil.copytree(ROOT / "data" / "tiny", shards)
    (shards / "test-00000.safetensors.xz").write_bytes(b"never to be learned from")
    packed = borrowed("pack", shards, "--out", tmp_path / "parts", "--megabytes", 0.4)
    assert "2 shards in 2 parts" in packed.stdout, packed.stdout + packed.stderr
    for part in ("1", "2"):
        taken = borrowed("take", tmp_path / "parts" / part, "--data", data)
    assert "2 shards" in taken.stdout, taken.stdout + taken.stderr
    changes = [part for change in SMALL for part in ("--set", change)]
    warmed = borrowed("warm", tmp_path / "warm", "--data", data, "--preset", "tiny", *changes)
    assert warmed.returncode == 0 and warmed.stdout.count("exit code 0") == 4, warmed.stdout
    assert len(list((data / ".unpacked").iterdir())) == 2


@pytest.mark.slow
def test_what_a_machine_cannot_do_is_told_by_the_first_runs(tmp_path: Path) -> None:
    data = ROOT / "data" / "tiny"
    warmed = borrowed("warm", tmp_path, "--data", data, "--preset", "tiny", "--set", "layers=9")
    assert warmed.returncode == 2 and warmed.stdout.count("exit code 2") == 4, warmed.stdout
    assert "compile=false" in warmed.stderr and "Traceback" not in warmed.stderr
