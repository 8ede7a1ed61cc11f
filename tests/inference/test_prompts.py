"""What a decoder is told of a place is what it was told in training."""

from __future__ import annotations

import numpy as np
import pytest

from codemtl.evaluation.cases import Origin, TextCase, line_request
from codemtl.evaluation.synthetic import function_at
from codemtl.inference import SHIPPED_MODEL
from codemtl.inference.prompts import stand_in, with_hole
from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.syntax.actions import FunctionSites
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse
from codemtl.tasks.building import build_example, line_bytes, with_mask
from codemtl.tasks.example import Ints, line_spans

LINES = b'''
class Reader:
    def read(self, path, kind):
        """Read a file."""
        with open(path) as file:  # closed afterwards
            data = file.read()
        try:
            size = int(
                data,
            )
        except ValueError as error:
            raise Broken(path) from error
        except (KeyError, TypeError):
            size = 0
        else:
            self.seen += 1
        finally:
            self.close()
        for one in range(size):
            while one:
                one -= 1
            else:
                break
        if kind == "a":
            return 1
        elif kind == "b":
            return 2
        else:
            pass
        match kind:
            case "c":
                return 3
            case _:
                async def inner():
                    await self
        try:
            return inner
        finally:
            del data
'''


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.load(SHIPPED_MODEL)


def _pieces(tokenizer: CodeTokenizer, data: bytes, start: int) -> Ints:
    tree = parse(data)
    function = function_at(tree, start)
    assert function is not None
    return build_example(tree, function.node, FunctionSites([], []), [], tokenizer).pieces


def test_each_kind_of_line_is_masked_as_in_training(tokenizer: CodeTokenizer) -> None:
    mask, layout = special_ids(tokenizer).mask, piece_layout(tokenizer)
    tree = parse(LINES)
    start = functions(tree)[0].node.start_byte
    pieces, bounds = line_bytes(tree, functions(tree)[0].node, tokenizer, layout)
    seen = []
    for (first, last), line in list(zip(line_spans(pieces, layout), bounds, strict=True))[1:]:
        seen.append(LINES[slice(*line)].decode().split()[0].rstrip(":"))
        wanted = np.concatenate([pieces[:first], [mask], pieces[last:]])
        case = TextCase(Origin("", "", ""), LINES, start, "read", line, "")
        data = with_hole(line_request(case)).data
        found, at = with_mask(_pieces(tokenizer, data, start), tokenizer, mask)
        assert (found.tolist(), at) == (wanted.tolist(), first), LINES[slice(*line)]
    assert {"with", "try", "except", "else", "finally", "for", "elif", "match", "case"} <= {*seen}


def test_a_try_below_a_line_is_not_its_head(tokenizer: CodeTokenizer) -> None:
    data = b"def f(a):\n    b = a\n    try:\n        g(b)\n    finally:\n        h()\n"
    start = data.index(b"b = a")
    assert stand_in(data, start, start + 5, b"name") == b"name"
    case = TextCase(Origin("", "", ""), data, 0, "f", (start, start + 5), "")
    pieces = _pieces(tokenizer, with_hole(line_request(case)).data, 0)
    masked, _ = with_mask(pieces, tokenizer, special_ids(tokenizer).mask)
    assert len(masked) == len(_pieces(tokenizer, data, 0)) - 3 + 1
