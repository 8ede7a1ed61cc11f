"""What every weighting promises: finite weights, absent tasks, a state that travels exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from codemtl.errors import UsageError
from codemtl.training.weighting import METHODS, Weighting, check, make_weighting, settings_of

TASKS = ("repair", "summarize", "generate")
CLASSES = {name: check({"name": name}) for name in METHODS}
ON_LOSSES = [name for name, method in CLASSES.items() if not method.on_gradients]
ON_GRADIENTS = [name for name, method in CLASSES.items() if method.on_gradients]
QUICK: dict[str, dict[str, Any]] = {"dwa": {"period": 3}, "coba": {"every": 2, "warmup": 2}}
MEAN_ONE = {"static", "dwa", "gradnorm", "rlw", "famo", "coba"}


def make(name: str, seed: int = 5) -> Weighting:
    return make_weighting({"name": name, **QUICK.get(name, {})}, TASKS, seed)


def gramian(tasks: int, rng: np.random.Generator) -> torch.Tensor:
    rows = torch.from_numpy(rng.normal(size=(tasks, 12)) * rng.uniform(0.01, 30))
    return rows @ rows.T


def window(step: int) -> list[str]:
    """The tasks of a step: all, some, one; the third only late."""
    rng = np.random.default_rng((7, step))
    chosen = [task for task in TASKS if rng.random() < 0.7 and (task != "generate" or step > 9)]
    return chosen or ["repair"]


def live(method: Weighting, steps: range) -> list[dict[str, float]]:
    """The weights of some steps of a run whose losses fall, with noise."""
    found = []
    for step in steps:
        rng = np.random.default_rng((1, step))
        tasks = window(step)
        weights = method.weights(step)
        if method.on_gradients and len(tasks) > 1:
            weights |= dict(
                zip(tasks, method.combine(gramian(len(tasks), rng), tasks, step), strict=True)
            )
        found.append(weights)
        losses = {task: 8 * math.exp(-step / 30) * rng.uniform(0.5, 1.5) for task in tasks}
        method.observe(losses, {task: rng.uniform(0, 3) for task in tasks})
        if method.probe_every and (step + 1) % method.probe_every == 0:
            method.observe_probe(
                {task: 5 * math.exp(-step / 40) * rng.uniform(0.9, 1.1) for task in TASKS}
            )
    return found


def assert_weights(name: str, rows: list[dict[str, float]]) -> None:
    for row in rows:
        assert set(row) == set(TASKS)
        assert all(math.isfinite(value) and value >= -1e-9 for value in row.values()), row
        if name in ON_LOSSES:
            assert min(row.values()) > 0
        if name in MEAN_ONE:
            assert sum(row.values()) == pytest.approx(len(TASKS))


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_finite_and_positive_with_tasks_absent(name: str) -> None:
    rows = live(make(name), range(40))
    assert_weights(name, rows)
    assert (len({tuple(row.values()) for row in rows}) > 1) == (name != "static")


@pytest.mark.parametrize("name", METHODS)
def test_the_state_is_plain_and_a_resumed_method_goes_on_to_the_bit(name: str) -> None:
    whole, first = make(name), make(name)
    wanted = live(whole, range(30))
    live(first, range(17))
    text = json.dumps(first.state_dict(), allow_nan=False)
    second = make(name)
    second.load_state_dict(json.loads(text))
    assert live(second, range(17, 30)) == wanted[17:]
    assert json.dumps(second.state_dict()) == json.dumps(whole.state_dict())


@pytest.mark.parametrize("name", METHODS)
def test_a_state_does_not_change_with_the_method_it_came_from(name: str) -> None:
    method = make(name)
    live(method, range(10))
    state = method.state_dict()
    text = json.dumps(state)
    other = make(name)
    other.load_state_dict(state)
    live(other, range(10, 20))
    assert json.dumps(method.state_dict()) == text


@pytest.mark.parametrize("name", METHODS)
def test_losses_of_zero_and_of_any_size_are_borne(name: str) -> None:
    method = make(name)
    extremes: list[Mapping[str, float]] = [
        {"repair": 0.0, "summarize": 1e6},
        {"repair": 1e6, "generate": 0.0},
        dict.fromkeys(TASKS, 0.0),
    ]
    for step in range(12):
        losses = extremes[step % 3]
        method.observe(losses, dict.fromkeys(losses, 0.0))
        method.observe_probe(dict.fromkeys(TASKS, 1e6 * (step % 2)))
        assert all(math.isfinite(value) and value > 0 for value in method.weights(step).values())


@pytest.mark.parametrize("name", METHODS)
def test_one_task_alone_weighs_what_it_always_did(name: str) -> None:
    method = make_weighting({"name": name}, ["repair"], 0)
    for step in range(5):
        method.observe({"repair": 2.0}, {})
        if name != "uncertainty":
            assert method.weights(step) == pytest.approx({"repair": 1.0})


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_without_conflict_and_of_one_length_all_weigh_alike(name: str) -> None:
    found = make(name).combine(4.0 * torch.eye(3, dtype=torch.float64), TASKS, 0)
    assert found == pytest.approx([found[0]] * 3, rel=1e-3)
    if name != "cagrad":  # goes further than the mean where it may
        assert found == pytest.approx([1.0] * 3, rel=1e-3)


@pytest.mark.parametrize("name", ["upgrad", "mgda", "nash_mtl", "aligned_mtl"])
def test_the_step_harms_no_task(name: str) -> None:
    """To first order: G w >= 0."""
    method, rng = make(name), np.random.default_rng(3)
    for step in range(10):
        matrix = gramian(3, rng)
        found = torch.tensor(method.combine(matrix, TASKS, step), dtype=torch.float64)
        assert ((matrix @ found) / matrix.diagonal() > -1e-2).all()


@pytest.mark.parametrize("name", ON_GRADIENTS)
@pytest.mark.parametrize(
    "matrix",
    [torch.zeros(2, 2), torch.ones(2, 2), torch.diag(torch.tensor([1.0, 0.0])),
     torch.full((2, 2), torch.nan), torch.tensor([[1.0, -1.0], [-1.0, 1.0]])],
    ids=["zero", "equal", "one-zero", "nan", "opposed"],
)  # fmt: skip
def test_singular_gramians_are_borne(name: str, matrix: torch.Tensor) -> None:
    found = make(name).combine(matrix.double(), ["repair", "generate"], 0)
    assert len(found) == 2 and all(math.isfinite(value) for value in found)


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_the_scale_of_gradients_does_not_matter(name: str) -> None:
    matrix = gramian(3, np.random.default_rng(0))
    one, other = (make(name).combine(matrix * scale, TASKS, 4) for scale in (1.0, 1e-8))
    assert one == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("name", ["rlw", "pcgrad"])
def test_random_methods_draw_from_seed_and_step_alone(name: str) -> None:
    conflict = torch.tensor([[1.0, -0.9, -0.5], [-0.9, 1.0, 0.2], [-0.5, 0.2, 1.0]]).double()

    def draw(seed: int, step: int) -> list[float]:
        method = make(name, seed)
        if method.on_gradients:
            return method.combine(conflict, TASKS, step)
        return list(method.weights(step).values())

    before = torch.random.get_rng_state()
    first = [draw(1, step) for step in range(8)]
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(3)
    assert first == [draw(1, step) for step in range(8)]
    assert first != [draw(2, step) for step in range(8)]
    assert len({tuple(row) for row in first}) > 1


def test_nash_mtl_solves_the_bargaining_equation() -> None:
    rng = np.random.default_rng(2)
    for step in range(10):
        matrix = gramian(3, rng)
        found = torch.tensor(make("nash_mtl").combine(matrix, TASKS, step)).double()
        product = (matrix @ found) * found
        assert product / product.mean() == pytest.approx(1.0, rel=0.01)


def test_uncertainty_ends_where_the_joint_loss_is_least() -> None:
    method = make_weighting({"name": "uncertainty", "learning_rate": 0.1}, TASKS, 0)
    for _ in range(2000):
        method.observe({"repair": 8.0, "summarize": 0.25}, {})
    found = method.weights(0)
    assert found["repair"] == pytest.approx(1 / 16, rel=1e-3)
    assert found["summarize"] == pytest.approx(2.0, rel=1e-3)
    assert found["generate"] == 1.0


def test_dwa_follows_the_ratio_of_two_periods() -> None:
    method = make_weighting({"name": "dwa", "period": 2, "temperature": 1.0}, TASKS, 0)
    for losses in ((4, 4), (4, 4), (2, 4), (2, 4)):
        assert list(method.weights(0).values()) == pytest.approx([1, 1, 1])
        method.observe({"repair": losses[0], "summarize": losses[1]}, {})
    parts = np.exp([0.5, 1.0, 1.0])
    assert list(method.weights(0).values()) == pytest.approx((3 * parts / parts.sum()).tolist())


def test_gls_weighs_losses_against_their_geometric_mean() -> None:
    method = make("gls")
    method.observe({"repair": 8.0, "summarize": 2.0}, {})
    assert method.weights(0) == pytest.approx({"repair": 0.5, "summarize": 2.0, "generate": 1.0})


def test_gradnorm_evens_out_norms() -> None:
    """Norms follow the weights; the losses fall alike, so the norms should meet."""
    method = make_weighting({"name": "gradnorm"}, TASKS, 0)
    pull = {"repair": 4.0, "summarize": 1.0, "generate": 1.0}
    for _ in range(600):
        weights = method.weights(0)
        method.observe(
            dict.fromkeys(TASKS, 1.0), {task: pull[task] * weights[task] for task in TASKS}
        )
    norms = [pull[task] * weight for task, weight in method.weights(0).items()]
    assert max(norms) / min(norms) < 1.25  # the last steps go to and fro


def test_famo_gives_more_to_the_task_that_falls_more_slowly() -> None:
    method = make("famo")
    losses = dict.fromkeys(TASKS, 4.0)
    for _ in range(100):
        method.observe(losses, {})
        losses["repair"] *= 0.97
    logits = method.state_dict()["logits"]
    assert logits[0] < logits[1] == pytest.approx(logits[2])


def test_coba_weighs_slow_tasks_more_and_diverging_ones_less() -> None:
    def after(rates: tuple[float, float, float]) -> list[float]:
        method = make_weighting({"name": "coba", "warmup": 3, "history": 10}, TASKS, 0)
        for number in range(30):
            turn = 1.0 if number < 15 else -1.0  # the last task turns where it is to diverge
            exponents = (-rates[0], -rates[1], -rates[2] * (turn if rates[2] > 0.2 else 1.0))
            shift = 0.0 if number < 15 or rates[2] <= 0.2 else -2 * rates[2] * 15
            losses = [math.exp(rate * number) for rate in exponents[:2]]
            losses.append(math.exp(exponents[2] * number + shift))
            method.observe_probe(dict(zip(TASKS, losses, strict=True)))
        return list(method.weights(0).values())

    quick, slow, _ = after((0.1, 0.02, 0.02))
    assert slow > quick
    assert after((0.1, 0.1, 0.3))[2] < 1.0


def test_coba_keeps_as_many_probes_as_its_warm_up_has() -> None:
    with pytest.raises(UsageError, match=r"weighting\.warmup is 4, but weighting\.history keeps 3"):
        make_weighting({"name": "coba", "history": 3}, TASKS, 0)


def test_settings_are_listed_with_their_defaults() -> None:
    assert settings_of(CLASSES["coba"]) == {"every": 50, "history": 20, "warmup": 4, "tau": 5.0}
    assert settings_of(CLASSES["static"]) == {}
    with pytest.raises(UsageError, match=r"weighting\.period is 0; it must be above 0"):
        make_weighting({"name": "dwa", "period": 0}, TASKS, 0)
