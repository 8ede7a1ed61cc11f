"""Splits are a pure function of a project's name, so that they stay frozen without a list.

Example: ``https://github.com/pallets/Flask.git``, ``pallets/flask`` and an installed ``Flask``
all have the canonical name ``flask`` and therefore land in the same split.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_TRAIN_BELOW, _VALIDATION_BELOW = 8, 9  # of ten buckets: 80% / 10% / 10%


def canonical_name(project: str) -> str:
    """The name that a repository, its forks and its installed copies share.

    The last path component, without ``.git``, in lower case, with runs of ``-``, ``_`` and ``.``
    written as one ``-`` (PEP 503's rule for distribution names).
    """
    base = re.split(r"[/\\]", project.strip().rstrip("/\\"))[-1]
    base = base.casefold().removesuffix(".git")
    return re.sub(r"[-_.\s]+", "-", base).strip("-")


def split_of(project: str) -> Split:
    """``train``, ``validation`` or ``test`` by a hash of the canonical name; never by content."""
    digest = hashlib.blake2b(canonical_name(project).encode(), digest_size=8).digest()
    bucket = int.from_bytes(digest, "big") % 10
    if bucket < _TRAIN_BELOW:
        return "train"
    return "validation" if bucket < _VALIDATION_BELOW else "test"
