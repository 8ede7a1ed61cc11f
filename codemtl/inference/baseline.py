"""Findings that are known already: what ``repair --format json`` printed earlier, as a file.

They are told by file, function, kind and what stands there, not by lines, which move; missing
imports, which are said where a name is used first, without the function.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codemtl.errors import UsageError
from codemtl.syntax.findings import Finding

Key = tuple[str | None, str, str]  # function, kind, what stands there
Known = Mapping[str, Counter[Key]]  # by absolute path; how many of each


def read_baseline(file: Path) -> Known:
    """The findings of a document of ``repair``, its paths below the current folder.

    Raises UsageError if it is none.
    """
    way_out = "make one by `codemtl repair PATH... --format json > known.json`"
    try:
        document = json.loads(file.read_bytes())  # of any encoding that a shell writes
        found: defaultdict[str, Counter[Key]] = defaultdict(Counter)
        for one in _list(document["files"]):
            places = set()
            for row in _list(one["findings"]):
                if row.get("fixed"):
                    continue
                function = None if row.get("missing_import") else row["function"]
                key = function, str(row["kind"]), str(row["original"])
                place = row["line"], row["column"], row["end_line"], row["end_column"]
                if (key, place) not in places:  # else another candidate for the same
                    places.add((key, place))
                    found[os.path.abspath(one["path"])][key] += 1
    except OSError as error:
        raise UsageError(f"--baseline {file}: {error.strerror}; {way_out}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"--baseline {file} holds no findings of repair; {way_out}") from error
    return found


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def known_in(baseline: Known, path: Path) -> Counter[Key]:
    """What is known of a file, to be counted down."""
    return Counter(baseline.get(os.path.abspath(path), {}))


def take(known: Counter[Key], finding: Finding) -> bool:
    """Whether the finding is known; each that is there hides one."""
    function = None if finding.missing is not None else finding.function
    key = function, finding.kind, finding.original
    if known[key] < 1:
        return False
    known[key] -= 1
    return True
