"""The ONNX runtime says what the network says, in fp32 to the last digits, in int8 nearly so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from codemtl.errors import ModelError
from codemtl.inference import load_predictor, onnx_runtime, torch_runtime
from codemtl.inference.onnx_runtime import OnnxPredictor
from codemtl.inference.predictor import RepairRequest
from codemtl.inference.torch_runtime import TorchPredictor
from codemtl.model.checkpoints import save_network
from codemtl.model.config import INT8_VARIABLE, ModelConfig
from codemtl.model.folder import WEIGHTS
from codemtl.model.network import Network
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import SourceTree, parse

ROOT = Path(__file__).parents[2]
Tensors = dict[str, NDArray[Any]]


@pytest.fixture(scope="module", params=[False, True], ids=["fp32", "stored in int8"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A network in which nothing is zero, as the initial one has it in places."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    network = Network(ModelConfig(width=48, layers=3, heads=4, hidden=40))
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn_like(value), alpha=0.1)
    save_network(network, folder, quantize=request.param)
    shutil.copy(ROOT / "data" / "tiny" / "tokenizer.json", folder)
    return folder


@pytest.fixture(scope="module")
def tree() -> SourceTree:
    more = (
        b"\n\ndef alone():\n    return 1\n\n\nclass A:\n    def f(self, x):\n        self.x = y\n"
    )
    return parse((ROOT / "data" / "example_buggy.py").read_bytes() + more)


def said(predictor: OnnxPredictor | TorchPredictor, tree: SourceTree) -> dict[Any, list[float]]:
    """The parts of every edit of every function, by place and replacement."""
    request = RepairRequest(tree, functions(tree), analyze(tree))
    return {
        (owner, one.edit): [one.bug_logit, one.p_site, one.p_edit]
        for _, owner, found in predictor.scored_edits([request], 10_000)
        for one in (weighed.scored for weighed in found)
    }


def test_it_says_what_torch_says(
    folder: Path, tree: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INT8_VARIABLE, "0")
    exact, ours = said(torch_runtime.load(folder), tree), onnx_runtime.load(folder)
    assert ours.device == "cpu"
    found = said(ours, tree)
    assert found.keys() == exact.keys() and len(found) > 500
    for key, parts in found.items():
        assert parts == pytest.approx(exact[key], rel=1e-3, abs=1e-6), key


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_are_read(
    folder: Path, tree: SourceTree, tmp_path: Path, kind: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(INT8_VARIABLE, "0")
    shutil.copytree(folder, tmp_path / "half")
    file = tmp_path / "half" / WEIGHTS
    half = {
        name: value.to(kind) if value.is_floating_point() else value
        for name, value in safetensors.torch.load_file(file).items()
    }
    safetensors.torch.save_file(half, file)
    exact, found = (
        said(one.load(tmp_path / "half"), tree) for one in (torch_runtime, onnx_runtime)
    )
    for key, parts in found.items():
        assert parts == pytest.approx(exact[key], rel=1e-3, abs=1e-6), key


@pytest.mark.parametrize("steps", [onnx_runtime._steps(), 63])
def test_in_int8_it_says_nearly_the_same(
    folder: Path, tree: SourceTree, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(INT8_VARIABLE, raising=False)
    monkeypatch.setattr(onnx_runtime, "_steps", lambda: steps)
    ours = onnx_runtime.load(folder)
    assert ours.device == "cpu, int8"
    found = said(ours, tree)
    monkeypatch.setenv(INT8_VARIABLE, "0")
    exact = said(onnx_runtime.load(folder), tree)
    assert found.keys() == exact.keys()
    apart = np.array([found[key] for key in exact]) - np.array([*exact.values()])
    assert 0 < np.abs(apart).mean() < 0.05 * np.abs(np.array([*exact.values()])).mean()


def test_a_function_does_not_depend_on_its_company(folder: Path, tree: SourceTree) -> None:
    ours, scopes = onnx_runtime.load(folder), analyze(tree)
    together = said(ours, tree)
    for owner, function in enumerate(functions(tree)):
        request = RepairRequest(tree, [function], scopes)
        for *_, found in ours.scored_edits([request], 10_000):
            for one in (weighed.scored for weighed in found):
                parts = [one.bug_logit, one.p_site, one.p_edit]
                assert parts == pytest.approx(together[owner, one.edit], rel=1e-3, abs=1e-5)


def test_weights_are_halved_where_sums_saturate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert onnx_runtime._steps() in (63, 127)

    class Saturating:
        def run(self, _: object, most: Tensors) -> list[NDArray[Any]]:
            pairs = np.einsum("ij,jk->ikj", *(most[key].astype(int) for key in "xw"))
            sums = pairs.reshape(64, 64, 32, 2).sum(-1)
            return [np.clip(sums, -(2**15), 2**15 - 1).sum(-1)]

    monkeypatch.setattr(onnx_runtime, "_session", lambda *_: Saturating())
    assert onnx_runtime._steps() == 63


def test_texts_are_left_to_torch(folder: Path, tree: SourceTree) -> None:
    predictor = load_predictor(folder)
    assert isinstance(predictor, OnnxPredictor)
    assert "texts" not in vars(predictor)
    assert len(predictor.summarize(tree, functions(tree)[:1])) == 1
    assert isinstance(predictor.texts, TorchPredictor)


def _without(tensors: Tensors) -> None:
    del tensors["repair.query.weight"]


def _narrow(tensors: Tensors) -> None:
    tensors["repair.query.bias"] = tensors["repair.query.bias"][:-1].copy()


def _infinite(tensors: Tensors) -> None:
    tensors["encoder.stack.norm.weight"][0] = np.inf


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_without, "it lacks repair.query.weight"),
        (_narrow, r"repair.query.bias has shape \(47,\), config.json asks for \(48,\)"),
        (_infinite, "encoder.stack.norm.weight holds values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[Tensors], None], fault: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    tensors = load_file(broken / WEIGHTS)
    change(tensors)
    save_file(tensors, broken / WEIGHTS)
    with pytest.raises(ModelError, match=f"{WEIGHTS}: {fault}"):
        load_predictor(broken)


def test_its_makers_are_told_nothing(tmp_path: Path) -> None:
    """Else it writes a data base to the cache, and a file to the temporary folder."""
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(tmp_path))
    program = "import codemtl.inference.onnx_runtime"
    subprocess.run([sys.executable, "-c", program], env=environment | places, check=True)
    assert list(tmp_path.iterdir()) == []
