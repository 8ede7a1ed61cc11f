"""What is recorded of names: where each one stands, and what each scope binds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

MODULE, CLASS, FUNCTION, COMPREHENSION, TYPE_PARAMETERS = range(5)  # kinds of scope
LOAD, CALLEE, ANNOTATION, STORE, AUGMENTED_STORE, DELETE, PARAMETER, IMPORT, PATTERN = range(9)
READS = (LOAD, CALLEE, AUGMENTED_STORE, DELETE)

WORD = re.compile(rb"[^\W\d][\w\x80-\xff]*|[\x80-\xff][\w\x80-\xff]*")  # in UTF-8


class Occurrence(NamedTuple):
    """A name or attribute as it stands in the text; ``role`` is LOAD, CALLEE, STORE, ..."""

    start: int  # bytes
    end: int
    name: str
    scope: int  # index of the scope in which it is evaluated
    role: int
    receiver: str = ""  # attributes: text of the object if it is a plain or dotted name


@dataclass(slots=True)
class Scope:
    """One scope; ``bound`` maps each name to how often it is bound, in order of first binding."""

    index: int
    kind: int
    parent: int  # -1 for the module
    start: int  # bytes
    end: int
    qualname: str = ""
    bound: dict[str, int] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    declared: dict[str, int] = field(default_factory=dict)  # by those: the last time, in bytes
    defines: set[str] = field(default_factory=set)  # functions and classes defined here
