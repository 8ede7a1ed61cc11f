"""A model folder that is broken in any way is refused, with the file and the fault named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from codemtl.errors import ModelError
from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.folder import CONFIG, WEIGHTS
from codemtl.model.network import Network

NORM = "encoder.stack.norm.weight"


@pytest.fixture
def folder(tmp_path: Path, network: Network) -> Path:
    save_network(network, tmp_path / "model", name="test", calibration={"threshold": 0.25})
    return tmp_path / "model"


def test_what_is_saved_is_loaded(folder: Path, network: Network) -> None:
    loaded, values = load_network(folder)
    assert values["calibration"] == {"threshold": 0.25}
    assert loaded.config == network.config
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert (folder / WEIGHTS).stat().st_mode & 0o044
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]


def test_int8_is_used_as_fp32_and_close_to_it(tmp_path: Path, network: Network) -> None:
    save_network(network, tmp_path, quantize=True)
    save_network(network, tmp_path / "whole")
    small, whole = ((folder / WEIGHTS).stat().st_size for folder in (tmp_path, tmp_path / "whole"))
    assert small < 0.32 * whole
    loaded, _ = load_network(tmp_path)
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    for name, value in network.state_dict().items():
        again = loaded.state_dict()[name]
        most = value.abs().amax(-1, keepdim=True) / 254 if value.ndim == 2 else torch.zeros(1)
        assert ((again - value).abs() <= most * 1.01).all(), name


def _edit(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return apply


def _set(**values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**config, **values}))

    return apply


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100]) and None


FAULTS: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("missing tensor", _edit(lambda t: t.pop(NORM)), WEIGHTS, f"lacks {NORM}"),
    ("unknown tensor", _edit(lambda t: t.update(x=torch.ones(2))), WEIGHTS, "unknown tensor x"),
    ("not finite", _edit(lambda t: t[NORM].fill_(float("nan"))), WEIGHTS, "not finite"),
    ("wrong shape", _edit(lambda t: t.update({NORM: torch.ones(3)})), WEIGHTS, "shape (3,)"),
    ("truncated", _cut(WEIGHTS), WEIGHTS, "cannot be read as weights"),
    ("no weights", lambda f: (f / WEIGHTS).unlink(), WEIGHTS, "cannot be read"),
    ("not JSON", lambda f: (f / CONFIG).write_text("{"), CONFIG, "cannot be read"),
    ("not text", lambda f: (f / CONFIG).write_bytes(b"\xff\xfe\x00"), CONFIG, "cannot be read"),
    ("a list", lambda f: (f / CONFIG).write_text("[]"), CONFIG, "not a codemtl model"),
    ("no config", lambda f: (f / CONFIG).unlink(), CONFIG, "cannot be read"),
    ("another kind", _set(model_type="bert"), CONFIG, "not a codemtl model"),
    ("other sizes", _set(layers=3), WEIGHTS, "lacks encoder.stack.layers.2"),
    ("no number", _set(width="64"), CONFIG, "model.width is '64'"),
    ("a fraction", _set(layers=2.5), CONFIG, "whole number"),
    ("other edits", _set(actions=7), CONFIG, "7 kinds of edit"),
]


@pytest.mark.parametrize(
    ("change", "file", "fault"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_broken_folder_is_refused(
    folder: Path, change: Callable[[Path], object], file: str, fault: str
) -> None:
    change(folder)
    with pytest.raises(ModelError) as caught:
        load_network(folder)
    assert str(folder / file) in str(caught.value)
    assert fault in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        load_network(tmp_path / "none")


def test_an_atomic_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
