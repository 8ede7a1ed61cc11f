"""The text around what is to be written: a hole in a file, or a header of its own."""

from __future__ import annotations

import keyword
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from codemtl.inference.predictor import GenerationRequest
from codemtl.inference.rewording import adapted
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.tree import SourceTree, error_count, parse
from codemtl.tasks.building import HOLE, spaced_lines
from codemtl.tasks.example import piece_ids
from codemtl.tasks.similar import Place

_WORDS = (b"except", b"case", b"match")  # that begin heads of blocks where `if` cannot
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
        indent = request.indent.encode()
        hole = indent + stand_in(data, request.start, request.end, hole, indent)
    return parse(data[: request.start] + hole + data[request.end :], request.tree.beside)


def stand_in(data: bytes, start: int, end: int, name: bytes, indent: bytes = b"") -> bytes:
    """A line with a name in it, of which the file around a span reads as of the line wanted there.

    That is the name, or the head of a block where one is needed, such as ``if name:``. ``indent``
    is the white space before it that is not in the file.
    """
    if not opens_block(data, start, end, len(indent)):
        return name
    begin = data.rfind(b"\n", 0, start) + 1
    space = data[begin:start] + indent
    heads = [b"if " + name + b":", *(b"%s %s:" % (word, name) for word in _WORDS)]
    heads.append(b"(" + name + b")\n" + space + b"try:")

    def errors(head: bytes) -> int:
        return error_count(parse(data[:start] + indent + head + data[end:]))

    return heads[0] if not errors(heads[0]) else min(heads, key=errors)


def opens_block(data: bytes, start: int, end: int, indent: int = 0) -> bool:
    """Whether the line at a span must be the head of a block, as the next one stands deeper.

    ``indent`` is the white space before it that is not in the file.
    """
    column = indent + start - (data.rfind(b"\n", 0, start) + 1)
    for line in data[end:].split(b"\n")[1:]:
        text = line.lstrip(b" \t")
        if text.strip() and not text.startswith(b"#"):
            return len(line) - len(text) > column
    return False


def dedented(text: str, level: int) -> str:
    """Later lines without the level of the first, which stands there already."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(_cut(line, level) for line in rest)])


def _cut(line: str, level: int) -> str:
    return line[min(level, len(line) - len(line.lstrip(" "))) :]


class Line(NamedTuple):
    """A line of the file, or of one beside it, that may stand in the place of a masked one."""

    text: str
    adapted: bool  # its names were changed to those around the place
    score: float  # of the place, `Place.score`


def lines_of_the_file(
    tree: SourceTree, name: str, places: Iterable[Place], tokenizer: CodeTokenizer, most: int
) -> list[Line]:
    """Lines at similar places, adapted to the function ``name`` and as they are, in their order.

    They have the spaces that they have in the file.
    """
    spaced = lines_as_they_stand(tree)
    found: dict[str, Line] = {}
    for place in places:
        text = "".join(tokenizer.decode(piece_ids(place.line)).split())
        line = spaced.get(text)
        if line is None:
            continue
        changed = adapted_from(place, line, name, tokenizer)
        for text in (changed, line):
            found.setdefault(text, Line(text, text != line, place.score))
        if len(found) >= most:
            break
    return [*found.values()][:most]


def lines_as_they_stand(tree: SourceTree) -> Mapping[str, str]:
    """The logical lines of a file, then of those beside it, by their text without spaces."""
    return ChainMap(spaced_lines(tree), _spaced_beside(tree.beside))


@lru_cache(maxsize=8)
def _spaced_beside(texts: tuple[bytes, ...]) -> dict[str, str]:
    """As `spaced_lines`, of several files."""
    return {key: line for text in texts for key, line in spaced_lines(parse(text)).items()}


def adapted_from(place: Place, line: str, name: str, tokenizer: CodeTokenizer) -> str:
    """The text ``line`` of a place as it would stand in the function ``name``."""
    around = [(tokenizer.words(a), tokenizer.words(b)) for a, b in place.around]
    header = [word for word in tokenizer.words(place.name) if word not in ("async", "def")]
    return adapted(line, (header[0] if header else "", name), around)
