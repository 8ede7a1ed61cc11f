"""How long ago each line of a file was changed, by git.

Young lines have more bugs: whatever has been run for years has been found to work (just-in-time
defect prediction weighs the age of code too: Kamei et al. 2013, doi:10.1109/TSE.2012.70). Ages
count back from the last commit, not from today, so that a text and a commit always give the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from codemtl.syntax.git_output import output

UNKNOWN = math.nan
_DAY = 86400
_NONE = "unspecified"  # what git says of a file that has no filter, or one of this name
_UNFILTERED = (
    "-c", f"filter.{_NONE}.clean=", "-c", f"filter.{_NONE}.process=",
    "-c", f"filter.{_NONE}.required=false",
)  # fmt: skip
# Who names a list of commits to look past for all repositories has none in most of them, and git
# ends there. That the repository is safe it has found before, by the user's configuration.
_OWN_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
_SAFE = ("-c", "safe.directory=*")


def line_ages(
    where: Sequence[str], path: str, revision: str = "HEAD", contents: bytes | None = None
) -> tuple[float, ...]:
    """Days between the last change of each line and a revision.

    Args:
        where: git's options that name the repository, such as ``-C FOLDER``.
        path: of the file, from the top of ``revision`` or from that folder.
        revision: whose file is meant, and up to which changes count.
        contents: of the file now, in place of that of ``revision``.

    Returns:
        One number a line: 0 where it is not committed yet, NaN where it is as old as all that git
        knows (in a shallow clone that says nothing). Empty if git cannot tell in time.
    """
    now = output(where, ["show", "-s", "--format=%ct", revision])
    if not now.strip().isdigit():
        return ()
    if contents is not None:
        filtered = output(where, ["check-attr", "-z", "filter", "--", path])
        if not filtered.endswith(f"\0{_NONE}\0".encode()):
            return ()
    asked = [*_UNFILTERED, "blame", "--porcelain", "-w", "--no-textconv"]
    asked += [revision] if contents is None else ["--contents", "-"]
    asked += ["--", path]
    data = output(where, asked, contents)
    if not data and output(where, ["config", "--get-all", "blame.ignoreRevsFile"]):
        data = output((*where, *_SAFE), asked, contents, _OWN_CONFIGURATION)
    changed: dict[bytes, float] = {}
    commit = b""
    ages: list[float] = []
    for line in data.split(b"\n"):
        first, _, rest = line.partition(b" ")
        if line.startswith(b"\t"):
            ages.append(changed.get(commit, UNKNOWN))
        elif first == b"committer-time" and not commit.strip(b"0"):
            changed[commit] = 0.0
        elif first == b"committer-time":
            changed[commit] = max(0.0, (int(now) - int(rest)) / _DAY)
        elif first == b"boundary":
            changed[commit] = UNKNOWN
        elif len(first) >= 40:
            commit = first
    return tuple(ages)
