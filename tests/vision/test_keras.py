"""The document's model computes what Keras computes with the same weights.

Keras is an extra: pip install 'codemtl[keras]'
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from codemtl.vision.config import VisionConfig
from codemtl.vision.model import DocumentModel, parameter_count

os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it at its import
keras = pytest.importorskip(
    "keras", reason="Keras is not installed; run: pip install 'codemtl[keras]'"
)


def keras_model(num_classes: int = 10, num_detections: int = 5) -> Any:
    """The worked example: one shared layer, one head a task."""

    class MultiTaskModel(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.shared = keras.layers.Conv2D(32, (3, 3), activation="relu")
            self.classification = keras.layers.Dense(num_classes, activation="softmax")
            self.detection = keras.layers.Dense(num_detections * 4, activation="linear")

        def call(self, inputs: Any) -> tuple[Any, Any]:
            shared = self.shared(inputs)
            return self.classification(shared), self.detection(shared)

    return MultiTaskModel()


@pytest.mark.parametrize(("channels", "classes", "boxes"), [(1, 10, 5), (3, 4, 2)])
def test_forward_pass_equals_keras(channels: int, classes: int, boxes: int) -> None:
    config = VisionConfig(
        model="document", channels=channels, num_classes=classes, num_detections=boxes
    )
    torch.manual_seed(0)
    own = DocumentModel(config)
    for parameter in own.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    images = np.random.default_rng(0).random((2, 96, 96, channels), np.float32)
    theirs = keras_model(classes, boxes)
    theirs(images)  # builds the layers
    state = {key: value.numpy() for key, value in own.state_dict().items()}
    theirs.shared.set_weights([state["shared.weight"].transpose(2, 3, 1, 0), state["shared.bias"]])
    for name in ("classification", "detection"):
        getattr(theirs, name).set_weights([state[f"{name}.weight"].T, state[f"{name}.bias"]])
    with torch.no_grad():
        expected = [output.cpu() for output in theirs(images)]
        outputs = own(torch.from_numpy(images))
    assert outputs["probabilities"].shape == expected[0].shape == (2, 94, 94, classes)
    assert outputs["boxes"].shape == expected[1].shape == (2, 94, 94, boxes * 4)
    torch.testing.assert_close(outputs["probabilities"], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(outputs["boxes"], expected[1], rtol=1e-5, atol=1e-5)
    assert parameter_count(own) == theirs.count_params()
