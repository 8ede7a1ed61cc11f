"""The network as a transformers model: from_pretrained, save_pretrained, push_to_hub.

    model = CodeMTLModel.from_pretrained("folder that codemtl train wrote")
    states = model(input_ids, attention_mask).last_hidden_state

Importing this module registers both classes with AutoConfig and AutoModel. Weights may be stored
in int8; they are used in fp32, as by ``codemtl --model``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.hub import cached_file

from codemtl.errors import ModelError
from codemtl.model.atomic import write_atomic
from codemtl.model.config import ModelConfig
from codemtl.model.folder import MODEL_TYPE, WEIGHTS
from codemtl.model.network import PROJECTIONS, Heads, initialise
from codemtl.model.quantization import dequantized
from codemtl.model.respelling import FILE_NAME as TRUNK_FILE_NAME
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer
from codemtl.tasks.batches import encoder_arrays
from codemtl.tasks.example import CONTINUES

_SIZES = frozenset(item.name for item in fields(ModelConfig))
_IN_FP32 = ("encoder", "repair", "summarize", "generate")


class CodeMTLConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """``ModelConfig`` in transformers' clothes; other keys of config.json are kept as they are."""

    model_type = MODEL_TYPE

    def __init__(self, **values: Any) -> None:
        for name, value in ModelConfig.from_dict(values).to_dict().items():
            setattr(self, name, value)
        super().__init__(**{key: value for key, value in values.items() if key not in _SIZES})

    def sizes(self) -> ModelConfig:
        """The plain configuration."""
        return ModelConfig.from_dict(self.to_dict())


class CodeMTLModel(PreTrainedModel, Heads):  # type: ignore[no-untyped-call]
    """Shared encoder and its heads; the methods of ``Heads`` compute scores and losses."""

    config_class = CodeMTLConfig
    base_model_prefix = ""
    main_input_name = "input_ids"

    def __init__(self, config: CodeMTLConfig) -> None:
        super().__init__(config)
        sizes = config.sizes()
        self.build(sizes)
        self._respelling: Respelling | None = None
        self._keep_in_fp32_modules_strict = {*_IN_FP32, *sizes.added_tasks}
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """As `Network`; transformers lets each tensor be set once, so parents cannot come last."""
        parents = [parent for parent in self.modules() if module in _projections(parent)]
        initialise(parents[0] if parents else module, self.config.layers)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        word_ids: Tensor | None = None,
    ) -> BaseModelOutput:
        """Encoder states [B, W, D] of the words that pieces [B, T] spell; padding on the right.

        ``word_ids`` [B, T] are a fast tokenizer's; without them each piece is a word of its own.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        pieces = input_ids.numpy(force=True).astype("int32")
        if word_ids is not None:
            words = word_ids.numpy(force=True)
            pieces[:, 1:] |= CONTINUES * (words[:, 1:] == words[:, :-1])
        lengths = attention_mask.sum(-1).tolist()
        rows = [row[:length] for row, length in zip(pieces, lengths, strict=True)]
        arrays, _ = encoder_arrays(rows, 0)
        if self.config.trunk is not None:
            arrays |= self.respelling().arrays(arrays)
        batch = {key: torch.from_numpy(value).to(self.device) for key, value in arrays.items()}
        states, _ = self.encode(batch)
        return BaseModelOutput(last_hidden_state=states)

    def respelling(self) -> Respelling:
        """What spells inputs for the trunk; read from where the model came from."""
        if self._respelling is None:
            sizes, source = self.config.sizes(), self.config.name_or_path
            if not source:
                raise ModelError("the trunk's tokenizer is not known; load the model from a folder")
            files = [Path(str(cached_file(source, name))) for name in (FILE_NAME, TRUNK_FILE_NAME)]
            assert sizes.trunk is not None
            self._respelling = Respelling.load(
                files[1].parent, CodeTokenizer.load(files[0]), sizes.trunk
            )
        return self._respelling

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *args: Any,
        **options: Any,
    ) -> Any:
        """As transformers' own; weights that are stored in int8 are unpacked first."""
        if pretrained_model_name_or_path is not None and options.get("state_dict") is None:
            path = cached_file(pretrained_model_name_or_path, WEIGHTS, **_where(options))
            tensors = load_file(str(path))
            if any(value.dtype == torch.int8 for value in tensors.values()):
                config = options.pop("config", None) or cls.config_class.from_pretrained(
                    pretrained_model_name_or_path, **_where(options)
                )
                options["state_dict"] = dequantized(tensors)
                found = super().from_pretrained(None, *args, config=config, **options)
                model = found[0] if isinstance(found, tuple) else found
                model.name_or_path = str(pretrained_model_name_or_path)
                model.config.name_or_path = model.name_or_path
                return found
        return super().from_pretrained(pretrained_model_name_or_path, *args, **options)

    def get_input_embeddings(self) -> nn.Module:
        """The embedding that encoder and decoders share."""
        return self.encoder.embedding

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *arguments: Any, **options: Any
    ) -> None:
        """Write what ``from_pretrained`` and ``codemtl --model`` read.

        The tokenizers are copied along when the model came from a folder that holds one.
        """
        state = options.get("state_dict") or self.state_dict()
        plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        data = save(plain, metadata={"format": "pt"})
        self.config.sha256 = hashlib.sha256(data).hexdigest()
        super().save_pretrained(save_directory, *arguments, **options)
        folder = Path(save_directory)
        if (folder / WEIGHTS).exists():
            (folder / WEIGHTS).chmod(0o666 & ~_umask())  # safetensors writes for the owner alone
        for name in (FILE_NAME, TRUNK_FILE_NAME):
            source = Path(self.config.name_or_path or ".") / name
            if self.config.name_or_path and source.is_file() and not (folder / name).exists():
                write_atomic(folder / name, source.read_bytes())


def _where(options: dict[str, Any]) -> dict[str, Any]:
    """Of the options of from_pretrained those that say where files come from."""
    keys = ("cache_dir", "revision", "token", "local_files_only", "subfolder", "force_download")
    return {key: options[key] for key in keys if key in options}


def _projections(module: nn.Module) -> list[nn.Module | None]:
    return [getattr(module, name, None) for name in PROJECTIONS]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


AutoConfig.register(MODEL_TYPE, CodeMTLConfig, exist_ok=True)
AutoModel.register(CodeMTLConfig, CodeMTLModel, exist_ok=True)
