"""Clean functions of the same time as real bugs, to see what age is worth.

Bugs are taken from the commit before their fix, the clean functions of the frozen lists from the
last commit of their project, when all code is older. These come from the commits before the fixes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from codemtl.corpus import git
from codemtl.corpus.filters import reject_data, reject_path
from codemtl.errors import DataError
from codemtl.evaluation.cases import CLEAN_PER_BUG, RepairCase
from codemtl.evaluation.repositories import Repositories, python_files
from codemtl.syntax.definitions import functions
from codemtl.syntax.tree import parse

OF_A_FILE = 2  # functions at most
FILES, LARGEST = 20, 200_000  # of a commit that are looked at, and bytes of each


def clean_of_that_time(
    bugs: Sequence[RepairCase], repositories: Repositories, seed: int
) -> list[RepairCase]:
    """CLEAN_PER_BUG functions of other files at the commit before each fix, or what there is.

    Raises DataError if there are none.
    """
    rng = np.random.default_rng(seed)
    found = [case for bug in bugs for case in _beside(bug, repositories, rng)]
    if not found:
        raise DataError("no other functions at the commits before the fixes; see --repositories")
    return found


def _beside(
    bug: RepairCase, repositories: Repositories, rng: np.random.Generator
) -> Iterator[RepairCase]:
    folder = repositories.git.get(bug.origin.project)
    if folder is None:
        return
    files = sorted(
        (path, blob)
        for path, (size, blob) in python_files(folder, bug.origin.tree, "-r").items()
        if path != bug.origin.path and size <= LARGEST and reject_path(path) is None
    )
    wanted = CLEAN_PER_BUG
    with git.reader(folder) as read:
        for row in rng.permutation(len(files))[:FILES].tolist():
            path, blob = files[row]
            data = read(blob) if wanted else None
            if not data or reject_data(data, any_licence=True):
                continue
            tree = parse(data)
            sound = [one.node.start_byte for one in functions(tree) if not one.node.has_error]
            starts = rng.permutation(sound)[: min(OF_A_FILE, wanted)].tolist()
            if starts:
                wanted -= len(starts)
                origin = bug.origin._replace(path=path, message="")
                yield RepairCase(origin, data, tuple(sorted(starts)), None)
