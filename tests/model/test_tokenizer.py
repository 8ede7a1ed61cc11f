"""The tokenizer cuts at lexical boundaries, loses nothing, and treats specials as control only."""

from __future__ import annotations

import inspect
import random
import subprocess
import sys
from pathlib import Path

import pytest

from codemtl.corpus.hashing import function_tokens, view_text
from codemtl.errors import ModelError
from codemtl.model import tokenizer as module
from codemtl.model.tokenizer import SPECIALS, CodeTokenizer
from codemtl.syntax.tree import parse
from codemtl.tasks.example import CONTINUES

TEXTS = [inspect.getsource(module), inspect.getsource(inspect), inspect.getsource(subprocess)]
TOKENIZER = CodeTokenizer.train(TEXTS, 1000)


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("if x_id>=10:\n    return", ["if", " ", "x_id", ">=", "10", ":", "\n    ", "return"]),
        ("a  b", ["a", "  ", "b"]),
        ("x**=2//y", ["x", "**=", "2", "//", "y"]),
        ("f(*a,**k)->T:...", ["f", "(", "*", "a", ",", "**", "k", ")", "->", "T", ":", "..."]),
        ("x:=0xFF+1234567", ["x", ":=", "0xFF", "+", "123", "456", "7"]),
        ("rb'''a'''", ["rb'''", "a", "'''"]),
        ('f"b{x!r}"', ['f"', "b", "{", "x", "!", "r", "}", '"']),
        ('"b"', ['"', "b", '"']),
        ("a!=b", ["a", "!=", "b"]),
        ("café\t\tñ", ["café", "\t\t", "ñ"]),
        ("\r\n  x\n\n y", ["\r\n  ", "x", "\n", "\n ", "y"]),
        ("😀@", ["😀", "@"]),
    ],
)
def test_runs(text: str, runs: list[str]) -> None:
    assert TOKENIZER.runs(text) == runs


def test_a_line_break_with_its_indentation_and_a_space_are_one_piece_each() -> None:
    assert TOKENIZER.pieces("\n        ") == ["\n        "]
    assert TOKENIZER.pieces("self x") == ["self", " ", "x"]


def test_no_piece_crosses_a_boundary() -> None:
    runs = TOKENIZER.runs(TEXTS[0])
    assert "".join(runs) == TEXTS[0]
    whole = [piece for run in runs for piece in TOKENIZER.encode(run)]
    assert TOKENIZER.encode(TEXTS[0]) == whole


def test_any_text_comes_back() -> None:
    draw = random.Random(0)
    for _ in range(300):
        codes = (draw.choice((0x80, 0x3000, 0x110000)) for _ in range(draw.randrange(40)))
        text = "".join(chr(draw.randrange(limit)) for limit in codes)
        text = text.encode("utf-8", "ignore").decode()  # without lone surrogates
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert "".join(TOKENIZER.runs(text)) == text


def test_tricky_text_comes_back() -> None:
    parts = ['"', "'", "b", "f", "\n", " ", "\\", "\r", "<pad>", "9", "é", "\x00", "\u2028"]
    draw = random.Random(1)
    for _ in range(500):
        text = "".join(draw.choices(parts, k=draw.randrange(20)))
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert "".join(TOKENIZER.runs(text)) == text


def test_the_view_is_the_concatenation_of_its_tokens() -> None:
    for text in TEXTS:
        tree = parse(text.encode())
        tokens = [token for token in function_tokens(tree, tree.root)]
        space = TOKENIZER.encode(" ")
        parts: list[int] = []
        for token in tokens:
            pieces = [piece & (CONTINUES - 1) for piece in TOKENIZER.encode_token(token.text)]
            parts += [*(space if token.space_before else ()), *pieces]
        assert TOKENIZER.encode(view_text(tokens)) == parts


def test_specials_have_the_first_ids_and_are_never_read_from_text() -> None:
    assert len(SPECIALS) == 16
    assert (TOKENIZER.pad_id, TOKENIZER.mask_id, TOKENIZER.sep_id) == (0, 1, 7)
    for special in SPECIALS:
        assert min(TOKENIZER.encode(special)) >= len(SPECIALS)
    assert TOKENIZER.decode([5, *TOKENIZER.encode("x"), 6]) == "x"


def test_lone_surrogates_do_not_fail() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a?b"


def test_saving_and_loading(tmp_path: Path) -> None:
    file = TOKENIZER.save(tmp_path)
    assert file == tmp_path / "tokenizer.json"
    for path in (file, tmp_path):
        loaded = CodeTokenizer.load(path)
        assert loaded.vocab_size == TOKENIZER.vocab_size == 1000
        assert loaded.encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0])
        assert loaded.encode("<pad>") == TOKENIZER.encode("<pad>")


def test_training_is_deterministic() -> None:
    again = CodeTokenizer.train(TEXTS, 1000)
    assert again.encode(TEXTS[1]) == TOKENIZER.encode(TEXTS[1])


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the tokenizer"):
        CodeTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="not a tokenizer file"):
        CodeTokenizer.load(tmp_path)
    text = '{"version":"1.0","added_tokens":[],"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}'
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match="<pad> must have id 0"):
        CodeTokenizer.load(tmp_path)
    with pytest.raises(ModelError, match="at least 272"):
        CodeTokenizer.train(TEXTS, 100)


def test_importing_it_loads_no_torch() -> None:
    code = "import sys, codemtl.model.tokenizer as t; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pieces_that_go_on_with_a_word_are_marked() -> None:
    pieces = TOKENIZER.encode_token("unusual_identifier")
    assert len(pieces) > 1
    assert [piece >= CONTINUES for piece in pieces] == [False] + [True] * (len(pieces) - 1)
    two = TOKENIZER.encode_token("unusual identifier")
    assert sum(piece < CONTINUES for piece in two) == 3  # two words and a space
