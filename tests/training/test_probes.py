"""Diagnostics look at the network and change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from codemtl.model.config import PRESETS
from codemtl.model.network import Network
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import Layout
from codemtl.training.config import load_config
from codemtl.training.gradients import shared_parameters
from codemtl.training.mixture import MicroBatches
from codemtl.training.probes import SIZE, Probes, as_row
from codemtl.training.run import train
from codemtl.training.shards import Shards

STAGES = {"repair": "dense", "summarize": "", "generate": ""}
TASKS = list(STAGES)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(PRESETS["tiny"])


@pytest.fixture
def probes(tiny: Path, specials: SpecialIds, layout: Layout) -> Probes:
    config = load_config(preset="tiny")
    data = MicroBatches(
        Shards(tiny, "validation"), specials, layout, config, micro_batches=1, shrink=SIZE
    )
    return Probes(config, data, Accelerator(cpu=True))


def test_a_look_leaves_no_trace(network: Network, probes: Probes) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    probes.look(network, shared_parameters(network), 3, STAGES, affinity=True)
    probes.fixed_losses(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(random, torch.random.get_rng_state())
    assert network.training


def test_cosines_and_norms_are_those_of_backward(network: Network, probes: Probes) -> None:
    shared = shared_parameters(network)
    look = probes.look(network, shared, 1, STAGES)
    rows = []
    for task in TASKS:
        network.zero_grad()
        probes._loss(network, probes._probe(task, 1, STAGES[task])).backward()
        rows.append(torch.cat([p.grad.flatten() for p in shared if p.grad is not None]).double())
    assert look.tasks == TASKS and look.affinity is None
    assert look.norms == pytest.approx([float(row.norm()) for row in rows], rel=1e-3)
    for i in range(3):
        for j in range(3):
            cosine = float(torch.cosine_similarity(rows[i], rows[j], dim=0))
            assert look.cosines[i][j] == pytest.approx(cosine, abs=1e-4)


def test_a_step_on_a_task_lowers_its_own_loss(network: Network, probes: Probes) -> None:
    look = probes.look(network, shared_parameters(network), 2, STAGES, affinity=True)
    assert look.affinity is not None
    assert all(look.affinity[i][i] > 0 for i in range(3))
    row = as_row(look)
    assert row["affinity/repair/generate"] == look.affinity[0][2]
    assert row["cosine/repair/generate"] == look.cosines[0][2]
    assert "cosine/generate/repair" not in row


def test_the_fixed_probe_stays_the_same(network: Network, probes: Probes) -> None:
    first = probes.fixed_losses(network)
    assert set(first) == set(TASKS)
    probes.look(network, shared_parameters(network), 9, STAGES)
    assert probes.fixed_losses(network) == first


def test_diagnostics_do_not_change_the_training_by_a_bit(tiny: Path, tmp_path: Path) -> None:
    settings = ["threads=1", "accumulation=2", "micro_tokens=512", "evaluate_batches=1"]
    for name, every in (("often", ["diagnose_every=1", "affinity_every=2"]), ("never", [])):
        train(
            preset="tiny", data=tiny, out=tmp_path / name, max_steps=6,
            overrides=["diagnose_every=100", *settings, *every],
        )  # fmt: skip
    last = Path("checkpoints") / "step-0000006"
    for name in ("model.safetensors", "optimizer.safetensors"):
        often, never = (tmp_path / run / last / name for run in ("often", "never"))
        assert often.read_bytes() == never.read_bytes()
    log = (tmp_path / "often" / "log.jsonl").read_text()
    rows = [json.loads(line) for line in log.splitlines()]
    assert sum("cosine/repair/summarize" in row for row in rows) == 6
    assert sum("affinity/summarize/repair" in row for row in rows) == 3
