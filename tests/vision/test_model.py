"""Both networks: shapes, losses, assignment, decoding, and the parts they are made of."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from codemtl.errors import UsageError
from codemtl.vision.boxes import giou, inside_means
from codemtl.vision.config import VisionConfig, make_config, parse_settings, parse_tasks
from codemtl.vision.data import Examples, Targets, batch_numbers, scene_examples
from codemtl.vision.metrics import average_precision, measure, predictions
from codemtl.vision.model import Predictions, ReferenceModel, make_network, parameter_count
from codemtl.vision.predict import boxes_of
from codemtl.vision.weighting import make_weighting

MODELS = ["document", "reference"]


@pytest.fixture(scope="module")
def examples() -> Examples:
    return scene_examples("validation", 12)


def whole(examples: Examples) -> tuple[Tensor, Targets]:
    images, targets = examples.batch(torch.arange(len(examples)))
    return images.float() / 255, targets


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tasks", [("cls",), ("det",), ("cls", "det")])
def test_a_network_answers_for_its_tasks(
    model: str, tasks: tuple[str, ...], examples: Examples
) -> None:
    torch.manual_seed(0)
    network = make_network(VisionConfig(model=model, tasks=tasks))
    images, targets = whole(examples)
    losses = network.losses(network(images), targets)
    assert set(losses) == set(tasks)
    torch.stack(list(losses.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    (answers,) = predictions(network, examples.images, "no")
    label, boxes, scores, classes = answers
    assert (label is not None) == ("cls" in tasks)
    assert (boxes is not None) == ("det" in tasks)
    if label is not None:
        torch.testing.assert_close(label.sum(1), torch.ones(12))
    if boxes is not None and scores is not None and classes is not None:
        assert boxes.shape == (12, 5, 4)
        assert boxes.min() >= 0
        assert boxes.max() <= 96
        assert (scores.diff(dim=1) <= 0).all() or model == "reference"
        assert ((scores >= 0) & (scores <= 1)).all()
        assert ((classes >= 0) & (classes < 10)).all()


@pytest.mark.parametrize("model", MODELS)
def test_pictures_without_objects_make_no_loss_of_labels(model: str) -> None:
    network = make_network(VisionConfig(model=model))
    targets = Targets(torch.zeros(2, 3, 4), torch.full((2, 3), -1), torch.tensor([-1, -1]))
    losses = network.losses(network(torch.rand(2, 96, 96, 1)), targets)
    assert losses["cls"] == 0
    assert torch.isfinite(losses["det"])


def test_one_task_needs_fewer_parameters() -> None:
    counts = [
        parameter_count(make_network(VisionConfig(tasks=tasks)))
        for tasks in (("cls",), ("det",), ("cls", "det"))
    ]
    assert max(counts[:2]) < counts[2] < sum(counts[:2])


def perfect_outputs(network: ReferenceModel, targets: Targets) -> dict[str, Tensor]:
    """The outputs that answer the targets exactly."""
    heat, owner = network.assign(targets)
    grid = torch.zeros(len(heat), 15, 24, 24)
    grid[:, 0] = torch.where(heat == 1, 12.0, -12.0)
    grid[:, 1:5] = -4.0  # cells beside a centre mean no box that could count
    b, y, x = torch.nonzero(heat == 1, as_tuple=True)
    box = targets.boxes_BMF[b, owner[b, y, x]]
    middle = torch.stack([network.middle[x], network.middle[y]], 1)
    grid[b, 1:3, y, x] = ((middle - box[:, :2]) / 12).log()
    grid[b, 3:5, y, x] = ((box[:, 2:] - middle) / 12).log()
    grid[b, 5 + targets.classes_BM[b, owner[b, y, x]], y, x] = 20.0
    label = torch.nn.functional.one_hot(targets.labels_B, 10) * math.log(91)  # 91% of ten classes
    return {"grid": grid, "label": label}


def test_exact_outputs_have_no_loss_and_find_everything(examples: Examples) -> None:
    network = ReferenceModel(VisionConfig())
    _, targets = whole(examples)
    outputs = perfect_outputs(network, targets)
    losses = network.losses(outputs, targets)
    least = -0.91 * math.log(0.91) - 0.09 * math.log(0.01)  # the entropy of smoothed labels
    assert losses["cls"] == pytest.approx(least, abs=1e-4)
    far = {**outputs, "grid": outputs["grid"].roll(1, 2)}
    assert losses["det"] < 10 < network.losses(far, targets)["det"]
    found = average_precision(examples, [network.predict(outputs)])
    assert found["ap"] == pytest.approx(1.0)
    assert found["ap50"] == pytest.approx(1.0)


def test_a_doubtful_object_is_told_with_both_classes() -> None:
    network = ReferenceModel(VisionConfig())
    box = torch.tensor([[[10.0, 20, 40, 60]]])
    outputs = perfect_outputs(network, Targets(box, torch.tensor([[3]]), torch.tensor([3])))
    outputs["grid"][:, 5 + 8] = 21.0  # an 8, or a 3
    answers = network.predict(outputs)
    assert answers.boxes_BKF is not None and answers.classes_BK is not None
    assert answers.classes_BK[0, :2].tolist() == [8, 3]
    assert torch.allclose(answers.boxes_BKF[0, :2], box[0].expand(2, 4), atol=1e-3)
    shown = boxes_of(answers, 0, tuple("0123456789"), threshold=0.2)
    assert [one.name for one in shown] == ["8"]


def test_every_box_has_a_cell_of_its_own_and_only_boxes_have() -> None:
    network = ReferenceModel(VisionConfig())
    boxes = torch.tensor([[[0.0, 0, 40, 40], [56, 60, 70, 96], [0, 0, 0, 0]]])
    heat, owner = network.assign(Targets(boxes, torch.tensor([[3, 1, -1]]), torch.tensor([3])))
    assert torch.nonzero(heat[0] == 1).tolist() == [[5, 5], [19, 15]]
    assert owner[0, 19, 15] == 1
    assert heat[0, 12, 0] < 1e-3


def test_average_precision_of_a_hand_made_case() -> None:
    images = torch.zeros(2, 96, 96, 1, dtype=torch.uint8)
    boxes = torch.tensor([[[10.0, 10, 30, 30]], [[10, 10, 30, 30]]])
    truth = Examples(images, boxes, torch.tensor([[0], [0]]), ("a", "b"))
    # The first is exact, the second has IoU 0.6: right at the thresholds 0.50, 0.55 and 0.60.
    guesses = torch.tensor([[[10.0, 10, 30, 30]], [[10, 10, 30, 22]]])
    one = Predictions(None, guesses, torch.tensor([[0.9], [0.8]]), torch.tensor([[0], [0]]))
    found = average_precision(truth, [one])
    assert found["ap50"] == pytest.approx(1.0)
    half = 51 / 101  # precision 1 up to recall 0.5, by COCO's 101 points
    assert found["ap"] == pytest.approx((3 + 7 * half) / 10, abs=0.06)
    wrong = one._replace(classes_BK=torch.tensor([[1], [1]]))
    assert average_precision(truth, [wrong]) == {"ap": 0.0, "ap50": 0.0}
    silent = one._replace(scores_BK=torch.zeros(2, 1))
    assert average_precision(truth, [silent]) == {"ap": 0.0, "ap50": 0.0}


def test_measure_counts_labels(examples: Examples) -> None:
    torch.manual_seed(0)
    network = make_network(VisionConfig(tasks=("cls",)))
    found = measure(network, examples, "no")
    assert 0 <= found["accuracy"] <= 1
    assert found["images"] == 12
    assert "ap" not in found


def test_giou() -> None:
    box = torch.tensor([[0.0, 0, 10, 10]])
    others = {(0, 0, 10, 10): 1.0, (0, 0, 10, 5): 0.5, (20, 0, 30, 10): -1 / 3}
    for other, expected in others.items():
        assert float(giou(box, torch.tensor([other], dtype=torch.float32))) == pytest.approx(
            expected
        )


def test_means_inside_boxes() -> None:
    values = torch.arange(6 * 8 * 2, dtype=torch.float32).view(1, 6, 8, 2)
    boxes = torch.tensor([[[1.0, 2, 4, 5], [0, 0, 0, 0]]])
    means = inside_means(values, boxes, 0.0)
    torch.testing.assert_close(means[0, 0], values[0, 2:5, 1:4].mean((0, 1)))
    assert (means[0, 1] == 0).all()


def test_weightings() -> None:
    losses = {"cls": torch.tensor(2.0), "det": torch.tensor(3.0)}
    static = make_weighting(VisionConfig(weight_cls=0.5, weight_det=2.0))
    assert static(losses) == 7.0
    learned = make_weighting(VisionConfig(weighting="uncertainty"))
    total = learned(losses)
    assert total == 5.0
    total.backward()
    # d/ds (L e^-s + s/2) at s = 0
    assert {key: float(one.grad) for key, one in learned.logs.items()} == {
        "cls": -1.5, "det": -2.5
    }  # fmt: skip


def test_epochs_see_every_example_once_each_in_another_order() -> None:
    numbers = torch.cat([batch_numbers(10, 4, step, seed=3) for step in range(5)])
    assert sorted(numbers[:10].tolist()) == sorted(numbers[10:].tolist()) == list(range(10))
    assert numbers[:10].tolist() != numbers[10:].tolist()
    assert len(batch_numbers(3, 8, 0, seed=0)) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stepz=3"], "stepz: there is no such setting; did you mean steps"),
        (["steps"], "expected key=value"),
        (["=3"], "--set =3: expected key=value"),
        (["steps=0"], "steps is 0; it must be above 0"),
        (["steps=many"], "steps is 'many'; it must be of type int"),
        (["weighting=best"], "weighting is 'best'; it must be static or uncertainty"),
        (["image_size=90"], "multiple of 16"),
        (["channels=2"], "channels is 2"),
        (["ema=1"], "ema is 1"),
        (["warmup=-1"], "warmup is -1; it must not be below 0"),
        (["tasks=seg"], "there is no task 'seg'"),
    ],
)
def test_wrong_settings_are_named(settings: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_config(parse_settings(settings))


def test_tasks_come_in_their_order() -> None:
    assert parse_tasks("det, cls") == ("cls", "det")
    assert make_config({"model": "document"}).weight_decay == 0
