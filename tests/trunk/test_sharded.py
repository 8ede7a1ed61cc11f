"""A trunk spread over two processes learns what it learns as two whole copies, and resumes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import codemtl.errors
from codemtl.inference import load_predictor

SETTINGS = [
    "threads=1", "accumulation=3", "micro_tokens=512", "checkpoint_every=2", "evaluate_every=2",
    "evaluate_batches=1", "warmup=1", "diagnose_every=100", "weighting.name=uncertainty",
]  # fmt: skip
SPREAD = ["--use_fsdp", "--fsdp_version", "2"]
LAST = Path("checkpoints") / "step-0000004"


def train(data: Path, out: Path, launcher: list[str], *changes: str, resume: bool = False) -> str:
    """Four steps on two processes under ``accelerate launch``; returns what was complained of."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [
        sys.executable, "-m", "accelerate.commands.launch", *launcher, "--num_machines", "1",
        "--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", port, "-m", "codemtl", "train", "--preset", "tiny",
        "--data", str(data), "--out", str(out), "--max-steps", "4",
    ]  # fmt: skip
    command += [part for one in [*SETTINGS, *changes] for part in ("--set", one)]
    package = Path(codemtl.errors.__file__).parents[1]
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    setting = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "ACCELERATE_USE_CPU": "true"
    }  # fmt: skip
    done = subprocess.run(
        command + ["--resume"] * resume, env=setting, capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_spread_trunk_learns_as_whole_copies_do_and_resumes(
    tuning: str, encoders: dict[str, Path], tiny: Path, tmp_path: Path
) -> None:
    encoder = [f"model.encoder={encoders['t5']}", f"model.tuning={tuning}"]
    assert train(tiny, tmp_path / "spread", SPREAD, *encoder) == ""
    assert train(tiny, tmp_path / "copies", ["--multi_gpu"], *encoder) == ""
    for name in ("model", "optimizer"):
        spread, copies = (
            load_file(tmp_path / out / LAST / f"{name}.safetensors") for out in ("spread", "copies")
        )
        assert spread.keys() == copies.keys()
        for key, value in copies.items():
            apart = float((value - spread[key]).norm())  # Adam makes much of what was rounded
            assert apart <= 1e-2 * float(value.norm()) + 1e-7, key
    assert json.loads((tmp_path / "spread" / LAST / "state.json").read_text())["processes"] == 2
    load_predictor(tmp_path / "spread")

    shutil.copytree(tmp_path / "spread", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / LAST)  # as if it had been stopped
    assert train(tiny, tmp_path / "again", SPREAD, *encoder, resume=True) == ""
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        whole, resumed = (tmp_path / out / LAST / name for out in ("spread", "again"))
        assert whole.read_bytes() == resumed.read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("trunk", [False, True])
def test_what_cannot_be_spread_is_refused(
    trunk: bool, encoders: dict[str, Path], tiny: Path, tmp_path: Path
) -> None:
    changes = [f"model.encoder={encoders['t5']}", "weighting.name=mgda"] if trunk else []
    complaints = train(tiny, tmp_path / "out", SPREAD, *changes)
    wanted = "mgda needs whole gradients" if trunk else "this run has none; give one"
    assert wanted in " ".join(complaints.split())
