"""Runs that begin from the weights of a model folder."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from codemtl.errors import ModelError, UsageError
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.config import ModelConfig
from codemtl.model.copying import GOING_ON
from codemtl.model.network import Network
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.training.config import load_config
from codemtl.training.initial import load_initial, resolved
from codemtl.training.packing import counted
from codemtl.training.processes import join
from codemtl.training.run import Run, train, train_as

SIZES = ModelConfig(
    vocab_size=8192,
    width=16,
    layers=1,
    heads=2,
    hidden=16,
    decoder_layers=1,
    copying=True,
    copy_runs=True,
    siblings=True,
)
SETTINGS = [
    "threads=1", "accumulation=1", "micro_tokens=256", "evaluate_batches=1", "model.width=16",
    "model.layers=1", "model.heads=2", "model.hidden=16",
]  # fmt: skip


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A model that was never trained, with the tokenizer of the data."""
    torch.manual_seed(7)
    save_network(Network(SIZES), tmp_path / "model")
    shutil.copy(tiny / "tokenizer.json", tmp_path / "model")
    return tmp_path / "model"


def test_a_run_begins_with_the_weights(folder: Path, tiny: Path, tmp_path: Path) -> None:
    """At a learning rate of next to nothing, the model that is written is the one it began with."""
    still = ["learning_rate=1e-12", "warmup=0", "weight_decay=0", "tasks.reversal.share=0.5"]
    train(
        preset="tiny", data=tiny, out=tmp_path / "run", max_steps=1, init=folder,
        overrides=[*SETTINGS, *still],
    )  # fmt: skip
    before, after = (load_network(place)[0].state_dict() for place in (folder, tmp_path / "run"))
    assert {name for name in after if name not in before} == {
        name for name in after if name.startswith("reversal.")
    }
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-9, rtol=0)


def test_a_resumed_run_keeps_what_it_had_of_the_model_it_began_with(
    folder: Path, tiny: Path, tmp_path: Path
) -> None:
    config = json.loads((folder / "config.json").read_text())
    told = {"name": "parent", "calibration": {"threshold": 0.77}}
    (folder / "config.json").write_text(json.dumps({**config, **told}))

    def run(steps: int, **more: Any) -> dict[str, Any]:
        often = ["steps=3", "evaluate_every=1", "checkpoint_every=1"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "_ended", lambda self: self.trainer.step == steps)
            patch.setattr("codemtl.training.run.takewhile", lambda _, made: islice(made, steps))
            patch.setattr("codemtl.training.run.score", lambda row: next(rising))
            train(preset="tiny", data=tiny, out=tmp_path / "run", overrides=[*SETTINGS, *often],
                  **more)  # fmt: skip
        found: dict[str, Any] = json.loads((tmp_path / "run" / "config.json").read_text())
        return found

    rising = iter(range(100))
    assert told.items() <= run(1, init=folder).items()
    after = run(2, resume=True)
    assert told.items() <= after.items() and after["step"] == 3


