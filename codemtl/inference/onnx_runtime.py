"""The ONNX runtime: repair without torch, whose import alone takes longer than a small file.

Texts are left to the torch runtime, which is loaded when first one is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors import SafetensorError, safe_open

from codemtl.errors import ModelError
from codemtl.inference.onnx_graph import INPUTS, OUTPUTS, STEPS, Model, repair_model
from codemtl.inference.predictor import GenerationRequest
from codemtl.inference.repair_runtime import RepairRuntime
from codemtl.model.config import INT8_VARIABLE, ModelConfig
from codemtl.model.folder import WEIGHTS, check_vocabulary, read_config, shape_of
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.definitions import Definition
from codemtl.syntax.tree import SourceTree
from codemtl.tasks.batches import Arrays

if TYPE_CHECKING:
    from codemtl.inference.torch_runtime import TorchPredictor

_PARTS = ("encoder.", "repair.")  # of the network, that find bugs


def load(folder: Path, threads: int | None = None) -> OnnxPredictor:
    """Load a model folder without a trunk. Raises ModelError."""
    values = read_config(folder)
    config = shape_of(values, folder)
    tokenizer = CodeTokenizer.load(folder)
    check_vocabulary(folder, tokenizer, config)
    steps = None if os.environ.get(INT8_VARIABLE) == "0" else _steps()
    try:
        model = repair_model(_tensors(folder / WEIGHTS), config, steps)
    except ModelError as error:
        raise ModelError(f"{folder / WEIGHTS}: {error}") from error
    predictor = OnnxPredictor(_session(model, threads), config, tokenizer, values)
    predictor.folder, predictor.threads = folder, threads
    if steps is not None:
        predictor.device += ", int8"
    return predictor


class OnnxPredictor(RepairRuntime):
    """See ``inference.predictor.Predictor``."""

    folder: Path
    threads: int | None = None

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        config: ModelConfig,
        tokenizer: CodeTokenizer,
        values: dict[str, Any],
    ) -> None:
        super().__init__(config, tokenizer, values)
        self._session = session

    def chances(self, arrays: Arrays) -> tuple[NDArray[np.float32], ...]:
        """See `RepairRuntime`."""
        found = self._session.run(OUTPUTS, {name: arrays[name] for name in INPUTS})
        return tuple(found)

    @cached_property
    def texts(self) -> TorchPredictor:
        """The same model in the torch runtime."""
        from codemtl.inference import torch_runtime

        return torch_runtime.load(self.folder, self.threads)

    def summarize(self, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """See ``Predictor``."""
        return self.texts.summarize(tree, functions)

    def generate(self, request: GenerationRequest) -> list[str]:
        """See ``Predictor``."""
        return self.texts.generate(request)

    def write(self, task: str, tree: SourceTree, functions: Sequence[Definition]) -> list[str]:
        """See ``TextRuntime``."""
        return self.texts.write(task, tree, functions)

    def likelihoods(self, request: GenerationRequest, texts: Sequence[str]) -> list[float]:
        """See ``Predictor``."""
        return self.texts.likelihoods(request, texts)


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    """What is needed of a file of weights; onnx has taught NumPy bfloat16."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(_PARTS)]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot be read as weights: {error}") from error


def _session(model: Model, threads: int | None) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads or 0
    options.enable_mem_pattern = False  # no two batches have the same shape
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(one) for one in model.constants.values()]
    options.add_external_initializers([*model.constants], values)
    return onnxruntime.InferenceSession(model.graph, options, providers=["CPUExecutionProvider"])


def _steps() -> int:
    """How far weights may go on either side of 0 in whole numbers.

    Without instructions for it (VNNI), sums of two products saturate at 15 bits on x86; with
    weights of half the size they do not.
    """
    size = 64
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "probe",
        [value("x", TensorProto.UINT8, [size, size]), value("w", TensorProto.INT8, [size, size])],
        [value("y", TensorProto.INT32, [size, size])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    most = {"x": np.full((size, size), 255, np.uint8), "w": np.full((size, size), STEPS, np.int8)}
    (found,) = _session(Model(model.SerializeToString(), {}), 1).run(None, most)
    return STEPS if (found == 255 * STEPS * size).all() else STEPS // 2
