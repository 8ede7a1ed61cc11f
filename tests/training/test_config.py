"""Configurations: presets, overrides, and errors that name the key and what would do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from codemtl.errors import CodemtlError, MissingExtraError, UsageError
from codemtl.model.config import PRESETS
from codemtl.tasks.registry import TASKS
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.evaluation import score
from codemtl.training.precision import bound_plans, resolve_precision


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_presets_load(preset: str) -> None:
    config = load_config(preset=preset)
    assert set(config.tasks) == {"repair", "summarize", "generate"}
    assert config.precision in ("auto", "no")


def test_overrides_win(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("steps = 7\nlearning_rate = 1\n[model]\nwidth = 32\n")
    config = load_config(
        file, overrides=["steps=9", "model.layers=3", "tasks.repair.terms.bug=0.5", "precision=no"]
    )
    assert (config.steps, config.model.width, config.model.layers) == (9, 32, 3)
    assert config.tasks["repair"].terms == {"bug": 0.5}
    assert config.precision == "no"
    assert set(config.tasks) == {"repair", "summarize", "generate"}


def test_a_file_that_lists_tasks_trains_those_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[tasks.repair]\nweight = 2\n")
    assert list(load_config(file).tasks) == ["repair"]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("step=3", "step: there is no such setting; did you mean steps?"),
        ("model.widht=3", "model.widht: there is no such setting; did you mean model.width?"),
        ("tasks.repair.wieght=3", "did you mean tasks.repair.weight?"),
        ("tasks.repare.weight=3", "tasks.repare: there is no such task"),
        ("tasks.repair.terms.bugs=3", "tasks.repair.terms.bugs: there is no such loss"),
        ("tasks.repair.terms.bug=yes", "tasks.repair.terms.bug is 'yes'"),
        ("tasks.repair.weight=-1", "tasks.repair.weight is -1"),
        ("tasks.repair=1", "tasks.repair is 1; it must be a table"),
        ("model=1", "model is 1; it must be a table"),
        ("steps=many", "steps is 'many'; it must be of type int"),
        ("steps=1.5", "steps is 1.5; it must be of type int"),
        ("steps=true", "steps is True; it must be of type int"),
        ("compile=1", "compile is 1; it must be of type bool"),
        ("steps=0", "steps is 0; it must be above 0"),
        ("warmup=-1", "warmup is -1"),
        ("dense_share=0.5", "dense_share: there is no such setting"),
        ("tasks.repair.stages.dens=1", "tasks.repair.stages.dens: there is no such stage"),
        ("tasks.repair.stages={dense=0}", "every stage of tasks.repair.stages has share 0"),
        ("tasks.generate.stages.dense=1", "there is no such stage; known: none"),
        ("tasks.repair.micro_tokens=-1", "tasks.repair.micro_tokens is -1"),
        ("temperature=-1", "temperature is -1"),
        ("model.actions=3", "model.actions is 3, but codemtl's repairs have 51; leave"),
        ("model.families=12", "model.families is 12, but"),
        ("weighting=famo", "weighting is 'famo'; it must be a table"),
        ("weighting.name=fomo", "there is no such method; known: static, uncertainty, dwa"),
        ("weighting.name=[1]", "weighting.name is [1]; there is no such method"),
        ("weighting.tau=2", "weighting.tau: static has no such setting; known: none"),
        ("precision=fp16", "precision is 'fp16'; it must be one of auto, no, bf16"),
        ("model.width=0", "model.width is 0"),
        ("model.heads=3", "model.width is 64 and model.heads 3"),
        ("real_every=0", "real_every is 0; it must be above 0"),
        ("frozen_layers=3", "frozen_layers is 3, but the encoder has 2"),
        ("learning_rate=nan", "learning_rate is nan; it must be a finite number"),
        ("weight_decay=inf", "weight_decay is inf; it must be a finite number"),
        ("clip=nan", "clip is nan; it must be a finite number"),
        ("seconds=inf", "seconds is inf; it must be a finite number"),
        ("model.rope_base=nan", "model.rope_base is nan; it must be a finite number"),
        ("tasks.repair.weight=nan", "tasks.repair.weight is nan; it must be a finite number"),
        ("tasks.repair.terms.bug=inf", "tasks.repair.terms.bug is inf; it must be a finite"),
        ("weighting={name='coba', tau=nan}", "weighting.tau is nan; it must be a finite number"),
        ("seed=4294967296", "seed is 4294967296; it must be at most 4294967295"),
        ("threads=1025", "threads is 1025; it must be at most 1024"),
        ("workers=257", "workers is 257; it must be at most 256"),
        ("model.width=1000000", "billion parameters at least, which take"),
        ("model.vocab_size=1000000000000", "lower model.width, model.hidden, model.layers or"),
        ("steps", "--set steps: expected key=value"),
        (" =3", "--set  =3: expected key=value"),
        ("steps.more=1", "steps is a value, not a table"),
    ],
)
def test_a_bad_override_is_explained(override: str, fault: str) -> None:
    with pytest.raises(CodemtlError) as caught:
        load_config(preset="tiny", overrides=[override])
    assert fault in str(caught.value)
    assert caught.value.exit_code == 2


def test_methods_that_compare_tasks_in_shared_layers_need_some() -> None:
    frozen = ["frozen_layers=2", "accumulation=6"]
    for name in ("gradnorm", "pcgrad"):
        with pytest.raises(CodemtlError, match=r"frozen_layers = 2 leaves none; set fewer"):
            load_config(preset="tiny", overrides=[*frozen, f"weighting.name={name}"])
    load_config(preset="tiny", overrides=[*frozen, "weighting.name=uncertainty"])


def test_the_layers_of_a_trunk_are_not_counted() -> None:
    with pytest.raises(CodemtlError, match=r"has layers of its own; set model\.tuning to frozen"):
        load_config(preset="tiny", overrides=["model.encoder=some/encoder", "frozen_layers=1"])


def test_settings_of_a_weighting_are_checked() -> None:
    def load(*changes: str) -> TrainingConfig:
        return load_config(preset="tiny", overrides=["weighting.name=coba", *changes])

    assert load("weighting.tau=2").weighting == {"name": "coba", "tau": 2}
    for change, fault in (
        ("weighting.taus=2", "weighting.taus: coba has no such setting; known: every, history"),
        ("weighting.every=1.5", "weighting.every is 1.5; it must be a whole number"),
        ("weighting.tau='x'", "weighting.tau is 'x'; it must be a number, 0 or above"),
        ("weighting.tau=-1", "weighting.tau is -1; it must be a number, 0 or above"),
    ):
        with pytest.raises(UsageError) as caught:
            load(change)
        assert fault in str(caught.value)


def test_a_method_on_gradients_needs_tasks_to_share_a_step() -> None:
    for name in ("mgda", "gradnorm"):
        with pytest.raises(UsageError, match="set accumulation to 2 or more"):
            load_config(preset="tiny", overrides=[f"weighting.name={name}", "accumulation=1"])


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("codemtl.training.weighting.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'codemtl\[mtl\]'"):
        load_config(preset="tiny", overrides=["weighting.name=upgrad"])
    load_config(preset="tiny", overrides=["weighting.name=famo"])


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("steps = = 3")
    with pytest.raises(UsageError, match=r"a\.toml: not valid TOML"):
        load_config(tmp_path / "a.toml")
    with pytest.raises(UsageError, match="exclude each other"):
        load_config(tmp_path / "a.toml", "tiny")
    with pytest.raises(UsageError, match="no preset 'huge'"):
        load_config(preset="huge")


def test_a_share_below_zero_is_said_to_be_one() -> None:
    with pytest.raises(UsageError, match=r"tasks\.repair"):
        load_config(preset="tiny", overrides=["tasks.repair.share=-1"])


def test_without_any_share_there_is_nothing_to_train() -> None:
    zero = [f"tasks.{task}.share=0" for task in ("repair", "summarize", "generate")]
    with pytest.raises(UsageError, match="share 0"):
        load_config(preset="tiny", overrides=zero)


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({"avx512_f": True}, "no"),
        ({}, "no"),
    ],
)
def test_auto_is_bf16_only_where_the_processor_is_fast_at_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], wanted: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    device = torch.device("cpu")
    assert resolve_precision("auto", device) == wanted
    assert resolve_precision("bf16", device) == "bf16"
    assert resolve_precision("no", device) == "no"
    assert resolve_precision("auto", torch.device("mps")) == "no"


def test_what_bf16_remembers_is_bounded_on_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    bound_plans(torch.device("cuda"))
    assert name not in os.environ
    bound_plans(torch.device("cpu"))
    assert os.environ[name] == "64"
    monkeypatch.setenv(name, "7")
    bound_plans(torch.device("cpu"))
    assert os.environ[name] == "7", "the user knows better"


def test_the_processor_is_asked_by_a_function_that_torch_has() -> None:
    assert "architecture" in torch.cpu.get_capabilities()
    assert TrainingConfig().precision == "auto"


def test_base_goes_through_all_stages_of_repair_and_ends_with_real_fixes() -> None:
    assert list(load_config(preset="base").stages("repair")) == list(TASKS["repair"].stages)


def test_the_presets_have_the_sizes_of_the_models_of_that_name() -> None:
    for name, sizes in PRESETS.items():
        assert load_config(preset=name).model == sizes


def test_real_bugs_count_as_much_as_made_ones_where_there_are_any() -> None:
    row = {"repair/joint_accuracy": 0.4, "summarize/text_accuracy": 0.6}
    assert score(row) == pytest.approx(0.5)
    assert score({**row, "repair/real_joint_accuracy": 0.2}) == pytest.approx(0.45)