def test_frozen_layers_stay_and_the_rest_learns(
    folder: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rising = iter(range(100))  # else the weights that it began with may be chosen
    monkeypatch.setattr("codemtl.training.run.score", lambda row: next(rising))
    deep = Network(ModelConfig(**{**SIZES.to_dict(), "layers": 2}))
    save_network(deep, folder)
    train(
        preset="tiny", data=tiny, out=tmp_path / "run", max_steps=2, init=folder,
        overrides=[*SETTINGS, "model.layers=2", "frozen_layers=1", "tasks.reversal.share=0"],
    )  # fmt: skip
    before, after = (load_network(place)[0].state_dict() for place in (folder, tmp_path / "run"))
    still = {name for name, value in before.items() if torch.equal(value, after[name])}
    words = {"encoder.embedding.weight", "encoder.place_embedding", "encoder.spelling_norm.weight"}
    first = {name for name in before if name.startswith("encoder.stack.layers.0.")}
    assert first | words <= still
    learned = {name for name in before if name.startswith(("encoder.stack.layers.1.", "repair."))}
    assert len(learned & still) < len(learned) / 4


def test_where_only_texts_learn_the_encoder_stays_to_the_bit_and_decoders_copy(
    folder: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rising = iter(range(100))  # else the weights that it began with may be chosen
    monkeypatch.setattr("codemtl.training.run.score", lambda row: next(rising))
    save_network(Network(replace(SIZES, copying=False, copy_runs=False, siblings=False)), folder)
    train(
        preset="tiny", data=tiny, out=tmp_path / "run", max_steps=2, init=folder,
        overrides=[
            *SETTINGS, "accumulation=6", "frozen_layers=1", "tasks.repair.share=0",
            "tasks.reversal.share=0", "diagnose_every=1", "affinity_every=1",
        ],
    )  # fmt: skip
    before, after = (load_network(place)[0].state_dict() for place in (folder, tmp_path / "run"))
    still = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert still == {name for name in before if name.startswith(("encoder.", "repair."))}
    new = after.keys() - before.keys()
    assert new and all(name.partition(".")[2].startswith("copying.") for name in new)
    for head in ("summarize", "generate"):
        assert after[f"{head}.copying.whether"].any(), "it begins at zero"
        assert (after[f"{head}.copying.going_on"] != GOING_ON).any()


@pytest.mark.parametrize("resume", [False, True])
def test_layers_are_not_frozen_as_they_begin_at_random(
    tiny: Path, tmp_path: Path, resume: bool
) -> None:
    settings = load_config(preset="tiny", overrides=[*SETTINGS, "frozen_layers=1"])
    with pytest.raises(UsageError, match=r"frozen_layers is 1, but .* name trained weights by"):
        train_as(settings, tiny, tmp_path / "run", resume=resume)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_without_a_compiler_a_run_on_the_cpu_goes_on_without_compiling(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    tokenizer, wanted = CodeTokenizer.load(tiny), load_config(preset="small")
    monkeypatch.setattr(join(), "device", torch.device(device))
    monkeypatch.delenv("TORCH_INDUCTOR_INSTALL_GXX", raising=False)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert resolved(wanted, tokenizer, tiny).compile is (device == "cuda")
    complaints = capsys.readouterr().err
    assert complaints.count("\n") == (device == "cpu")
    if device == "cpu":
        assert "there is no C++ compiler 'no-such-compiler', so nothing is compiled" in complaints
    monkeypatch.setenv("CXX", sys.executable)  # any program
    assert resolved(wanted, tokenizer, tiny).compile
    assert not resolved(replace(wanted, compile=False), tokenizer, tiny).compile
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("default")  # of the compiler
def test_compiled_heads_say_the_same(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured in graphs, but without the last step, which takes minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    settings = load_config(preset="tiny", overrides=SETTINGS)
    whole = replace(settings, compile=True, compile_heads=True, precision="no")
    plain, compiled = (Run(one, tiny, tmp_path) for one in (replace(whole, compile=False), whole))
    if not compiled.config.compile:
        pytest.skip("there is no compiler")
    assert {"words", "losses"} <= {
        *vars(compiled.trainer.network.encoder),
        *vars(compiled.trainer.network.repair),
    }
    compiled.trainer.network.load_state_dict(plain.trainer.network.state_dict())
    for task in ("repair", "summarize", "generate"):
        micro = plain.training[plain.training.tasks.index(task)]
        arrays = micro["arrays"] | counted(micro["arrays"])
        for dense in (True, False) if task == "repair" else (False,):
            found = []
            for run in (plain, compiled):
                run.trainer.network.zero_grad()
                terms = run.trainer.network(task, arrays, dense)
                torch.stack([one for one in terms.values() if one.requires_grad]).sum().backward()
                gradient = run.trainer.network.encoder.embedding.weight.grad
                assert gradient is not None
                found.append((terms, gradient.clone()))
            torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)


def test_noise_and_parts_of_the_data_are_for_training_alone(tiny: Path, tmp_path: Path) -> None:
    changes = ["data_fraction=0.5", "label_noise=0.3", "validation_fraction=0.25"]
    run = Run(load_config(preset="tiny", overrides=[*SETTINGS, *changes]), tiny, tmp_path)
    assert run.training.noise.rate == 0.3 and run.probes.data.noise.rate == 0
    sizes = {
        name: len(data.plans["generate"].members) / len(data.shards)
        for name, data in (("train", run.training), ("validation", run.probes.data))
    }
    assert sizes == pytest.approx({"train": 0.5, "validation": 0.25}, abs=0.03)


def test_what_does_not_fit_is_explained(folder: Path, tiny: Path, tmp_path: Path) -> None:
    wider = Network(ModelConfig(**{**SIZES.to_dict(), "width": 32}))
    with pytest.raises(UsageError, match=r"model\.width = 16, this run 32; give --set model"):
        load_initial(wider, folder, tiny)
    plain = Network(replace(SIZES, copying=False))
    with pytest.raises(UsageError, match=r"give --set model\.copying=true$"):
        load_initial(plain, folder, tiny)
    piece_by_piece = Network(replace(SIZES, copy_runs=False))
    with pytest.raises(UsageError, match=r"give --set model\.copy_runs=true$"):
        load_initial(piece_by_piece, folder, tiny)
    alone = Network(replace(SIZES, siblings=False))
    with pytest.raises(UsageError, match=r"give --set model\.siblings=true$"):
        load_initial(alone, folder, tiny)
    with pytest.raises(ModelError, match="no such model folder"):
        load_initial(Network(SIZES), tmp_path / "none", tiny)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="is not the tokenizer that"):
        load_initial(Network(SIZES), folder, tiny)
