"""The transformers model and the plain network read and write the same folders."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from codemtl.inference import load_predictor
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.config import PRESETS
from codemtl.model.folder import CONFIG, WEIGHTS
from codemtl.model.network import Heads, Network
from codemtl.tasks.batches import Batch

pytest.importorskip("transformers")

from transformers import AutoConfig, AutoModel

from codemtl.model.multitask import CodeMTLConfig, CodeMTLModel


@pytest.fixture
def folder(tmp_path: Path, network: Network, tiny: Path) -> Path:
    folder = tmp_path / "trained"
    save_network(network, folder, name="test", calibration={"threshold": 0.25}, step=7)
    shutil.copy(tiny / "tokenizer.json", folder)
    return folder


def scores(network: Heads, batch: Batch) -> list[torch.Tensor]:
    arrays = {key: torch.from_numpy(value) for key, value in batch.arrays.items()}
    with torch.no_grad():
        return list(network.repair_scores(arrays))


def test_round_trip_gives_identical_scores(
    folder: Path, tmp_path: Path, batches: dict[str, Batch]
) -> None:
    batch = batches["repair"]
    wanted = scores(load_network(folder)[0], batch)
    model, report = CodeMTLModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    model.save_pretrained(tmp_path / "saved")
    again, values = load_network(tmp_path / "saved")
    for network in (model, again, CodeMTLModel.from_pretrained(tmp_path / "saved")):
        assert all(map(torch.equal, scores(network, batch), wanted))
    assert values["calibration"] == {"threshold": 0.25}
    assert (values["name"], values["step"]) == ("test", 7)
    data = (tmp_path / "saved" / WEIGHTS).read_bytes()
    assert values["sha256"] == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "saved" / WEIGHTS).stat().st_mode & 0o044
    assert (tmp_path / "saved" / "tokenizer.json").is_file()


def test_changed_weights_have_another_digest(folder: Path, tmp_path: Path) -> None:
    before = json.loads((folder / CONFIG).read_text())["sha256"]
    model = CodeMTLModel.from_pretrained(folder)
    with torch.no_grad():
        model.encoder.stack.norm.weight.add_(1.0)
    model.save_pretrained(tmp_path / "saved")
    after = load_network(tmp_path / "saved")[1]["sha256"]
    assert after != before
    assert after == hashlib.sha256((tmp_path / "saved" / WEIGHTS).read_bytes()).hexdigest()


def test_weights_in_int8_are_used_as_fp32(
    tmp_path: Path, network: Network, batches: dict[str, Batch]
) -> None:
    save_network(network, tmp_path, quantize=True)
    wanted = scores(load_network(tmp_path)[0], batches["repair"])
    for dtype in ("auto", torch.float16):
        model = CodeMTLModel.from_pretrained(tmp_path, dtype=dtype)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert all(map(torch.equal, scores(model, batches["repair"]), wanted))


def test_a_model_from_int8_is_saved_whole(tmp_path: Path, network: Network, tiny: Path) -> None:
    save_network(network, tmp_path / "small", quantize=True)
    shutil.copy(tiny / "tokenizer.json", tmp_path / "small")
    model, report = CodeMTLModel.from_pretrained(tmp_path / "small", output_loading_info=True)
    assert not any(report.values()), report
    model.save_pretrained(tmp_path / "saved")
    assert load_predictor(tmp_path / "saved").name


def test_auto_classes_know_the_model(folder: Path) -> None:
    assert isinstance(AutoConfig.from_pretrained(folder), CodeMTLConfig)
    model = AutoModel.from_pretrained(folder)
    assert isinstance(model, CodeMTLModel)
    ids = torch.randint(16, 8192, (2, 9))
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    with torch.no_grad():
        both = model(ids, mask).last_hidden_state
        alone = model(ids[1:, :5]).last_hidden_state
    torch.testing.assert_close(both[1, :5], alone[0], rtol=1e-4, atol=1e-5)


def test_a_new_model_is_initialised_as_the_plain_network() -> None:
    sizes = PRESETS["tiny"]
    plain = Network(sizes).state_dict()
    fresh = CodeMTLModel(CodeMTLConfig(**sizes.to_dict())).state_dict()
    assert plain.keys() == fresh.keys()
    for name, value in plain.items():
        if value.numel() > 500:
            assert float(fresh[name].std()) == pytest.approx(float(value.std()), rel=0.2), name


def test_the_package_offers_the_model_without_loading_it() -> None:
    program = (
        "import sys, codemtl\nassert 'CodeMTLModel' in dir(codemtl)\n"
        "assert 'transformers' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_word_ids_join_pieces_into_words(folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    model = AutoModel.from_pretrained(folder)
    found = tokenizer("some_unusual_identifier=1", return_tensors="pt")
    words = torch.tensor([found.word_ids(0)])
    assert int(words.max()) == 2 and len(words[0]) > 3
    with torch.no_grad():
        states = model(found.input_ids, found.attention_mask, words).last_hidden_state
    assert states.shape[:2] == (1, 3)
