"""Fitting what chooses among the lines that a model proposes.

A conditional logit over the proposals that parse, features brought to one scale, with a ridge.
Lines of which no proposal is right say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codemtl.evaluation.cases import TextCase, line_request
from codemtl.evaluation.conditional_logit import fit_choice
from codemtl.evaluation.repositories import Repositories, beside_case
from codemtl.inference.line_choice import features
from codemtl.inference.torch_texts import TextRuntime
from codemtl.syntax.tree import error_count, parse
from codemtl.tasks.metrics import Array, same_code

RIDGE = 0.02  # for each line, see `conditional_logit.fit_choice`
FOLDS = 5


class Choice(NamedTuple):
    """The P proposals for one line that parse."""

    project: str
    reference: str
    texts: list[str]  # [P]
    right: list[float]  # [P] 1 where it is what stood there
    features: list[dict[str, float]]  # [P]


class Weights(NamedTuple):
    """Of each feature by name."""

    names: list[str]
    values: Array  # [F]

    def best(self, choice: Choice) -> int:
        """The proposal that would be chosen."""
        return int(np.argmax(_inputs(choice, self.names) @ self.values))


def proposals_batch(
    runtime: TextRuntime, cases: Sequence[TextCase], repositories: Repositories | None = None
) -> list[Choice]:
    """What the runtime proposes for each case."""
    return [_choice(runtime, one, beside_case(one.origin, repositories)) for one in cases]


def _choice(runtime: TextRuntime, case: TextCase, beside: tuple[bytes, ...]) -> Choice:
    proposals, place, _ = runtime.proposals(line_request(case, beside))
    assert case.mask is not None
    before, after = case.data[: case.mask[0]], case.data[case.mask[1] :]
    broken = error_count(parse(case.data))
    sound = [
        one for one in proposals
        if error_count(parse(before + one.text.encode() + after)) <= broken
    ]  # fmt: skip
    texts = [one.text.strip() for one in sound]
    return Choice(
        case.origin.project,
        case.reference,
        texts,
        [float(same_code(text, case.reference)) for text in texts],
        [features(one, place) for one in sound],
    )


def fit(choices: Sequence[Choice], left_out: str = "") -> Weights:
    """The weights, of all but a feature that is left out."""
    useful = [one for one in choices if one.right and max(one.right) > min(one.right)]
    names = [name for name in useful[0].features[0] if name != left_out]
    inputs = [_inputs(one, names) for one in useful]
    scale = np.vstack(inputs).std(0)
    scale[scale == 0] = 1.0
    rows = [(rows / scale, np.array(one.right)) for rows, one in zip(inputs, useful, strict=True)]
    return Weights(names, fit_choice(rows, RIDGE * len(rows)) / scale)


def cross_validated(choices: Sequence[Choice], left_out: str = "") -> list[str]:
    """The text chosen for each case by weights fitted on other projects, "" where there is none."""
    projects = sorted({one.project for one in choices})
    order = np.random.default_rng(0).permutation(len(projects))
    fold = {projects[index]: place % FOLDS for place, index in enumerate(order.tolist())}
    found = [""] * len(choices)
    for out in range(FOLDS):
        weights = fit([one for one in choices if fold[one.project] != out], left_out)
        for index, one in enumerate(choices):
            if fold[one.project] == out and one.texts:
                found[index] = one.texts[weights.best(one)]
    return found


def _inputs(choice: Choice, names: Sequence[str]) -> Array:
    return np.array([[row[name] for name in names] for row in choice.features], float)
