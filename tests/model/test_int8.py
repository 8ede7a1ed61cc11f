from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from codemtl.inference.torch_runtime import load
from codemtl.model.config import INT8_VARIABLE
from codemtl.model.int8 import Int8Linear, has_int8, use_int8

fast = pytest.mark.skipif(not has_int8(), reason="this CPU has no instructions for int8")


def layer(width: int = 64, out: int = 48) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(width, out, bias=False).requires_grad_(False)


@pytest.mark.parametrize("shape", [(1, 64), (3, 5, 64), (2, 1, 1, 64)])
def test_products_are_right_to_a_hundredth(shape: tuple[int, ...]) -> None:
    exact, x = layer(), torch.randn(shape)
    y = Int8Linear(exact)(x)
    assert y.shape == (*shape[:-1], 48) and y.dtype == torch.float32
    assert (y - exact(x)).norm() <= 0.015 * exact(x).norm()


def test_a_row_does_not_depend_on_the_others() -> None:
    rounded, x = Int8Linear(layer()), torch.randn(7, 64)
    x[3] *= 1e4
    x[4] = 0
    for row in range(7):
        assert torch.equal(rounded(x)[row], rounded(x[row : row + 1])[0])
    assert not rounded(x)[4].any()


def test_stored_weights_are_used_as_they_are_stored() -> None:
    exact = layer()
    exact.weight.copy_((exact.weight * 1000).round().clamp(-127, 127))
    exact.weight[:, 0] = 127
    assert torch.equal(Int8Linear(exact).weight_DM.t().float(), exact.weight)


@fast
def test_models_are_used_so_where_the_cpu_can(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layers(whole: bool) -> list[nn.Module]:
        network = load(untrained).network
        kind = Int8Linear if whole else nn.Linear
        return [one for one in network.encoder.modules() if isinstance(one, kind)]

    assert load(untrained).device == "cpu, int8"
    assert layers(True) and not layers(False)
    monkeypatch.setenv(INT8_VARIABLE, "0")
    assert load(untrained).device == "cpu"
    assert layers(False) and not layers(True)


def test_layers_with_a_bias_stay(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INT8_VARIABLE, "0")
    network = load(untrained).network
    use_int8(network)
    assert isinstance(network.repair.site, nn.Linear)
    assert isinstance(network.summarize.layers[0].self_attention.qkv, Int8Linear)


def test_a_processor_that_saturates_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: (a.float() @ b.float()).clamp(min=-(2**15)))
    assert not has_int8()
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    assert not has_int8()
