"""A pretrained encoder as the trunk: found, loaded, trained, saved, and used without its folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from codemtl.errors import CodemtlError, MissingExtraError, ModelError
from codemtl.inference import load_predictor
from codemtl.inference.torch_runtime import TorchPredictor
from codemtl.model.adapters import tune
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.config import ModelConfig
from codemtl.model.folder import CONFIG, WEIGHTS
from codemtl.model.multitask import CodeMTLModel
from codemtl.model.network import Network
from codemtl.model.pretrained import find, load_weights
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.model.trunk import TrunkEncoder
from codemtl.syntax.definitions import functions
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import parse
from codemtl.training.compare.held_out import HeldOut, judge
from codemtl.training.loop import MicroBatch, Trainer
from codemtl.training.run import train

ROOT = Path(__file__).parents[2]
TREE = parse((ROOT / "data" / "example_buggy.py").read_bytes())
TRUNK = "encoder.trunk."
SHORT = [
    "threads=1", "accumulation=3", "micro_tokens=512", "checkpoint_every=1", "evaluate_every=3",
    "evaluate_batches=1", "log_every=1", "diagnose_every=2", "warmup=1",
]  # fmt: skip


def trained(
    data: Path, out: Path, encoder: Path, *changes: str, resume: bool = False,
    init: Path | None = None,
) -> None:  # fmt: skip
    settings = [*SHORT, f"model.encoder={encoder}", *changes]
    train(
        preset="tiny", data=data, out=out, max_steps=3, overrides=settings, resume=resume, init=init
    )


def network(config: ModelConfig) -> Network:
    torch.manual_seed(0)
    made = Network(config)
    assert isinstance(made.encoder, TrunkEncoder)
    load_weights(made.encoder, config.encoder)
    return made


def moved(before: Network, folder: Path) -> set[str]:
    """Which tensors of the trunk training has changed."""
    after = load_file(folder / WEIGHTS)
    state = {name: value for name, value in before.state_dict().items() if TRUNK in name}
    return {name for name, value in state.items() if not torch.equal(value, after[name])}


def findings(folder: Path) -> list[tuple[str, float]]:
    predictor = load_predictor(folder)
    found = predictor.repair(TREE, functions(TREE), analyze(TREE))
    assert all(found)
    return [(one.replacement, one.confidence) for row in found for one in row]


@pytest.mark.parametrize("name", ["roberta", "t5", "modernbert"])
def test_the_trunk_has_its_pretrained_weights(
    name: str, encoders: dict[str, Path], configured: Callable[..., ModelConfig]
) -> None:
    state = network(configured(name)).state_dict()
    stored = load_file(encoders[name] / WEIGHTS)
    prefix = "encoder." if name == "t5" else ""
    for key in (key for key in state if TRUNK in key and "embed_tokens" not in key):
        assert torch.equal(state[key], stored[prefix + key.removeprefix(TRUNK)]), key
    assert not any("pooler" in key or "decoder" in key for key in state if TRUNK in key)


@pytest.mark.parametrize("name", ["roberta", "t5", "modernbert"])
def test_a_trained_folder_needs_the_encoders_folder_no_more(
    name: str, encoders: dict[str, Path], configured: Callable[..., ModelConfig],
    tiny: Path, tmp_path: Path,
) -> None:  # fmt: skip
    before = network(configured(name))
    own = tmp_path / "encoder"
    shutil.copytree(encoders[name], own)
    trained(tiny, tmp_path / "out", own)
    shutil.rmtree(own)
    assert len(moved(before, tmp_path / "out")) > 5, "the trunk is trained too"
    trunk = load_network(tmp_path / "out")[0]
    assert trunk.config.trunk is not None
    respelling = Respelling.load(tmp_path / "out", CodeTokenizer.load(tiny), trunk.config.trunk)
    outcomes = judge(trunk, HeldOut.of(tiny, "validation", 0.5, respelling), ["repair"], 2)
    assert len(outcomes["repair"]["joint"][0]) == 2
    wanted = findings(tmp_path / "out")
    model = CodeMTLModel.from_pretrained(tmp_path / "out")
    model.save_pretrained(tmp_path / "saved")
    assert findings(tmp_path / "saved") == wanted
    predictor = load_predictor(tmp_path / "out")
    assert isinstance(predictor, TorchPredictor)
    assert len(predictor.summarize(TREE, functions(TREE)[:1])) == 1
    ids = torch.tensor([predictor.tokenizer.encode("def f(x): return x")])
    with torch.no_grad():
        assert model(ids).last_hidden_state.shape == (1, ids.shape[1], 64)


def test_a_frozen_trunk_stays_as_it_was(
    encoders: dict[str, Path], configured: Callable[..., ModelConfig], tiny: Path, tmp_path: Path
) -> None:
    trained(tiny, tmp_path / "out", encoders["t5"], "model.tuning=frozen", "weighting.name=pcgrad")
    assert not moved(network(configured("t5")), tmp_path / "out")


def test_a_run_with_adapters_resumes_to_the_bit_and_saves_a_plain_trunk(
    encoders: dict[str, Path], configured: Callable[..., ModelConfig], tiny: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("peft")
    lora = ["model.tuning=lora", "model.lora_rank=2"]
    trained(tiny, tmp_path / "whole", encoders["roberta"], *lora)
    step = Trainer.train_step

    def interrupted(self: Trainer, window: list[MicroBatch]) -> dict[str, float]:
        if self.step == 2:
            raise KeyboardInterrupt
        return step(self, window)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "train_step", interrupted)
        trained(tiny, tmp_path / "out", encoders["roberta"], *lora)
    trained(tiny, tmp_path / "out", encoders["roberta"], *lora, resume=True)
    data = [(tmp_path / out / WEIGHTS).read_bytes() for out in ("whole", "out")]
    assert data[0] == data[1]
    changed = moved(network(configured("roberta")), tmp_path / "out")
    assert changed and all(key.endswith("weight") and "embedding" not in key for key in changed)
    assert not any(
        "lora" in key or "base_layer" in key for key in load_file(tmp_path / "out" / WEIGHTS)
    )
    assert findings(tmp_path / "out")


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_run_may_begin_with_a_trained_folder_alone(
    tuning: str, encoders: dict[str, Path], tiny: Path, tmp_path: Path
) -> None:
    """Trained further at next to no rate, the model is the one that it began with."""
    if tuning == "lora":
        pytest.importorskip("peft")
    own, changes = tmp_path / "encoder", (f"model.tuning={tuning}", "model.lora_rank=2")
    shutil.copytree(encoders["roberta"], own)
    trained(tiny, tmp_path / "first", own, *changes)
    shutil.rmtree(own)
    still = ("learning_rate=1e-12", "warmup=0", "weight_decay=0")
    trained(tiny, tmp_path / "second", own, *changes, *still, init=tmp_path / "first")
    before, after = (load_file(tmp_path / out / WEIGHTS) for out in ("first", "second"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-9, rtol=0)


def test_adapters_added_in_give_the_same_states(
    configured: Callable[..., ModelConfig], tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = configured("modernbert", tuning="lora", lora_rank=2)
    made = network(config).eval()
    assert isinstance(made.encoder, TrunkEncoder)
    tune(made.encoder, config)
    trainable = {
        name for name, value in made.encoder.trunk.named_parameters() if value.requires_grad
    }
    assert trainable and all("lora_" in name for name in trainable)
    for name, value in made.encoder.trunk.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value)
    save_network(made, tmp_path)
    plain, _ = load_network(tmp_path)
    ids = torch.randint(5, 600, (2, 20))
    assert isinstance(plain.encoder, TrunkEncoder)
    states: list[Tensor] = [
        trunk(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        for trunk in (made.encoder.trunk, plain.encoder.trunk)
    ]
    torch.testing.assert_close(states[0], states[1], rtol=1e-4, atol=1e-4)


def test_dropout_stays_off_in_the_trunk(configured: Callable[..., ModelConfig]) -> None:
    made = network(configured("roberta")).train()
    assert isinstance(made.encoder, TrunkEncoder)
    assert made.training and made.encoder.training and not made.encoder.trunk.training


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)


def test_missing_packages_name_the_line_that_installs_them(
    configured: Callable[..., ModelConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured("t5", tuning="lora")
    made = network(config)
    assert isinstance(made.encoder, TrunkEncoder)
    without("peft", monkeypatch)
    with pytest.raises(MissingExtraError, match=r"peft .* pip install 'codemtl\[lora\]'"):
        tune(made.encoder, config)
    without("transformers", monkeypatch)
    with pytest.raises(MissingExtraError, match=r"transformers .* pip install 'codemtl\[train\]'"):
        Network(config)


def _unreadable(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "nothing-known"}))


def _pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def _incomplete(folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = load_file(folder / WEIGHTS)
    tensors.pop("encoder.layer.1.output.dense.weight")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_unreadable, "cannot read the configuration of the encoder"),
        (_pickled, "nothing is unpickled"),
        (_incomplete, r"lacks the weights encoder\.layer\.1\.output\.dense\.weight"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_explained(
    encoders: dict[str, Path],
    tiny: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    fault: str,
) -> None:
    own = tmp_path / "encoder"
    shutil.copytree(encoders["roberta"], own)
    change(own)
    with pytest.raises(ModelError, match=fault) as caught:
        trained(tiny, tmp_path / "out", own)
    assert str(own) in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["./none", "/none/at/all", "a/b/c"])
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=f"no folder {name}"):
        find(name)


def test_a_name_on_the_hub_without_a_network_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CodemtlError, match=r"encoder microsoft/unixcoder-base: .* while there is"):
        find("microsoft/unixcoder-base")


@pytest.mark.parametrize(
    ("trunk", "fault"),
    [
        ({"architecture": {}}, "broken"),
        ({"window": "64"}, "trunk.window is '64'"),
        ({"architecture": {"model_type": "no-such"}}, "cannot build the encoder of type 'no-such'"),
    ],
)
def test_a_broken_trunk_in_a_model_folder_is_refused(
    configured: Callable[..., ModelConfig], tmp_path: Path, trunk: dict[str, object], fault: str
) -> None:
    save_network(network(configured("roberta")), tmp_path)
    values = json.loads((tmp_path / CONFIG).read_text())
    values["trunk"] = {**values["trunk"], **trunk}
    if fault == "broken":
        del values["trunk"]["end"]
    (tmp_path / CONFIG).write_text(json.dumps(values))
    with pytest.raises(ModelError, match=fault):
        load_network(tmp_path)
