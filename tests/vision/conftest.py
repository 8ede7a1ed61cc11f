"""Small folders of pictures, and a model that was trained for a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codemtl.vision.train import train

TINY = [
    "train_scenes=32", "validation_scenes=20", "test_scenes=20", "batch_size=8", "threads=1",
    "precision=no",
]  # fmt: skip


def _write_coco(
    folder: Path, change: Callable[[dict[str, Any]], None] | None = None, pictures: int = 20
) -> Path:
    """A folder of colour pictures with a bright square each, in COCO's format."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(pictures):
        pixels = random.integers(0, 60, (48, 64, 3), np.uint8)
        x, y, side = (int(v) for v in random.integers((0, 0, 12), (40, 24, 24)))
        pixels[y : y + side, x : x + side, i % 2] = 250
        Image.fromarray(pixels).save(folder / "images" / f"{i:02}.png")
        images.append({"id": i, "file_name": f"{i:02}.png", "width": 64, "height": 48})
        annotations.append(
            {"id": i, "image_id": i, "bbox": [x, y, side, side], "category_id": 7 + i % 2}
        )
    categories = [{"id": 7, "name": "red"}, {"id": 8, "name": "green"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    if change is not None:
        change(document)
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def write_coco() -> Callable[..., Path]:
    """Call with the folder to make, what to change in its annotations, the number of pictures."""
    return _write_coco


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """Settings of a run that takes a moment."""
    return TINY


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reference model after six steps on scenes."""
    out = tmp_path_factory.mktemp("vision") / "model"
    train(model="reference", data=None, out=out, settings=[*TINY, "steps=6", "evaluate_every=3"])
    return out
