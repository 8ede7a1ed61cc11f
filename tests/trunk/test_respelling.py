"""The trunk's pieces belong to the words that they spell."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codemtl.errors import ModelError
from codemtl.model.config import TrunkConfig
from codemtl.model.pretrained import find
from codemtl.model.respelling import FILE_NAME, Respelling
from codemtl.model.tokenizer import CodeTokenizer, special_ids
from codemtl.syntax.sites import FunctionSites
from codemtl.syntax.tree import parse
from codemtl.tasks.batches import Arrays, encoder_arrays, encoder_input
from codemtl.tasks.building import build_example

SOURCE = """def f(xs, n=-1, *args, **kwargs):
    if n >= 1_000 and not (xs[0] + 2.5e3):
        return f"a {xs if n else 3} it's {n}" % (-n, *args)
    from . import größe
    return [x ** -2 for x in xs][n]('</s>').y
"""
# As it is, but for default values: what stands there cannot be told from an assignment.
SET = SOURCE.replace("n=-1", "n = -1").rstrip("\n")


def arrays_of(tokenizer: CodeTokenizer, sources: Sequence[str]) -> Arrays:
    """What the encoder reads for the functions, each with a line of context and a summary."""
    specials, rows = special_ids(tokenizer), []
    for source in sources:
        tree = parse(source.encode())
        example = build_example(
            tree, tree.root.children[0], FunctionSites([], []), ["import os"], tokenizer,
            summary="What it does.",
        )  # fmt: skip
        rows.append(
            encoder_input(specials, example.context, example.pieces[:-1], example.summary)[0]
        )
        rows[-1] = np.append(rows[-1], np.int32(specials.mask))
    return encoder_arrays(rows, specials.pad)[0]


def by_word(found: Arrays) -> dict[int, list[int]]:
    """The pieces of each word (row * T + word)."""
    ids, words = found["trunk_ids"].ravel(), defaultdict(list)
    for piece, slot in zip(found["trunk_piece"], found["trunk_slot"], strict=True):
        words[int(slot)].append(int(ids[piece]))
    return words


@pytest.fixture(params=["roberta", "t5", "modernbert"])
def folder(request: pytest.FixtureRequest, encoders: dict[str, Path]) -> Path:
    return encoders[request.param]


def test_words_get_the_pieces_that_spell_them(folder: Path, tokenizer: CodeTokenizer) -> None:
    trunk, backend = find(str(folder))
    arrays = arrays_of(tokenizer, [SOURCE, "def g(): pass"])
    found = by_word(Respelling(tokenizer, backend, trunk).arrays(arrays))
    width = arrays["input_ids"].shape[1]
    texts = {}
    for slot, pieces in found.items():
        word = [int(arrays["input_ids"][divmod(slot, width)])]
        word += arrays["input_more_pieces"][arrays["input_more_slot"] == slot].tolist()
        texts[slot] = tokenizer.decode(word)
        if word[0] < 16:
            end = [trunk.mask if word[0] == tokenizer.mask_id else trunk.end]
            assert pieces == end, "a special word is one piece"
        elif "<unk>" not in (spelled := backend.decode(pieces, skip_special_tokens=False)):
            assert texts[slot].strip(" \n") in spelled
    real = [
        row * width + word for row, length in enumerate(arrays["lengths"]) for word in range(length)
    ]
    dropped = {
        tokenizer.decode([int(arrays["input_ids"][divmod(slot, width)])])
        for slot in set(real) - found.keys()
    }
    assert not "".join(dropped).strip(), "only white space and <ctx> may be without a piece"
    assert found.keys() <= set(real)


def test_the_text_is_set_as_python_is(encoders: dict[str, Path], tokenizer: CodeTokenizer) -> None:
    trunk, backend = find(str(encoders["roberta"]))
    spelled = Respelling(tokenizer, backend, trunk).arrays(arrays_of(tokenizer, [SOURCE]))
    text = "".join(
        backend.decode(row[1 : length - 1].tolist(), skip_special_tokens=False)
        for row, length in zip(spelled["trunk_ids"], spelled["trunk_lengths"], strict=True)
    )
    whole = f"import os\n</s>What it does.</s>{SET[:-1]}<mask>"
    assert text == whole
    assert (spelled["trunk_ids"] == trunk.end).sum() == len(spelled["trunk_ids"]) + 2, (
        "'</s>' in the source is text"
    )


def test_long_inputs_are_read_in_chunks(
    encoders: dict[str, Path], tokenizer: CodeTokenizer
) -> None:
    trunk, backend = find(str(encoders["roberta"]))
    assert trunk.window == 64
    arrays = arrays_of(tokenizer, [SOURCE, "def g(): pass"])
    chunks = Respelling(tokenizer, backend, trunk).arrays(arrays)
    lengths = chunks["trunk_lengths"].tolist()
    assert len(lengths) > 3 and max(lengths) <= 64
    assert max(lengths[:-1]) - min(lengths[:-1]) <= 1, "of equal length"
    whole = Respelling(tokenizer, backend, replace(trunk, window=4096)).arrays(arrays)
    assert len(whole["trunk_lengths"]) == 2
    assert by_word(chunks) == by_word(whole)
    assert (chunks["trunk_ids"][:, 0] == trunk.begin).all()


def test_a_worker_process_gets_the_same(
    encoders: dict[str, Path], tokenizer: CodeTokenizer
) -> None:
    trunk, backend = find(str(encoders["t5"]))
    respelling = Respelling(tokenizer, backend, trunk)
    arrays = arrays_of(tokenizer, [SOURCE])
    again = pickle.loads(pickle.dumps(respelling)).arrays(arrays)
    for key, value in respelling.arrays(arrays).items():
        assert np.array_equal(value, again[key])


def test_a_folder_without_the_trunks_tokenizer_is_refused(
    tmp_path: Path, tokenizer: CodeTokenizer
) -> None:
    trunk = TrunkConfig({"model_type": "t5"}, 512, 0, -1, 1, -1)
    with pytest.raises(ModelError, match=rf"{FILE_NAME}: the tokenizer of the model's encoder"):
        Respelling.load(tmp_path, tokenizer, trunk)
