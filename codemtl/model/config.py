"""The model's shape, validated when it is made. Needs neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from codemtl.errors import ModelError

INT8_VARIABLE = "CODEMTL_INT8"  # in the environment; 0: products in fp32
TUNINGS = ("full", "frozen", "lora")  # what is trained of a trunk


@dataclass(frozen=True, slots=True)
class TrunkConfig:
    """A Hugging Face encoder in the place of our layers; ids are -1 where it has no such piece."""

    architecture: dict[str, Any]  # its config.json
    window: int  # pieces that it reads at once
    pad: int
    begin: int
    end: int
    mask: int

    def __post_init__(self) -> None:
        """Check the types, for this is read from a file."""
        if not isinstance(self.architecture, dict) or "model_type" not in self.architecture:
            raise ModelError("trunk.architecture does not name a model_type")
        for name in ("window", "pad", "begin", "end", "mask"):
            if type(getattr(self, name)) is not int:
                raise ModelError(f"trunk.{name} is {getattr(self, name)!r}; it must be a number")
        if self.window < 4:
            raise ModelError(f"trunk.window is {self.window}; it must be at least 4")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of the shared encoder and of the heads."""

    vocab_size: int = 8192
    width: int = 256  # d of all states
    layers: int = 8
    heads: int = 4
    hidden: int = 512  # of the gated feed-forward
    decoder_layers: int = 2
    copying: bool = False  # decoders may copy pieces of the input
    copy_runs: bool = False  # the more readily the more pieces before them were just written
    siblings: bool = False  # texts are written with what other functions of the file say
    context_limit: int = 64  # pieces of file context at most
    window: int = 384  # pieces of a function at most; longer ones are read in windows
    rope_base: float = 10_000.0
    actions: int = 51  # size of the closed vocabulary of edits
    families: int = 11  # kinds of site
    added_tasks: tuple[str, ...] = ()  # that have a text head besides summarize and generate
    encoder: str = ""  # name or folder of a Hugging Face encoder that takes the layers' place
    tuning: str = "full"  # of that encoder: "full", "frozen" or "lora"
    lora_rank: int = 8
    trunk: TrunkConfig | None = None  # what is known of that encoder; not set by hand

    def __post_init__(self) -> None:
        """Check that the sizes fit each other."""
        if not isinstance(self.added_tasks, tuple) or not all(
            isinstance(task, str) and task.isidentifier() for task in self.added_tasks
        ):
            raise ModelError(
                f"model.added_tasks is {self.added_tasks!r}; it must be names of tasks"
            )
        for item in fields(self):
            value = getattr(self, item.name)
            if item.type not in ("int", "float"):
                continue
            if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
                raise ModelError(f"model.{item.name} is {value!r}; it must be a number above 0")
            if item.type == "int" and not isinstance(value, int):
                raise ModelError(f"model.{item.name} is {value!r}; it must be a whole number")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ModelError(
                f"model.width is {self.width} and model.heads {self.heads}; width / heads must be "
                "an even whole number"
            )
        if self.tuning not in TUNINGS:
            known = ", ".join(TUNINGS)
            raise ModelError(f"model.tuning is {self.tuning!r}; it must be one of {known}")
        if self.trunk is not None and not isinstance(self.trunk, TrunkConfig):
            raise ModelError("model.trunk is found out from model.encoder; leave it out")

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        values = asdict(self)
        added = values.pop("added_tasks")
        return values | ({"added_tasks": list(added)} if added else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """From JSON; keys of other consumers are ignored. Raises ModelError."""
        known = {item.name for item in fields(cls)}
        found = {key: value for key, value in values.items() if key in known}
        try:
            if found.get("trunk") is not None:
                found["trunk"] = TrunkConfig(**found["trunk"])
            if isinstance(found.get("added_tasks"), list):
                found["added_tasks"] = tuple(found["added_tasks"])
            return cls(**found)
        except TypeError as error:
            raise ModelError(f"the model's configuration is broken: {error}") from error


PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(
        width=64,
        layers=2,
        heads=2,
        hidden=128,
        decoder_layers=1,
        copying=True,
        copy_runs=True,
        siblings=True,
    ),
    "small": ModelConfig(
        width=256,
        layers=6,
        heads=4,
        hidden=768,
        decoder_layers=2,
        copying=True,
        copy_runs=True,
        siblings=True,
    ),
    "base": ModelConfig(
        width=512,
        layers=8,
        heads=8,
        hidden=1024,
        decoder_layers=3,
        copying=True,
        copy_runs=True,
        siblings=True,
        context_limit=128,
    ),
}
