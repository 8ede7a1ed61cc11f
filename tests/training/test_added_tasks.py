"""A task is one class and its registration: it trains, is judged, resumes, and is asked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

import codemtl
from codemtl.errors import CodemtlError, ModelError, UsageError
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.config import PRESETS, ModelConfig
from codemtl.model.folder import CONFIG
from codemtl.model.multitask import CodeMTLModel
from codemtl.model.network import Network
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse
from codemtl.tasks.batches import SpecialIds, encoder_input
from codemtl.tasks.example import Example, Ints, Layout, line_spans, piece_ids
from codemtl.tasks.registry import SHIPPED, TASKS
from codemtl.tasks.task import FunctionToText, Vocabulary
from codemtl.training.config import load_config
from codemtl.training.loop import Trainer
from codemtl.training.mixture import MicroBatches
from codemtl.training.probes import Probes
from codemtl.training.run import train
from codemtl.training.shards import Shards
from codemtl.training.weighting import METHODS, make_weighting

SHORT = [
    "threads=1", "accumulation=2", "micro_tokens=1024", "checkpoint_every=2", "evaluate_every=2",
    "evaluate_batches=3", "diagnose_every=2", "log_every=1",
]  # fmt: skip
README = (Path(codemtl.__file__).parent / "tasks" / "README.md").read_text("utf-8")


class Header(FunctionToText):
    """A body in, its header out."""

    name = "header"
    limit = 16

    def prompt(self, example: Example, vocabulary: Vocabulary) -> Ints:
        end = line_spans(example.pieces, vocabulary.layout)[0][1]
        return encoder_input(vocabulary.specials, example.context, example.pieces[end:])[0]

    def target(self, example: Example, vocabulary: Vocabulary) -> Ints:
        start, end = line_spans(example.pieces, vocabulary.layout)[0]
        return piece_ids(example.pieces[start:end])[: self.limit - 1]


def run(data: Path, out: Path, *changes: str, resume: bool = False) -> dict[str, float]:
    return train(
        preset="tiny", data=data, out=out, max_steps=4, resume=resume, overrides=[*SHORT, *changes]
    )


@pytest.fixture(scope="module")
def four(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the three tasks and the fourth."""
    out = tmp_path_factory.mktemp("four")
    chosen = run(tiny, out, "tasks.name.share=1")
    assert 0 <= chosen["name/subtoken_f1"] <= 1
    return out


def test_the_fourth_task_is_judged_and_shown(four: Path) -> None:
    metrics = json.loads((four / "metrics.json").read_text())
    measures = {key for key in metrics["validation"] if key.startswith("name/")}
    assert measures == {
        "name/text", "name/text_accuracy", "name/exact_match", "name/subtoken_precision",
        "name/subtoken_recall", "name/subtoken_f1",
    }  # fmt: skip
    parts = [metrics["validation"][f"{name}/{TASKS[name].score}"] for name in (*SHIPPED, "name")]
    assert metrics["score"] == pytest.approx(sum(parts) / 4)
    rows = [json.loads(line) for line in (four / "log.jsonl").read_text().splitlines()]
    logged = set().union(*rows)
    assert {"name/loss", "name/weight", "name/share", "cosine/repair/name"} <= logged
    page = (four / "report.html").read_text()
    assert "Joint training of 4 tasks" in page and "subtoken_f1" in page


def test_it_resumes_to_the_same_bits(four: Path, tiny: Path, tmp_path: Path) -> None:
    last = Path("checkpoints") / "step-0000004"
    shutil.copytree(four, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / last)
    run(tiny, tmp_path / "again", "tasks.name.share=1", resume=True)
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        assert (four / last / name).read_bytes() == (tmp_path / "again" / last / name).read_bytes()
    with pytest.raises(UsageError, match=r"was made with model\.added_tasks = \['name'\]"):
        run(tiny, tmp_path / "again", resume=True)


def test_its_model_is_used_as_any_other(four: Path) -> None:
    tree = parse(b"def size(path):\n    return path.stat().st_size\n")
    predictor: Any = codemtl.load_predictor(four)
    (text,) = predictor.write("name", tree, functions(tree))
    assert isinstance(text, str)
    with pytest.raises(UsageError, match="known: summarize, name"):
        predictor.write("generate", tree, functions(tree))
    network, _ = load_network(four)
    model = CodeMTLModel.from_pretrained(four)
    own, other = network.state_dict(), model.state_dict()
    assert own.keys() == other.keys() and any(key.startswith("name.") for key in own)
    assert all(torch.equal(own[key], other[key]) for key in own)


