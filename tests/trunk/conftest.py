"""Small pretrained encoders of real architectures, with tokenizers of their kinds, in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from codemtl.model.config import PRESETS, ModelConfig
from codemtl.model.pretrained import find
from codemtl.model.tokenizer import CodeTokenizer

ROOT = Path(__file__).parents[2]
VOCABULARY = 600


def texts() -> list[str]:
    sources = sorted((ROOT / "codemtl" / "syntax").glob("*.py"))[:6]
    return [path.read_text("utf-8") for path in sources]


def byte_level(specials: list[str]) -> Tokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=specials, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    backend.train_from_iterator(texts(), trainer)
    return backend


def unigram(specials: list[str]) -> Tokenizer:
    """As T5's: white space of any kind becomes one mark before the word."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=specials, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(texts(), trainer)
    return backend


def roberta(folder: Path) -> None:
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    PreTrainedTokenizerFast(
        tokenizer_object=byte_level(specials), bos_token="<s>", cls_token="<s>", eos_token="</s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
    ).save_pretrained(folder)  # fmt: skip
    RobertaModel(RobertaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=66, type_vocab_size=1,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )).save_pretrained(folder)  # fmt: skip


def t5(folder: Path) -> None:
    specials = ["<pad>", "</s>", "<unk>", "<extra_id_0>"]
    PreTrainedTokenizerFast(
        tokenizer_object=unigram(specials), eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        model_max_length=512,
    ).save_pretrained(folder)  # fmt: skip
    T5ForConditionalGeneration(T5Config(
        vocab_size=VOCABULARY, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2,
    )).save_pretrained(folder)  # fmt: skip


def modernbert(folder: Path) -> None:
    specials = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
    PreTrainedTokenizerFast(
        tokenizer_object=byte_level(specials), cls_token="[CLS]", sep_token="[SEP]",
        pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]",
    ).save_pretrained(folder)  # fmt: skip
    ModernBertModel(ModernBertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=512, local_attention=16,
        cls_token_id=0, bos_token_id=0, sep_token_id=1, eos_token_id=1, pad_token_id=2,
    )).save_pretrained(folder)  # fmt: skip


MAKERS: dict[str, Callable[[Path], None]] = {
    "roberta": roberta, "t5": t5, "modernbert": modernbert,
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer(tiny: Path) -> CodeTokenizer:
    return CodeTokenizer.load(tiny)


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each architecture; not to be changed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in MAKERS}
    for name, make in MAKERS.items():
        torch.manual_seed(0)
        make(folders[name])
    return folders


@pytest.fixture
def configured(encoders: dict[str, Path]) -> Callable[..., ModelConfig]:
    """The tiny preset around a trunk."""

    def make(name: str, **changes: object) -> ModelConfig:
        values = {**PRESETS["tiny"].to_dict(), "encoder": str(encoders[name]), **changes}
        return ModelConfig(**{**values, "trunk": find(str(encoders[name])).trunk})

    return make
