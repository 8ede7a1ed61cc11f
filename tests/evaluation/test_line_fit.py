"""What chooses among proposals is fitted on those of other projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codemtl.evaluation.cases import Origin, TextCase
from codemtl.evaluation.conditional_logit import fit_choice
from codemtl.evaluation.line_fit import Choice, cross_validated, fit, proposals_batch
from codemtl.inference.torch_runtime import TorchPredictor, load


def made(count: int, seed: int, sign: float = 1.0) -> list[Choice]:
    """One of four proposals is right, and the first feature mostly higher for it."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        right = np.eye(4)[rng.integers(4)]
        telling, noise = sign * rng.normal(100 * right, 50), rng.normal(size=4)
        rows = [
            {"telling": one, "noise": other, "same": 1.0}
            for one, other in zip(telling.tolist(), noise.tolist(), strict=True)
        ]
        texts = ["right" if one else "wrong" for one in right]
        found.append(Choice(f"project {index % 20}", "right", texts, right.tolist(), rows))
    return found


def test_weights_are_those_of_what_tells() -> None:
    weights = fit(made(600, 0))
    assert weights.names == ["telling", "noise", "same"]
    assert 0.02 < weights.values[0] < 0.06, "100 / 50 ** 2 = 0.04, less for the ridge"
    assert abs(weights.values[1]) < 0.2 and abs(weights.values[2]) < 1e-9
    hits = [one.right[weights.best(one)] for one in made(600, 1)]
    assert 0.7 < np.mean(hits) < 0.95


def test_cases_in_which_all_are_worth_the_same_say_nothing() -> None:
    choices = made(200, 0)
    none = [one._replace(right=[0.0] * 4) for one in made(200, 3, -1)]
    every = [one._replace(right=[1.0] * 4) for one in made(200, 4, -1)]
    empty = Choice("project", "right", [], [], [])
    np.testing.assert_array_equal(fit(choices).values, fit([*choices, *none, *every, empty]).values)


def test_what_is_chosen_is_chosen_by_other_projects() -> None:
    choices = [*made(400, 0), Choice("none", "right", [], [], [])]
    chosen = cross_validated(choices)
    assert chosen[-1] == "" and np.mean([text == "right" for text in chosen]) > 0.7
    chosen = cross_validated(choices, "telling")
    assert np.mean([text == "right" for text in chosen]) < 0.4


def test_the_weights_of_those_who_chose_are_found() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(2000):
        features = rng.normal(size=(5, 2))
        wanted = 2 * features[:, 0] + rng.gumbel(size=5)
        rows.append((features, np.eye(5)[wanted.argmax()]))
    np.testing.assert_allclose(fit_choice(rows, 1e-6), [2, 0], atol=0.15)


SOURCE = '''def first(a):
    """Return twice the number."""
    b = a + a
    return b


def second(c):
    d = c + c
    return d
'''


@pytest.fixture(scope="module")
def model(untrained: Path) -> TorchPredictor:
    return load(untrained, 1)


def case(line: str) -> TextCase:
    start = SOURCE.index("def second")
    mask = (SOURCE.index(line), SOURCE.index(line) + len(line))
    return TextCase(Origin("p", "c", "f.py"), SOURCE.encode(), start, "second", mask, line)


def test_lines_that_are_proposed_parse_and_have_features(model: TorchPredictor) -> None:
    (found,) = proposals_batch(model, [case("d = c + c")])
    assert "d = c + c" in found.texts, "what stands in the other function, with other names"
    assert found.right[found.texts.index("d = c + c")] == 1 and sum(found.right) == 1
    assert len(found.texts) == len(found.features) and found.project == "p"
    wanted = {text: row["binds what is wanted"] for text, row in zip(
        found.texts, found.features, strict=True
    )}  # fmt: skip
    assert wanted["d = c + c"] == 1 and wanted["b = a + a"] == 0