@pytest.mark.parametrize("method", METHODS)
def test_four_tasks_learn_by_every_weighting(
    method: str, tiny: Path, shards: Shards, specials: SpecialIds, layout: Layout
) -> None:
    config = load_config(preset="tiny", overrides=[
        f"weighting.name={method}", "steps=2", "accumulation=8", "micro_tokens=128",
        *(f"tasks.{task}.share=1" for task in (*SHIPPED, "name")),
        *(["weighting.every=1", "weighting.warmup=1"] if method == "coba" else []),
    ])  # fmt: skip
    accelerator = Accelerator(cpu=True)
    data = MicroBatches(shards, specials, layout, config, micro_batches=16)
    assert set(data.tasks[:8]) == set(data.tasks[8:]) == {*SHIPPED, "name"}
    small = ModelConfig(
        width=16, layers=1, heads=2, hidden=16, decoder_layers=1, added_tasks=("name",)
    )
    weighting = make_weighting(config.weighting, list(data.plans), config.seed)
    probes = Probes(config, data, accelerator)
    trainer = Trainer(config, Network(small), weighting, accelerator, probes)
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    for step in range(2):
        row = trainer.train_step([data[number] for number in range(8 * step, 8 * step + 8)])
        assert {f"{task}/weight" for task in (*SHIPPED, "name")} <= row.keys()
        assert all(np.isfinite(value) for value in row.values())
    after = trainer.network.state_dict()
    assert any(not torch.equal(after[key], before[key]) for key in after if key[:5] == "name.")


def test_a_class_that_is_registered_trains(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "header", Header())
    shares = [f"tasks.{task}.share=0" for task in ("summarize", "generate")]
    chosen = run(tiny, tmp_path, "tasks.header.share=1", *shares)
    assert set(chosen) == {"step", "score", "repair/joint_accuracy", "header/text_accuracy"}
    losses = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    told = [row["validation/header/text"] for row in losses if "validation/header/text" in row]
    assert len(told) == 2 and told[1] < told[0]
    monkeypatch.undo()
    assert load_network(tmp_path)[0].config.added_tasks == ("header",)


def test_the_examples_of_the_documentation_run(
    tiny: Path, tmp_path: Path, shards: Shards, specials: SpecialIds, layout: Layout,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    task, prediction = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {"__name__": "last"}
    exec(compile(task, "README.md", "exec"), names)
    monkeypatch.setitem(TASKS, "last", names["Last"]())
    shown = re.search(r"codemtl train (.*) --set (\S+)", README)
    assert shown is not None
    config = load_config(preset="tiny", overrides=[shown[2]])
    assert config.model.added_tasks == ("last",)
    batch = MicroBatches(shards, specials, layout, config, micro_batches=1).make("last", 0)
    assert batch.counts["text"] > len(batch.arrays["labels"])
    save_network(Network(config.model), tmp_path / "model")
    shutil.copy(tiny / "tokenizer.json", tmp_path / "model")
    (tmp_path / "example.py").write_text("def size(path):\n    return path.stat().st_size\n")
    monkeypatch.chdir(tmp_path)
    exec(compile(prediction, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("size: ")


def test_nothing_changes_for_who_does_not_ask() -> None:
    for preset in ("tiny", "small", "base"):
        config = load_config(preset=preset)
        assert tuple(config.tasks) == SHIPPED
        assert "added_tasks" not in config.to_dict()["model"]
    off = load_config(preset="tiny", overrides=["tasks.name.share=0"])
    assert off.model.added_tasks == ()
    with pytest.raises(ModelError, match="was not trained for name"):
        Network(PRESETS["tiny"]).text_head("name")


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("tasks.nam.share=1", "tasks.nam: there is no such task; known: repair, summarize, "),
        ("tasks.name.terms.bug=1", "tasks.name.terms.bug: there is no such loss; known: text"),
        ("tasks.name.stages.dense=1", "there is no such stage; known: none"),
        ("model.added_tasks=['name']", "model.added_tasks follows from [tasks]"),
        ("model.added_tasks=1", "model.added_tasks follows from [tasks]"),
    ],
)
def test_a_bad_setting_is_explained(override: str, fault: str) -> None:
    with pytest.raises(CodemtlError) as caught:
        load_config(preset="tiny", overrides=[override])
    assert fault in str(caught.value) and caught.value.exit_code == 2


@pytest.mark.parametrize("added", [1, ["a b"], [1], ["forward"], "name"])
def test_a_broken_list_in_a_model_folder_is_explained(tmp_path: Path, added: Any) -> None:
    save_network(Network(PRESETS["tiny"]), tmp_path)
    values = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**values, "added_tasks": added}))
    with pytest.raises(ModelError, match="added_tasks"):
        load_network(tmp_path)
