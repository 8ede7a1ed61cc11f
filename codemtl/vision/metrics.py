"""How good the answers are: accuracy of labels, COCO's average precision of boxes.

AP is the mean over IoU thresholds 0.50 to 0.95 and classes, AP50 that at 0.50, both by
faster-coco-eval, over the boxes that the network puts out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from codemtl.vision.data import Examples
from codemtl.vision.model import Network, Predictions


def predictions(
    network: Network, images: Tensor, precision: str, batch_size: int = 64
) -> Iterator[Predictions]:
    """Answers to pictures [N, H, W, C] given as bytes, a batch at a time, on the CPU as float32."""
    device = next(network.parameters()).device
    network.eval()
    for part in torch.split(images, batch_size):
        with torch.inference_mode():
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                outputs = network(part.to(device).float() / 255)
            answers = network.predict({key: value.float() for key, value in outputs.items()})
        yield Predictions(*(None if one is None else one.cpu() for one in answers))


def measure(network: Network, examples: Examples, precision: str) -> dict[str, float]:
    """Shares from 0 to 1: ``accuracy``, ``ap``, ``ap50``, of the tasks that the network has."""
    start = time.perf_counter()
    answers = list(predictions(network, examples.images, precision))
    found: dict[str, float] = {
        "images": len(examples),
        "images_per_second": len(examples) / (time.perf_counter() - start),
    }
    if answers[0].probabilities_BC is not None:
        chosen = torch.cat([one.probabilities_BC for one in answers]).argmax(1)  # type: ignore[misc]
        labelled = examples.labels >= 0
        right = (chosen == examples.labels)[labelled]
        found["accuracy"] = float(right.float().mean()) if len(right) else 0.0
    if answers[0].boxes_BKF is not None:
        found |= average_precision(examples, answers)
    return found


def average_precision(examples: Examples, answers: list[Predictions]) -> dict[str, float]:
    """``ap`` and ``ap50`` of predicted boxes."""
    rows = []
    number = 0
    for one in answers:
        assert one.boxes_BKF is not None
        assert one.scores_BK is not None
        assert one.classes_BK is not None
        count, k = one.scores_BK.shape
        numbers = torch.arange(number, number + count)[:, None].expand(-1, k)
        boxes = torch.cat([one.boxes_BKF[..., :2], one.boxes_BKF[..., 2:] - one.boxes_BKF[..., :2]],
                          -1)  # fmt: skip
        columns = [numbers[..., None], boxes, one.scores_BK[..., None], one.classes_BK[..., None]]
        rows.append(torch.cat(columns, -1).flatten(0, 1).double())
        number += count
    truth = COCO(_ground_truth(examples))
    table = torch.cat(rows)
    table = table[table[:, 5] > 0]
    if not len(table) or not truth.anns:
        return {"ap": 0.0, "ap50": 0.0}
    run = COCOeval_faster(truth, truth.loadRes(table.numpy()), "bbox")
    run.params.maxDets = [1, 10, 100]
    run.evaluate()
    run.accumulate()
    run.summarize()
    return {"ap": max(0.0, float(run.stats[0])), "ap50": max(0.0, float(run.stats[1]))}


def _ground_truth(examples: Examples) -> dict[str, list[dict[str, object]]]:
    """The examples in COCO's format."""
    size = examples.images.shape[1]
    annotations = []
    numbers, places = torch.nonzero(examples.classes >= 0, as_tuple=True)
    boxes, classes = examples.boxes[numbers, places].tolist(), examples.classes[numbers, places]
    rows = zip(numbers.tolist(), boxes, classes.tolist(), strict=True)
    for key, (number, (x1, y1, x2, y2), name) in enumerate(rows, 1):
        width, height = x2 - x1, y2 - y1
        annotations.append({
            "id": key, "image_id": number, "category_id": name, "iscrowd": 0,
            "bbox": [x1, y1, width, height], "area": width * height,
        })  # fmt: skip
    images = [{"id": i, "width": size, "height": size} for i in range(len(examples))]
    categories = [{"id": i, "name": name} for i, name in enumerate(examples.names)]
    return {"images": images, "annotations": annotations, "categories": categories}
