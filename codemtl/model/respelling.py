"""Our words in the pieces of another tokenizer: what a Hugging Face trunk reads.

Batches spell words in our pieces. Here the text is put together again, as a formatter would set
it (the model's view of source holds no spaces), cut by the trunk's tokenizer, and its pieces are
given to our words by their character offsets. Example, in the pieces of a byte-level BPE

    words   <fn>  return  max_size  +  1            text  "return max_size + 1"
    pieces  </s>  return  Ġmax _size  Ġ+  Ġ1        max_size has two pieces

A piece that lies across several words belongs to each of them. An input that is longer than the
trunk's window is read in chunks of equal length, each by itself; no word is left out.
"""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from codemtl.errors import ModelError
from codemtl.model.atomic import write_atomic
from codemtl.model.config import TrunkConfig
from codemtl.model.tokenizer import SPECIALS, CodeTokenizer
from codemtl.tasks.batches import Arrays, pad

FILE_NAME: Final = "trunk_tokenizer.json"
_QUOTES = re.compile(r"""[rRbBfFuUtT]{0,2}(\"""|'''|"|')""")
_NUMBER_TAIL = re.compile(r"\d+|_\w*|[eEjJ]\d*")
_TIGHT_BEFORE = frozenset({")", "]", "}", ",", ":", ";"})
_TIGHT_AFTER = frozenset({"(", "[", "{", "~", "@"})
_SIGNS = frozenset({"+", "-", "*", "**"})


class _Text(NamedTuple):
    """A run of ordinary words of one input, and where each of them lies in the text."""

    text: str
    first: int  # number of the first word
    starts: list[int]
    ends: list[int]


class _Pieces(NamedTuple):
    """An input in the trunk's pieces; word ``words[i]`` has piece ``at[i]``."""

    ids: NDArray[np.int64]
    at: NDArray[np.int64]
    words: NDArray[np.int64]


