"""The text around what is to be written: a hole in a file, or a header of its own."""

from __future__ import annotations

import keyword
import re

from codemtl.inference.predictor import GenerationRequest
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.tree import SourceTree, parse
from codemtl.tasks.building import HOLE, spaced_lines
from codemtl.tasks.example import Ints, piece_ids

_SMALL = (
    "a all an and are as at by for from given in into is it its of on or return returns that the"
    " this to with"
)


def header(description: str) -> str:
    """A guess at the header of what is described: a name of its first words, one parameter."""
    words = re.findall(r"[a-z][a-z0-9]*", description.lower())
    small = _SMALL.split()
    name = "_".join([word for word in words if word not in small][:5])
    if not name or keyword.iskeyword(name):
        name = "function"
    return f"def {name}(value):"


def with_hole(request: GenerationRequest) -> SourceTree:
    """The file with one name where text is wanted."""
    assert request.tree is not None
    data = request.tree.data
    hole = HOLE.encode()
    if request.kind == "body" and data[request.start : request.end].strip():
        text = data[request.start : request.end]
        lead = text[: len(text) - len(text.lstrip())]
        hole = lead + hole
    elif request.kind == "body":
        hole = b"\n" + (request.indent or "    ").encode() + hole
    else:
        hole = request.indent.encode() + hole
    return parse(data[: request.start] + hole + data[request.end :])


def dedented(text: str, level: int) -> str:
    """Later lines without the level of the first, which stands there already."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(_cut(line, level) for line in rest)])


def _cut(line: str, level: int) -> str:
    return line[min(level, len(line) - len(line.lstrip(" "))) :]


def lines_as_written(tree: SourceTree, lines: Ints, tokenizer: CodeTokenizer) -> list[str]:
    """The lines of ``tasks.similar.similar_lines`` with the spaces that they have in the file."""
    spaced = spaced_lines(tree)
    told = tokenizer.decode(piece_ids(lines)).split("\n")
    found = [spaced.get("".join(line.split()), "") for line in told]
    return [line for line in found if line]
