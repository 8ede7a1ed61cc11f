"""Encoder and repair head as an ONNX graph, made of the weights of a model folder.

The same arithmetic as `model.encoder`, `model.layers` and `model.repair_head`, in their order and
with their legend (B functions, T words, D width, S sites, A actions, K names, M pieces or places),
for a runtime that starts in a tenth of the time and knows nothing of training. Products of matrices
without bias are of int8, as in `model.int8`: the state of each word is rounded with a scale of its
own, so that nothing depends on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from codemtl.errors import ModelError
from codemtl.model.config import ModelConfig
from codemtl.tasks.batches import PLACES

Array = NDArray[Any]
OUTPUTS = ("bug", "site", "action", "name")  # [B], [B, S], [B, S, A], [B, S, K]
STEPS = 127  # of states, and of weights as they are stored
MASKED = -1e4  # logit of what is not permitted
_LARGE = 64  # numbers; constants of fewer stand in the graph, where shapes are looked up
_MICROSOFT = "com.microsoft"  # the operators that onnxruntime adds
_INPUTS = {  # as `tasks.repair.collate` makes them
    **{
        f"{prefix}_{key}": (TensorProto.INT64, shape)
        for prefix, size in (("input", "T"), ("name", "K"))
        for key, shape in (
            ("ids", ["B", size]), ("more_pieces", [f"{prefix}_M"]),
            ("more_slot", [f"{prefix}_M"]), ("more_place", [f"{prefix}_M"]),
        )
    },
    **{key: (TensorProto.INT64, ["B"]) for key in ("lengths", "fn_position")},
    **{
        f"site_{key}": (TensorProto.INT64, ["B", "S"])
        for key in ("first", "last", "family", "state")
    },
    **{f"occurrence_{key}": (TensorProto.INT64, ["M"]) for key in ("position", "slot")},
    "site_mask": (TensorProto.BOOL, ["B", "S"]),
    "action_mask": (TensorProto.BOOL, ["B", "S", "A"]),
    "name_mask": (TensorProto.BOOL, ["B", "S", "K"]),
}  # fmt: skip
INPUTS = tuple(_INPUTS)


class Model(NamedTuple):
    """A graph whose larger constants lie beside it."""

    graph: bytes
    constants: dict[str, Array]


def repair_model(tensors: Mapping[str, Array], config: ModelConfig, steps: int | None) -> Model:
    """What finds bugs.

    Args:
        tensors: of model.safetensors, matrices in int8 beside their scales or in floating point.
        config: of the same folder, without a trunk.
        steps: weights are rounded to so many on either side of 0 for products of int8, 127 at
            most; None for products of fp32.

    Raises ModelError for a tensor that is missing, of another shape or not finite.
    """
    graph = _Graph(tensors, steps)
    scores = _repair_head(graph, config, _encoder(graph, config))
    nodes = [
        *graph.nodes,
        *(
            helper.make_node("Identity", [y], [name])
            for y, name in zip(scores, OUTPUTS, strict=True)
        ),
    ]
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in _INPUTS.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in OUTPUTS]
    made = helper.make_model(
        helper.make_graph(nodes, "repair", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)],
        ir_version=10,
    )
    return Model(made.SerializeToString(), graph.arrays)


class _Graph:
    """Nodes and constants as they are added; values go by their names."""

    def __init__(self, tensors: Mapping[str, Array], steps: int | None) -> None:
        self.tensors, self.steps = tensors, steps
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.arrays: dict[str, Array] = {}
        self._known: dict[tuple[Any, ...], str] = {}

    def __call__(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The only output of a new node."""
        return self.several(1, kind, *inputs, domain=domain, **attributes)[0]

    def several(self, count: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """The outputs of a new node."""
        outputs = [f"{len(self.nodes)}:{index}" for index in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def constant(self, value: Array) -> str:
        """A constant of its own."""
        name = f"constant:{len(self.constants)}"
        if value.size < _LARGE:
            self.constants.append(numpy_helper.from_array(value, name))
            return name
        self.arrays[name] = np.ascontiguousarray(value)
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        beside = TensorProto(
            name=name, data_type=kind, dims=value.shape, data_location=TensorProto.EXTERNAL
        )
        beside.external_data.add(key="location", value="beside")
        self.constants.append(beside)
        return name

    def number(self, *values: float, kind: Any = np.float32, scalar: bool = False) -> str:
        """A small constant [len(values)], or a scalar."""
        key = (values, kind, scalar)
        if key not in self._known:
            self._known[key] = self.constant(np.array(values[0] if scalar else values, kind))
        return self._known[key]

    def index(self, *values: int) -> str:
        """Whole numbers [len(values)]: axes, shapes."""
        return self.number(*values, kind=np.int64)

    def stored(self, name: str, *shape: int) -> tuple[Array, Array | None]:
        """A tensor as it is stored, and the scales [N, 1] of its rows where it is in int8."""
        value = self.tensors.get(name)
        if value is None:
            raise ModelError(f"it lacks {name}")
        if value.shape != shape:
            raise ModelError(f"{name} has shape {value.shape}, config.json asks for {shape}")
        scale = self.tensors.get(f"{name}.scale") if value.dtype == np.int8 else None
        if scale is not None and scale.shape != (shape[0], 1):
            raise ModelError(f"{name}.scale has shape {scale.shape}, not {(shape[0], 1)}")
        if not np.isfinite(value if scale is None else scale).all():
            raise ModelError(f"{name} holds values that are not finite")
        return value, None if scale is None else scale.astype(np.float32)

    def plain(self, name: str, *shape: int) -> Array:
        """A tensor in fp32."""
        value, scale = self.stored(name, *shape)
        return value.astype(np.float32) if scale is None else value * scale

    # --- layers

    def norm(self, x: str, name: str, width: int) -> str:
        """RMSNorm."""
        weight = self.constant(self.plain(f"{name}.weight", width))
        return self("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=1e-6)

    def dense(self, x: str, name: str, size: int, width: int) -> str:
        """A linear layer with bias, in fp32."""
        weight = self.constant(self.plain(f"{name}.weight", width, size).T)
        bias = self.constant(self.plain(f"{name}.bias", width))
        return self("Add", self("MatMul", x, weight), bias)

    def product(self, x: str, name: str, size: int, width: int) -> str:
        """A linear layer without bias."""
        if self.steps is None:
            return self("MatMul", x, self.constant(self.plain(f"{name}.weight", width, size).T))
        weight, scale = self._whole(f"{name}.weight", width, size)
        rows_ND = self("Reshape", x, self.index(-1, size))
        largest = self("ReduceMax", self("Abs", rows_ND), self.index(-1), keepdims=0)
        step_N = self("Mul", self("Max", largest, self.number(1e-30)), self.number(1 / STEPS))
        # unsigned, around 128, as the instructions for products of int8 want one side
        middle = helper.make_tensor("middle", TensorProto.UINT8, [1], [STEPS + 1])
        middles_N = self("ConstantOfShape", self("Shape", step_N), value=middle)
        whole_ND = self("QuantizeLinear", rows_ND, step_N, middles_N, axis=0)
        middle_1 = self.number(STEPS + 1, kind=np.uint8, scalar=True)
        y_NM = self(
            "MatMulIntegerToFloat", whole_ND, self.constant(weight.T), self.number(1, scalar=True),
            self.constant(scale[:, 0]), middle_1, domain=_MICROSOFT,
        )  # fmt: skip
        y_NM = self("Mul", y_NM, self("Unsqueeze", step_N, self.index(-1)))
        shape = self("Concat", self.size(x, 0), self.index(-1, width), axis=0)
        return self("Reshape", y_NM, shape)

    def _whole(self, name: str, *shape: int) -> tuple[Array, Array]:
        """A matrix in whole numbers and the scales [N, 1] of its rows."""
        value, scale = self.stored(name, *shape)
        if scale is not None and self.steps == STEPS:
            return value, scale
        value = value.astype(np.float32) if scale is None else value * scale
        scale = np.abs(value).max(1, keepdims=True) / np.float32(self.steps or STEPS)
        scale[scale == 0] = 1
        return np.rint(value / scale).astype(np.int8), scale

    def rows(self, matrix: tuple[Array, Array | None], ids: str) -> str:
        """Rows of an embedding, in fp32."""
        value, scale = matrix
        if scale is None:
            return self("Gather", self.constant(value.astype(np.float32)), ids)
        found = self("Cast", self("Gather", self.constant(value), ids), to=TensorProto.FLOAT)
        return self("Mul", found, self("Gather", self.constant(scale), ids))

    def add_rows(self, x_ND: str, slots_M: str, rows_MD: str) -> str:
        """Rows added up at their slots."""
        return self(
            "ScatterND", x_ND, self("Unsqueeze", slots_M, self.index(-1)), rows_MD, reduction="add"
        )

    def size(self, x: str, axis: int) -> str:
        """The length [1] of an axis."""
        return self("Shape", x, start=axis, end=axis + 1)

    def upto(self, size: str) -> str:
        """0, 1, … before the length [1]."""
        zero, one = (self.number(n, kind=np.int64, scalar=True) for n in (0, 1))
        return self("Range", zero, self("Squeeze", size), one)


def _words(graph: _Graph, config: ModelConfig, prefix: str) -> str:
    """As `Words.words`: [B, T, D]."""
    width = config.width
    matrix = graph.stored("encoder.embedding.weight", config.vocab_size, width)
    places = graph.plain("encoder.place_embedding", PLACES, width)
    spread = graph.number(width**0.5)
    first = graph("Mul", graph.rows(matrix, f"{prefix}_ids"), spread)
    more = graph("Mul", graph.rows(matrix, f"{prefix}_more_pieces"), spread)
    place = graph("Gather", graph.constant(places), f"{prefix}_more_place")
    flat = graph("Reshape", first, graph.index(-1, width))
    whole = graph.add_rows(flat, f"{prefix}_more_slot", graph("Mul", more, place))
    x = graph("Reshape", whole, graph("Shape", first))
    return graph.norm(x, "encoder.spelling_norm", width)


def _encoder(graph: _Graph, config: ModelConfig) -> str:
    """As `Encoder.forward`: [B, T, D]."""
    width, hidden = config.width, config.hidden
    x = _words(graph, config, "input")
    place = graph.upto(graph.size("input_ids", 1))
    inside = graph("Less", place, graph("Unsqueeze", "lengths", graph.index(-1)))
    real = graph("Unsqueeze", graph("Cast", inside, to=TensorProto.FLOAT), graph.index(-1))
    padding = graph("Cast", "lengths", to=TensorProto.INT32)
    step = np.arange(0, config.head_width, 2, dtype=np.float32) / config.head_width
    frequency = graph.constant(np.float32(config.rope_base) ** -step)
    angle = graph("Cast", graph("Unsqueeze", place, graph.index(-1)), to=TensorProto.FLOAT)
    angle = graph("Mul", angle, frequency)
    table = graph.index(0), graph("Cos", angle), graph("Sin", angle)

    def rotated(x: str) -> str:
        return graph("RotaryEmbedding", x, *table, domain=_MICROSOFT, num_heads=config.heads)

    for number in range(config.layers):
        layer = f"encoder.stack.layers.{number}"
        y = graph.norm(x, f"{layer}.neighbours_norm", width)
        x = graph("Add", x, _neighbours(graph, y, f"{layer}.neighbours.weight", real, width))
        y = graph.norm(x, f"{layer}.attention_norm", width)
        qkv = graph.product(y, f"{layer}.attention.qkv", width, 3 * width)
        q, k, v = graph.several(3, "Split", qkv, axis=-1, num_outputs=3)
        y = graph(
            "MultiHeadAttention", rotated(q), rotated(k), v, "", padding,
            domain=_MICROSOFT, num_heads=config.heads,
        )  # fmt: skip
        x = graph("Add", x, graph.product(y, f"{layer}.attention.out", width, width))
        y = graph.norm(x, f"{layer}.feed_forward_norm", width)
        up = graph.product(y, f"{layer}.feed_forward.up", width, 2 * hidden)
        gate, value = graph.several(2, "Split", up, axis=-1, num_outputs=2)
        silu = graph("QuickGelu", gate, domain=_MICROSOFT, alpha=1.0)
        y = graph("Mul", silu, value)
        x = graph("Add", x, graph.product(y, f"{layer}.feed_forward.down", hidden, width))
    return graph.norm(x, "encoder.stack.norm", width)


def _neighbours(graph: _Graph, x: str, name: str, real: str, width: int) -> str:
    """As `Neighbours.forward`: a depthwise convolution over two pieces on each side."""
    weight = graph.constant(graph.plain(name, 5, width).T[:, None])
    x = graph("Transpose", graph("Mul", x, real), perm=[0, 2, 1])
    return graph("Transpose", graph("Conv", x, weight, group=width, pads=[2, 2]), perm=[0, 2, 1])


def _repair_head(graph: _Graph, config: ModelConfig, states_BTD: str) -> tuple[str, ...]:
    """As `RepairHead.forward`, and what is permitted as probabilities: `OUTPUTS`."""
    width = config.width
    flat_ND = graph("Reshape", states_BTD, graph.index(-1, width))
    row_B = graph("Mul", graph.upto(graph.size("lengths", 0)), graph.size("input_ids", 1))
    row_B1 = graph("Unsqueeze", row_B, graph.index(-1))
    families = graph.stored("repair.family.weight", config.families, width)

    ends = [
        graph("Gather", flat_ND, graph("Add", f"site_{end}", row_B1)) for end in ("first", "last")
    ]
    x = graph.dense(graph("Concat", *ends, axis=-1), "repair.site", 2 * width, width)
    x = graph("Add", x, graph.rows(families, "site_family"))
    x = graph("Add", x, graph.dense(graph("Gelu", x), "repair.site_hidden", width, width))
    site_BSD = graph.norm(x, "repair.site_norm", width)

    action_BSA = graph.dense(site_BSD, "repair.action", width, config.actions)
    keys_BDK = graph("Transpose", _name_keys(graph, config, flat_ND), perm=[0, 2, 1])
    name_BSK = graph("MatMul", graph.dense(site_BSD, "repair.query", width, width), keys_BDK)
    name_BSK = graph("Mul", name_BSK, graph.number(width**-0.5))

    here_BS1 = _at_state(graph, action_BSA, name_BSK)
    action_BSA = graph("Where", "action_mask", action_BSA, graph.number(MASKED))
    name_BSK = graph("Where", "name_mask", name_BSK, graph.number(MASKED))
    sums = [graph("ReduceLogSumExp", one, graph.index(-1)) for one in (action_BSA, name_BSK)]
    relief = graph("Sub", graph("Max", *sums), here_BS1)
    relief = graph("Clip", relief, *(graph.number(n, scalar=True) for n in (-20, 20)))
    contrast = graph.constant(graph.plain("repair.contrast_embedding", config.families)[:, None])
    relief = graph("Mul", relief, graph("Gather", contrast, "site_family"))
    site_BS1 = graph("Add", graph.dense(site_BSD, "repair.site_score", width, 1), relief)
    site_BS = graph("Squeeze", site_BS1, graph.index(-1))
    site_BS = graph("Where", "site_mask", site_BS, graph.number(MASKED))

    chance_BS = graph("Softmax", site_BS, axis=-1)
    whole_BD = graph("Gather", flat_ND, graph("Add", "fn_position", row_B))
    suspect = graph("MatMul", graph("Unsqueeze", chance_BS, graph.index(1)), site_BSD)
    suspect_BD = graph("Squeeze", suspect, graph.index(1))
    top_B1 = graph("Max", graph("ReduceMax", site_BS, graph.index(-1)), graph.number(-20))
    hidden = graph("Concat", whole_BD, suspect_BD, top_B1, axis=-1)
    hidden = graph("Gelu", graph.dense(hidden, "repair.bug_hidden", 2 * width + 1, width))
    bug_B = graph("Squeeze", graph.dense(hidden, "repair.bug_score", width, 1), graph.index(-1))

    def permitted(logits: str, mask: str) -> str:
        return graph("Mul", graph("Softmax", logits), graph("Cast", mask, to=TensorProto.FLOAT))

    chances = permitted(action_BSA, "action_mask"), permitted(name_BSK, "name_mask")
    return bug_B, chance_BS, *chances


def _name_keys(graph: _Graph, config: ModelConfig, flat_ND: str) -> str:
    """As `RepairHead._name_keys`: [B, K, D]."""
    width = config.width
    names_BKD = _words(graph, config, "name")
    shape = graph("Shape", names_BKD)
    count = graph("Unsqueeze", graph("Size", "name_ids"), graph.index(0))
    nothing = graph("ConstantOfShape", graph("Concat", count, graph.index(width), axis=0))
    occurring = graph("Gather", flat_ND, "occurrence_position")
    total = graph.add_rows(nothing, "occurrence_slot", occurring)
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    ones = graph("ConstantOfShape", graph("Shape", "occurrence_slot"), value=one)
    sizes = graph.add_rows(graph("ConstantOfShape", count), "occurrence_slot", ones)
    sizes = graph("Unsqueeze", graph("Max", sizes, graph.number(1)), graph.index(-1))
    seen = graph("Reshape", graph("Div", total, sizes), shape)
    spelled = graph.product(names_BKD, "repair.name_pieces", width, width)
    keys = graph("Add", spelled, graph.dense(seen, "repair.name_states", width, width))
    return graph.norm(keys, "repair.name_norm", width)


def _at_state(graph: _Graph, action_BSA: str, name_BSK: str) -> str:
    """As the function of that name of `model.repair_head`: [B, S, 1]."""
    state = graph("Unsqueeze", "site_state", graph.index(-1))
    zero = graph.index(0)

    def at(logits: str) -> str:
        last = graph("Sub", graph("Shape", logits, start=2, end=3), graph.index(1))
        return graph(
            "GatherElements", logits, graph("Min", graph("Max", state, zero), last), axis=-1
        )

    mask = graph("Cast", "name_mask", to=TensorProto.FLOAT)
    is_name = graph("Greater", graph("ReduceMax", mask, graph.index(-1)), graph.number(0))
    here = graph("Where", is_name, at(name_BSK), at(action_BSA))
    return graph("Where", graph("Less", state, zero), graph.number(0), here)
