r"""From a docstring to the one-sentence summary that the summarize task learns to write.

Example: ``"Return the sum.\n\n    Args: ..."`` gives ``Return the sum.``
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings

from tree_sitter import Node

from codemtl.syntax.lexical import docstring_node
from codemtl.syntax.tree import SourceTree

MIN_WORDS, MAX_WORDS = 3, 40
MAX_CHARACTERS = 300

_SECTION = re.compile(
    r"^\s*(:\w+|@\w+|args?:|arguments?:|parameters?:?$|returns?:|raises?:|yields?:|examples?:|"
    r"notes?:|>>>|\.\. |[-=~]{3,}|\* |- |\d+\. )",
    re.I,
)
_ROLE = re.compile(r":(?:[\w.+-]+:)+`~?!?([^`<]*?)(?:\s*<[^`>]*>)?`|``([^`]*)``|`([^`]*)`_?")
_UNFIT = re.compile(
    r"todo|fixme|xxx\b|https?://|deprecated|do not use|see (the )?(base|parent|super)|"
    r"^(see|inherit|override[sn]?|overrid|same as|refer to|docstring|test (for|that)|regression)\b|"
    r"^(initiali[sz]e( self)?\.?|constructor\.?)$|\{\w*\}|%\(",
    re.I,
)


def summary_of(tree: SourceTree, definition: Node) -> str:
    """The summary of a definition's docstring, or ""."""
    found = docstring_node(definition)
    return "" if found is None else summary(literal_value(tree.text(found)))


def literal_value(source: str) -> str:
    """The value of a string literal's source (joined literals too), or "" if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(source.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return inspect.cleandoc(value) if isinstance(value, str) else ""


def first_paragraph(docstring: str) -> str:
    """The text before the first blank line or section, on one line, without reST markup."""
    lines: list[str] = []
    for line in docstring.strip().splitlines():
        if not line.strip() or _SECTION.match(line):
            break
        lines.append(line.strip())
    joined = _ROLE.sub(lambda found: next(filter(None, found.groups()), ""), " ".join(lines))
    return " ".join(joined.split())


def summary(docstring: str) -> str:
    """The summary of a docstring, or "" where it would teach nothing.

    Left out: too short or long, not English prose (mostly non-ASCII or symbols), references to
    other docstrings, to-dos, templates.
    """
    text = first_paragraph(docstring)
    if len(text) > MAX_CHARACTERS:  # a long paragraph often opens with a good sentence
        text = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    words = text.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or len(text) > MAX_CHARACTERS:
        return ""
    letters = sum(character.isascii() and character.isalpha() for character in text)
    spaces = len(words) - 1
    if letters + spaces < 0.8 * len(text) or not text.isprintable() or _UNFIT.search(text):
        return ""
    return text
