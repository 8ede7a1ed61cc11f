"""The model's shape, validated when it is made. Needs neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from codemtl.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of the shared encoder and of the heads."""

    vocab_size: int = 8192
    width: int = 256  # d of all states
    layers: int = 8
    heads: int = 4
    hidden: int = 512  # of the gated feed-forward
    decoder_layers: int = 2
    context_limit: int = 64  # pieces of file context at most
    window: int = 384  # pieces of a function at most; longer ones are read in windows
    rope_base: float = 10_000.0
    actions: int = 51  # size of the closed vocabulary of edits
    families: int = 11  # kinds of site
    added_tasks: tuple[str, ...] = ()  # that have a text head besides summarize and generate

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
            if item.name == "added_tasks":
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
        try:
            sizes: dict[str, Any] = {key: value for key, value in values.items() if key in known}
            if isinstance(sizes.get("added_tasks"), list):
                sizes["added_tasks"] = tuple(sizes["added_tasks"])
            return cls(**sizes)
        except TypeError as error:
            raise ModelError(f"the model's configuration is broken: {error}") from error


PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(width=64, layers=2, heads=2, hidden=128, decoder_layers=1),
    "small": ModelConfig(width=256, layers=6, heads=4, hidden=768, decoder_layers=2),
    "base": ModelConfig(width=512, layers=8, heads=8, hidden=1024, decoder_layers=4),
}
