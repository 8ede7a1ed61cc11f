"""The whole of ``codemtl finetune``, a stage after the other; see the package's docstring.

How the time is spent: the model as it is gets a seventh of the budget to answer, and sets the
sample by that; the same is put aside for the tuned model, and training gets what is left.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codemtl import inference
from codemtl.corpus.divide import build_divided, shared_functions
from codemtl.corpus.trees import Source
from codemtl.errors import DataError, MissingExtraError, ModelError
from codemtl.evaluation.corpus import Corpus
from codemtl.finetune.comparison import compare, notes
from codemtl.finetune.measuring import MEASURES, Kept
from codemtl.finetune.sources import found_at, remarks
from codemtl.finetune.state import State
from codemtl.model.atomic import write_atomic
from codemtl.model.config import ModelConfig
from codemtl.model.folder import CONFIG, WEIGHTS, read_config
from codemtl.tasks.registry import SHIPPED

DATA, RESULT = "data", "finetune.json"
BYTES_PER_SECOND = 10_000  # of Python that is mined, for each second of the budget
LEAST_BYTES = 300_000
SHARES = {"repair": 0.06, "summarize": 0.04, "generate": 0.04}  # of the time, for one model
SPARE, LEAST_TRAINING = 0.03, 0.2
OVER = 1.15  # of the budget, from which on it is said that it was not kept

Say = Callable[[str], None]  # what is being done


def finetune(
    repositories: Sequence[Path], model: Path | None, out: Path, seconds: float | None, say: Say
) -> dict[str, Any]:
    """Fine-tune ``model`` (the shipped one if None) on repositories into the folder ``out``.

    ``seconds`` are the budget, `state.SECONDS` if None. Called again with the same ``out`` it goes
    on where it was stopped. Returns the document that ``out/finetune.json`` holds. Raises
    UsageError, DataError, ModelError or MissingExtraError.
    """
    for package, extra in (("accelerate", "train"), ("sacrebleu", "evaluate")):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra)
    base = inference.check_model_folder(model)
    sources, told = found_at(repositories)
    values = read_config(base)
    about = {"name": str(values.get("name", "codemtl")), "revision": str(values.get("sha256"))[:12]}
    with closing(State.open(out, sources, about, seconds)) as state:
        return _finetuned(_Stages(state, base, out, say, told), about)


def _finetuned(stages: _Stages, about: dict[str, str]) -> dict[str, Any]:
    """The document of a fine-tuning, from where it stands."""
    state, base, out = stages.state, stages.base, stages.out
    divided = state.stage("mining", stages.mine)
    shards = out / DATA / state.stage("preparing", stages.prepare)
    before = stages.measure("before", base, {})
    metrics = stages.train(shards)
    stages.sign()
    after = stages.measure("after", out, before)
    document = {
        "version": 1, "model": about, "out": str(out), "repositories": divided["projects"],
        "data": divided["counts"],
        "figures": [one.document() for one in compare(before, after)],
        "training": metrics,
        "seconds": {"budget": state.seconds, "spent": round(state.spent(), 1),
                    "training": state.spent("training") + state.broken_off("training")},
        "notes": [
            *divided["remarks"], *state.outdated(), *notes(before), *stages.remarks(metrics),
            *_heads_left_out(base),
        ],
    }  # fmt: skip
    write_atomic(out / RESULT, (json.dumps(document, indent=2) + "\n").encode())
    shutil.rmtree(out / "checkpoints", ignore_errors=True)  # nothing goes on from them
    return document


def _heads_left_out(base: Path) -> list[str]:
    added = ModelConfig.from_dict(read_config(base)).added_tasks
    known = ", ".join(SHIPPED)
    return [f"the heads of {', '.join(added)} are left out: this trains {known}"] if added else []


class _Stages:
    """What the stages do."""

    def __init__(
        self, state: State, base: Path, out: Path, say: Say, told: Sequence[str] = ()
    ) -> None:
        self.state, self.base, self.out, self.say, self.told = state, base, out, say, told

    def mine(self) -> dict[str, Any]:
        """The divided corpus below ``out``; how each project was divided, and counts."""
        self.say("mining")
        sources: list[Source] = self.state.sources
        room = int(BYTES_PER_SECOND * self.state.seconds / len(sources))
        divided, summary = build_divided(sources, self.out / DATA, max_bytes=max(room, LEAST_BYTES))
        shared = shared_functions(self.out / DATA)
        if shared:
            raise DataError(f"splits share functions: {dict(shared)}; this is an error of codemtl")
        counts = ("functions", "pairs", "masked_lines", "fixes")
        found = [*self.told, *(text for source in sources for text in remarks(source))]
        found += [f"{one.project}: divided by file, as {one.reason}; whether later code gets"
                  " better is not known" for one in divided if one.by == "file"]  # fmt: skip
        if summary.rejected_files["cap"]:
            found.append(
                f"{summary.rejected_files['cap']} files were left out to keep to the time budget"
            )
        return {
            "projects": [one.document() for one in divided],
            "counts": {name: dict(getattr(summary, name)) for name in counts},
            "remarks": found,
        }

    def prepare(self) -> str:
        """The folder of shards, below the corpus."""
        from codemtl.training.dataset import shards_folder

        self.say("preparing")
        config = ModelConfig.from_dict(read_config(self.base))
        folder = shards_folder(self.out / DATA, config, tokenizer=self.base)
        return str(folder.relative_to(self.out / DATA))

    def measure(self, when: str, model: Path, before: Mapping[str, Kept]) -> dict[str, Kept]:
        """What a model answers, task by task; with ``before`` to the same cases."""
        found: dict[str, Kept] = {}
        names = {task: f"{when} {task}" for task in MEASURES}
        missing = [task for task, name in names.items() if not self.state.spent(name)]
        predictor = inference.load_predictor(model) if missing else None
        corpus = Corpus(self.out / DATA, "test")
        for task, measure in MEASURES.items():

            def ask(task: str = task, measure: Any = measure) -> Kept:
                self.say(f"{task} {when} training")
                seconds = SHARES[task] * self.state.seconds
                kept: Kept = measure(predictor, corpus, seconds, before.get(task))
                return kept

            found[task] = self.state.stage(names[task], ask)
        return found

    def train(self, shards: Path) -> dict[str, Any]:
        """Plan by the time that is left, and train; the metrics of the chosen checkpoint."""
        from codemtl.training.tuning import Plan, make_plan, tune

        plan = Plan.from_dict(self.state.stage(
            "plan", lambda: asdict(make_plan(self.base, shards, self.out, self._left()))
        ))  # fmt: skip

        def run() -> dict[str, Any]:
            over = self.state.spent() + plan.expected_seconds > OVER * self.state.seconds
            beyond = ", longer than the budget has left" if over else ""
            self.say(f"training, {plan.steps} steps in about {plan.expected_seconds:.0f} s{beyond}")
            return {**tune(self.base, shards, self.out, plan), **asdict(plan)}

        return self.state.stage("training", run)

    def _left(self) -> float:
        """Seconds for training: a fifth of the budget at least."""
        self.say("measuring the speed")
        state = self.state
        again = state.spent(*(f"before {task}" for task in MEASURES))
        aside = again + SPARE * state.seconds
        return max(state.seconds - state.spent() - aside, LEAST_TRAINING * state.seconds)

    def sign(self) -> None:
        """Write down in config.json what the model comes from, if it is whole.

        Its confidences stay those of the model before, which are fitted to real bugs: by bugs made
        in one's own code they would promise too much. Raises ModelError.
        """
        values, parent = read_config(self.out), read_config(self.base)
        weights = self.out / WEIGHTS
        if not weights.is_file() or sha256(weights.read_bytes()).hexdigest() != values["sha256"]:
            raise ModelError(
                f"{weights} is no longer what training wrote; remove {self.out} and give the same"
                " command to begin anew, or name another --out"
            )
        values["name"] = f"{parent.get('name', 'codemtl')}-finetuned"
        values["finetuned_from"] = str(parent.get("sha256"))
        write_atomic(self.out / CONFIG, (json.dumps(values, indent=2) + "\n").encode())

    def remarks(self, metrics: Mapping[str, Any]) -> list[str]:
        """What should be known about the training."""
        found = []
        if not metrics["step"]:
            found.append(
                "no checkpoint was better on the validation part than the model as it was: its"
                " weights are kept"
            )
        spent, stages = self.state.spent(), ("mining", "preparing", "plan", "training")
        if spent > OVER * self.state.seconds:
            mining, preparing, plan, training = map(self.state.spent, stages)
            found.append(
                f"it took {spent:.0f} s, longer than the budget of {self.state.seconds:.0f} s:"
                f" mining {mining + preparing:.0f} s, measuring the speed {plan:.0f} s, training"
                f" {training:.0f} s ({metrics['steps']} steps)"
            )
        return found
