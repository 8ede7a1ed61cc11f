"""Several processes: replicas that stay identical, and equal to one process with all the data."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate import Accelerator
from safetensors.torch import load_file

import codemtl.errors
from codemtl.errors import UsageError
from codemtl.training.run import train
from codemtl.training.weighting import METHODS

RANKS = Path(__file__).parent / "ranks.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    package = Path(codemtl.errors.__file__).parents[1]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(package)}


def start(data: Path, out: Path, rank: int, world: int, port: int) -> subprocess.Popen[bytes]:
    setting = environment() | {"ACCELERATE_USE_CPU": "true"}
    if world > 1:
        setting |= {
            "WORLD_SIZE": str(world), "RANK": str(rank), "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, str(RANKS), str(data), str(out)], env=setting, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Two ranks and, beside them, one process, each with every weighting."""
    out, port = tmp_path_factory.mktemp("ranks"), free_port()
    started = [start(tiny, out, rank, 2, port) for rank in range(2)] + [start(tiny, out, 0, 1, 0)]
    for process in started:
        _, complaints = process.communicate(timeout=1200)
        assert process.returncode == 0, complaints.decode()
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_replicas_stay_identical_and_equal_one_process(trained: Path, name: str) -> None:
    digests = [(trained / f"{name}-{rank}of2.sha256").read_text() for rank in range(2)]
    assert digests[0] == digests[1]
    two = load_file(trained / f"{name}-0of2.safetensors")
    one = load_file(trained / f"{name}-0of1.safetensors")
    for key, value in one.items():
        bound = 1e-4 * float(value.abs().max())
        assert float((value - two[key]).abs().max()) <= bound, key


@pytest.mark.slow
def test_the_weightings_lead_to_different_networks(trained: Path) -> None:
    digests = {(trained / f"{name}-0of1.sha256").read_text() for name in METHODS}
    assert len(digests) == len(METHODS)


def launched(launcher: list[str], data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """A short training under a launcher, as the README writes it."""
    command = [
        sys.executable, "-m", *launcher, "-m", "codemtl", "train", "--preset", "tiny",
        "--data", str(data), "--out", str(out), "--max-steps", "4",
    ]  # fmt: skip
    for part in ("weighting.name=famo", "threads=1", "evaluate_batches=1", "micro_tokens=512"):
        command += ["--set", part]
    command += more
    setting = environment() | {"ACCELERATE_USE_CPU": "true"}
    return subprocess.Popen(command, env=setting, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def assert_trained_together(out: Path) -> None:
    state = json.loads((out / "checkpoints" / "step-0000004" / "state.json").read_text())
    assert state["processes"] == 2 and state["weighting"]["step"] == 4
    assert (out / "report.html").is_file()


@pytest.mark.slow
def test_accelerate_launch_trains_on_two_processes(tiny: Path, tmp_path: Path) -> None:
    launcher = [
        "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port",
        str(free_port()),
    ]  # fmt: skip
    process = launched(launcher, tiny, tmp_path / "run")
    _, complaints = process.communicate(timeout=900)
    assert process.returncode == 0, complaints.decode()
    assert_trained_together(tmp_path / "run")


@pytest.mark.slow
def test_two_processes_agree_on_the_clock(tiny: Path, tmp_path: Path) -> None:
    launcher = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port())]
    options = ["--time-budget", "20s", "--max-steps", "100000"]
    for part in ("log_every=1", "tasks.summarize.share=0", "tasks.generate.share=0"):
        options += ["--set", part]
    process = launched(launcher, tiny, tmp_path / "run", *options)
    _, complaints = process.communicate(timeout=900)
    assert process.returncode == 0, complaints.decode()
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    state = json.loads((newest / "state.json").read_text())
    assert state["processes"] == 2 and state["clock"]["progress"] == 1.0
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    stages = [row for row in rows if "repair/weight" in row]
    assert "repair/token" in stages[0]  # many bugs a function at first, one at the end
    assert "repair/token" not in stages[-1] and "repair/site" in stages[-1]


def torchrun(node: int, port: str) -> list[str]:
    return [
        "torch.distributed.run", "--nnodes", "2", "--node_rank", str(node),
        "--nproc_per_node", "1", "--master_addr", "127.0.0.1", "--master_port", port,
    ]  # fmt: skip


def accelerate_launch(node: int, port: str) -> list[str]:
    """As the README writes it for two machines."""
    return [
        "accelerate.commands.launch", "--multi_gpu", "--num_machines", "2", "--num_processes", "2",
        "--machine_rank", str(node), "--main_process_ip", "127.0.0.1",
        "--main_process_port", port, "--mixed_precision", "no", "--dynamo_backend", "no",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [torchrun, accelerate_launch])
def test_two_nodes_train_together(
    launcher: Callable[[int, str], list[str]], tiny: Path, tmp_path: Path
) -> None:
    """Two nodes of one process each, both on this machine."""
    port = str(free_port())
    started = [launched(launcher(node, port), tiny, tmp_path / "run") for node in range(2)]
    told = []
    for process in started:
        said, complaints = process.communicate(timeout=900)
        assert process.returncode == 0, complaints.decode()
        told.append(said.decode())
    assert "wrote" in told[0] and not told[1]
    assert_trained_together(tmp_path / "run")


def test_processes_that_do_not_meet_are_refused(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path
) -> None:
    Accelerator(cpu=True)  # this process is alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="the launcher started 2 processes, but 1 would train"):
        train(preset="tiny", data=tiny, out=tmp_path / "run")
