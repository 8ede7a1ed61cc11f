"""The network as a transformers model: from_pretrained, save_pretrained, push_to_hub."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from codemtl.model.checkpoints import MODEL_TYPE
from codemtl.model.config import ModelConfig
from codemtl.model.encoder import Encoder
from codemtl.model.network import Network
from codemtl.model.repair_head import RepairHead
from codemtl.model.text_head import TextHead


class CodeMTLConfig(PretrainedConfig):
    """``ModelConfig`` in transformers' clothes."""

    model_type = MODEL_TYPE

    def __init__(self, **values: Any) -> None:
        for name, value in ModelConfig.from_dict(values).to_dict().items():
            setattr(self, name, value)
        super().__init__(**{k: v for k, v in values.items() if k not in ModelConfig().to_dict()})

    def sizes(self) -> ModelConfig:
        """The plain configuration."""
        return ModelConfig.from_dict(self.to_dict())


class CodeMTLModel(PreTrainedModel):
    """Shared encoder and three heads. Its folder is read by ``codemtl --model`` too."""

    config_class = CodeMTLConfig
    base_model_prefix = ""
    main_input_name = "input_ids"

    def __init__(self, config: CodeMTLConfig) -> None:
        super().__init__(config)
        network = Network(config.sizes())
        self.encoder: Encoder = network.encoder
        self.repair: RepairHead = network.repair
        self.summarize: TextHead = network.summarize
        self.generate_head: TextHead = network.generate
        self.post_init()

    def forward(self, input_ids: Tensor, lengths: Tensor) -> Tensor:
        """Encoder states [B, T, D] of pieces [B, T] with ``lengths`` [B]."""
        states, _ = self.encoder(input_ids, lengths)
        return states
