r"""Text to model ids and back: byte-level BPE that never crosses a lexical boundary of Python.

Example: ``"if x_id>=10:\n    return"`` is cut into the runs

    if | ␣ | x_id | >= | 10 | : | ⏎␣␣␣␣ | return

and byte-pair merges happen inside a run only. The cut lives in ``tokenizer.json`` as a regular
expression, so every consumer of that file agrees about it. A single space is a run of its own:
the encoder's input leaves spaces out without changing any other piece.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from codemtl.errors import ModelError
from codemtl.tasks.batches import SpecialIds
from codemtl.tasks.example import CONTINUES, SPACE, Ints, Layout, piece_ids

FILE_NAME: Final = "tokenizer.json"
SPECIALS: Final = (
    "<pad>", "<mask>", "<ctx>", "<fn>", "<doc>", "<bos>", "<eos>", "<sep>",
    *(f"<reserved{number}>" for number in range(1, 9)),
)  # fmt: skip

# Alternatives in order; together they match every character, so nothing is left uncut.
LEXICAL_PATTERN: Final = "|".join((
    r"\r?\n[ ]*",  # a line break with the indentation after it
    r"[ ]+",
    r"\t+",
    r"""(?<![\w"'])[rRbBfFuUtT]{1,2}(?:\"""|'''|"|')""",  # a string's prefix and opening quote
    r"""\"""|'''|"|'""",
    r"[^\W\d]\w*",
    r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+",
    r"\d{1,3}",
    r"\*\*=|//=|>>=|<<=|\.\.\.",
    r"->|:=|==|!=|<=|>=|<>|\*\*|//|>>|<<|\+=|-=|\*=|/=|%=|@=|&=|\|=|\^=",
    r"(?m:.)|\s",  # any other character by itself
))  # fmt: skip


class CodeTokenizer:
    """The tokenizer of a model folder. Ids of ``SPECIALS`` are 0..15, in that order."""

    pad_id, mask_id, ctx_id, fn_id, doc_id, bos_id, eos_id, sep_id = range(8)

    def __init__(self, backend: Tokenizer) -> None:
        for expected, special in enumerate(SPECIALS):
            if backend.token_to_id(special) != expected:
                raise ModelError(
                    f"{FILE_NAME}: {special} must have id {expected}, found "
                    f"{backend.token_to_id(special)}; it belongs to another model"
                )
        if backend.decode([SPACE]) != " ":
            raise ModelError(
                f"{FILE_NAME}: the piece {SPACE} must be a space; it belongs to another model"
            )
        # Source text that happens to spell "<pad>" is text, not a control piece.
        backend.encode_special_tokens = True
        backend.no_padding()
        backend.no_truncation()
        self._backend = backend
        self._cached = lru_cache(maxsize=1 << 17)(self._encode_tuple)
        self._cached_words = lru_cache(maxsize=1 << 14)(self._decode_words)

    @classmethod
    def load(cls, path: str | Path) -> CodeTokenizer:
        """Load from a ``tokenizer.json`` or from the folder that holds it.

        Raises ModelError when it is missing, damaged or made for another model.
        """
        file = Path(path)
        if file.is_dir():
            file /= FILE_NAME
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read the tokenizer {file}: {error}") from error
        try:
            backend = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception
            raise ModelError(f"{file} is not a tokenizer file: {error}") from error
        return cls(backend)

    @classmethod
    def from_json(cls, text: str) -> CodeTokenizer:
        """From what `to_json` gave."""
        return cls(Tokenizer.from_str(text))

    def to_json(self) -> str:
        """The content of ``tokenizer.json``."""
        return self._backend.to_str(pretty=False)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 8192) -> CodeTokenizer:
        """Learn merges from an iterable of texts; ``vocab_size`` includes specials and bytes."""
        smallest = len(SPECIALS) + 256
        if vocab_size < smallest:
            raise ModelError(f"vocab_size must be at least {smallest}, found {vocab_size}")
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(LEXICAL_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])  # fmt: skip
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIALS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            max_token_length=48,
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    def save(self, path: str | Path) -> Path:
        """Write ``tokenizer.json`` into a folder, or to the given ``.json`` file; returns it."""
        file = Path(path)
        if file.suffix != ".json":
            file /= FILE_NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.to_json() + "\n", "utf-8")
        return file

    @property
    def vocab_size(self) -> int:
        """Number of ids, specials included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without any special piece. Lone surrogates are encoded as ``?``."""
        return self._backend.encode(_encodable(text), add_special_tokens=False).ids

    def encode_token(self, text: str) -> tuple[int, ...]:
        """Pieces of one lexical token: ids, with CONTINUES on those that do not begin a run.

        Cached, because source repeats its tokens.
        """
        return self._cached(text)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; specials are left out, broken UTF-8 becomes U+FFFD."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def words(self, pieces: Ints) -> tuple[str, ...]:
        """The words that pieces with CONTINUES spell. Cached, because source repeats its lines."""
        return self._cached_words(pieces.astype(np.int32).tobytes())

    def pieces(self, text: str) -> list[str]:
        """The text of each piece in turn, for reading and tests."""
        return [self.decode([piece]) for piece in self.encode(text)]

    def runs(self, text: str) -> list[str]:
        """The lexical runs that the pre-tokenizer cuts a text into, before any merge."""
        assert self._backend.pre_tokenizer is not None
        cut = self._backend.pre_tokenizer.pre_tokenize_str(_encodable(text))
        return [text[start:end] for _, (start, end) in cut]

    def _decode_words(self, data: bytes) -> tuple[str, ...]:
        pieces = np.frombuffer(data, np.int32)
        starts = [*np.flatnonzero(pieces < CONTINUES).tolist(), len(pieces)]
        ids = piece_ids(pieces).tolist()
        return tuple(self.decode(ids[start:end]) for start, end in pairwise(starts))

    def _encode_tuple(self, text: str) -> tuple[int, ...]:
        found = self._backend.encode(_encodable(text), add_special_tokens=False)
        runs = [-1, *found.word_ids]
        return tuple(
            piece | CONTINUES * (run == before)
            for piece, run, before in zip(found.ids, runs[1:], runs, strict=False)
        )


def special_ids(tokenizer: CodeTokenizer) -> SpecialIds:
    """The ids that inputs are made with."""
    return SpecialIds(
        tokenizer.pad_id, tokenizer.mask_id, tokenizer.ctx_id, tokenizer.fn_id, tokenizer.doc_id,
        tokenizer.bos_id, tokenizer.eos_id,
    )  # fmt: skip


def piece_layout(tokenizer: CodeTokenizer) -> Layout:
    """The layout flags of a tokenizer's vocabulary."""
    return Layout.of([tokenizer.decode([piece]) for piece in range(tokenizer.vocab_size)])


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
