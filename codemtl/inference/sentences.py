"""What is no summary, however likely a decoder finds it."""

from __future__ import annotations

import re

_OF_CODE = re.compile(r"[^\W\d]*(?:[^\W_]_|[a-z][A-Z]|[A-Z]{2}[a-z]\w)\w*")  # no word of prose
_DEBRIS = re.compile(r"::|\\|'''")  # of code; one summary that people write in 500 has it
_PAIRS = {")": "(", "]": "[", "}": "{"}


def is_summary(text: str, code: str) -> bool:
    """Whether a text may be said of a function of the file ``code``, without its docstring.

    It may not have names, such as ``read_all`` or ``JsonReader``, that the code lacks, nor brackets
    or quotes without their partners, nor other debris of code.
    """
    foreign = any(name[0] not in code for name in _OF_CODE.finditer(text))
    return not foreign and not _DEBRIS.search(text) and _is_paired(text)


def _is_paired(text: str) -> bool:
    """Whether each bracket and quote has its partner; apostrophes need none."""
    opened = []
    for sign in text:
        if sign in "([{":
            opened.append(sign)
        elif sign in _PAIRS and (not opened or opened.pop() != _PAIRS[sign]):
            return False
    return not opened and text.count('"') % 2 == 0 and text.count("`") % 2 == 0