class Respelling:
    """Adds what the trunk reads to the arrays of a batch."""

    def __init__(self, tokenizer: CodeTokenizer, backend: Tokenizer, trunk: TrunkConfig) -> None:
        # Source text that happens to spell "</s>" is text, not a control piece.
        backend.encode_special_tokens = True
        backend.no_padding()
        backend.no_truncation()
        self._tokenizer, self._backend, self._trunk = tokenizer, backend, trunk
        self._spelled = lru_cache(maxsize=1 << 16)(tokenizer.decode)

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker process gets the tokenizers as text."""
        return _restored, (self._tokenizer.to_json(), self._backend.to_str(), self._trunk)

    @classmethod
    def load(cls, folder: Path, tokenizer: CodeTokenizer, trunk: TrunkConfig) -> Respelling:
        """From a model folder. Raises ModelError."""
        path = folder / FILE_NAME
        try:
            backend = Tokenizer.from_str(path.read_text("utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise ModelError(
                f"{path}: the tokenizer of the model's encoder cannot be read: {error}"
            ) from error
        return cls(tokenizer, backend, trunk)

    def save(self, folder: Path) -> None:
        """Write the trunk's tokenizer into a model folder."""
        write_atomic(folder / FILE_NAME, (self._backend.to_str() + "\n").encode())

    def arrays(self, arrays: Arrays) -> Arrays:
        """For ``input_*`` and ``lengths`` of a batch: what the trunk reads.

        ``trunk_ids`` [C, L] and ``trunk_lengths`` [C]; ``trunk_piece`` (chunk * L + place) and
        ``trunk_slot`` (row * T + word) [P] say which piece belongs to which word.
        """
        width = arrays["input_ids"].shape[1]
        chunks: list[NDArray[np.int64]] = []
        places: list[tuple[int, NDArray[np.int64]]] = []  # (chunk, place in it)
        slots: list[NDArray[np.int64]] = []
        for row, spelled in enumerate(self._rows(arrays)):
            for low, high in self._spans(len(spelled.ids)):
                lead = [self._trunk.begin] if self._trunk.begin >= 0 else []
                inside = (spelled.at >= low) & (spelled.at < high)
                places.append((len(chunks), spelled.at[inside] - low + len(lead)))
                slots.append(spelled.words[inside] + row * width)
                chunks.append(np.r_[lead, spelled.ids[low:high], self._trunk.end].astype(np.int64))
        ids = pad(chunks, self._trunk.pad)
        return {
            "trunk_ids": ids,
            "trunk_lengths": np.array([len(chunk) for chunk in chunks], np.int64),
            "trunk_piece": np.concatenate([c * ids.shape[1] + place for c, place in places]),
            "trunk_slot": np.concatenate(slots),
        }

    def _spans(self, size: int) -> list[tuple[int, int]]:
        """Chunks of ``size`` pieces as equal as can be, none longer than the window."""
        count = -(-size // (self._trunk.window - 2)) or 1
        bounds = [size * part // count for part in range(count + 1)]
        return list(pairwise(bounds))

    def _rows(self, arrays: Arrays) -> Iterator[_Pieces]:
        """Each input of a batch; the tokenizer is called once."""
        inputs = [list(self._parts(words)) for words in _words(arrays)]
        texts = [part.text for parts in inputs for part in parts if isinstance(part, _Text)]
        cut = iter(self._backend.encode_batch(texts, add_special_tokens=False))
        for parts in inputs:
            ids: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
            at, words, size = [ids[0]], [ids[0]], 0
            for part in parts:
                if isinstance(part, _Text):
                    encoding = next(cut)
                    pieces, owners = _aligned(part, encoding.offsets)
                    ids.append(np.array(encoding.ids, np.int64))
                else:
                    pieces, owners = np.zeros(1, np.int64), np.array([part[1]], np.int64)
                    ids.append(np.array([part[0]], np.int64))
                at.append(pieces + size)
                words.append(owners)
                size += len(ids[-1])
            yield _Pieces(np.concatenate(ids), np.concatenate(at), np.concatenate(words))

    def _parts(self, words: Sequence[tuple[int, ...]]) -> Iterator[_Text | tuple[int, int]]:
        """Runs of words as texts, and (piece, number of the word) for our special words."""
        run: list[str] = []
        prose = False  # a summary holds its spaces itself
        for number, word in enumerate(words):
            if word[0] >= len(SPECIALS):
                run.append(self._spelled(word))
                continue
            if run:
                yield _joined(run, number - len(run), prose)
                run = []
            prose = word[0] == CodeTokenizer.doc_id
            if word[0] == CodeTokenizer.mask_id and self._trunk.mask >= 0:
                yield self._trunk.mask, number
            elif word[0] != CodeTokenizer.ctx_id:  # which the chunk's first piece stands for
                yield self._trunk.end, number
        if run:
            yield _joined(run, len(words) - len(run), prose)


def _restored(tokenizer: str, backend: str, trunk: TrunkConfig) -> Respelling:
    return Respelling(CodeTokenizer.from_json(tokenizer), Tokenizer.from_str(backend), trunk)


def _words(arrays: Arrays) -> Iterator[list[tuple[int, ...]]]:
    """The pieces of each word of each input."""
    more: dict[int, list[int]] = defaultdict(list)
    pairs = zip(
        arrays["input_more_slot"].tolist(), arrays["input_more_pieces"].tolist(), strict=True
    )
    for slot, piece in pairs:
        more[slot].append(piece)
    rows, width = arrays["input_ids"].tolist(), arrays["input_ids"].shape[1]
    for number, (row, length) in enumerate(zip(rows, arrays["lengths"].tolist(), strict=True)):
        first = number * width
        yield [(piece, *more.get(first + at, ())) for at, piece in enumerate(row[:length])]


def _joined(words: Sequence[str], first: int, prose: bool) -> _Text:
    """Words with spaces between them as Python is usually set, or as they are."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    size, quote, before, left = 0, "", "", ""
    for word in words:
        if left and not prose and _spaced(before, left, word, quote):
            parts.append(" ")
            size += 1
        starts.append(size)
        parts.append(word)
        size += len(word)
        ends.append(size)
        mark = _QUOTES.fullmatch(word)
        if mark and not quote:
            quote = mark[1]
        elif word == quote:
            quote = ""
        before, left = left, word
    return _Text("".join(parts), first, starts, ends)


def _spaced(before: str, left: str, right: str, quote: str) -> bool:
    """Whether a space stands between two words; ``quote`` is that of the string around them."""
    if not right or left[-1].isspace() or right[0].isspace():
        return False
    if left.isdigit() and _NUMBER_TAIL.fullmatch(right):
        return False
    if quote:
        return _is_word(left[-1]) and _is_word(right[0])
    if "." in (left, right):
        return keyword.iskeyword(left) or keyword.iskeyword(right)
    if right in _TIGHT_BEFORE or left in _TIGHT_AFTER:
        return False
    if right in ("(", "["):
        return not _ends_value(left)
    if left in _SIGNS:  # after a value it stands between two of them
        return bool(before) and _ends_value(before)
    return True


def _ends_value(word: str) -> bool:
    """Whether an operator, a call or an index can follow."""
    return (_is_word(word[-1]) or word[-1] in ")]}\"'") and not keyword.iskeyword(word)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _aligned(
    part: _Text, offsets: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a piece and a word that share a character."""
    spans = np.array(offsets, np.int64).reshape(-1, 2)
    first = np.searchsorted(np.array(part.ends), spans[:, 0], side="right")
    after = np.searchsorted(np.array(part.starts), spans[:, 1], side="left")
    counts = np.where(spans[:, 1] > spans[:, 0], np.maximum(after - first, 0), 0)
    pieces = np.repeat(np.arange(len(spans)), counts)
    steps = np.arange(len(pieces)) - np.repeat(np.cumsum(counts) - counts, counts)
    return pieces.astype(np.int64), (np.repeat(first, counts) + steps + part.first).astype(np.int64)
