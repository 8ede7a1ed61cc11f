"""Keeps the user's machine safe from what candidates do, as far as the system lets us.

Three ways, the strongest that works is found by trying: bubblewrap (a read-only view of the file
system, no network, no sight of other processes), ``unshare`` (no network, no sight of other
processes), or only limits. Always: limits on time, memory, file size and processes; a private
copy or a patch in memory instead of the user's file; everything that was started is killed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from codemtl.machine import total_memory

Way = Literal["bwrap", "unshare", "limits"]
CHILD = Path(__file__).resolve().parent / "child"
# Starts the folder ``child`` as a package of its own, without putting it on sys.path.
BOOT = (
    "import sys; from importlib import util;"
    "s = util.spec_from_file_location('_codemtl_child', sys.argv[1] + '/__init__.py',"
    " submodule_search_locations=[sys.argv[1]]);"
    "m = util.module_from_spec(s); sys.modules[s.name] = m; s.loader.exec_module(m);"
    "from _codemtl_child import main;"
    "sys.exit(main.main(int(sys.argv[2]), int(sys.argv[3])))"
)
_HIDDEN = ("/tmp", "/run", "/var/tmp")  # empty in the sandbox, but for what must be seen
_SCRATCH = 1 << 30  # bytes of temporary files (they lie in memory)
MARK = "CODEMTL_SANDBOX"  # names the sandbox in the environment of all that it starts


@dataclass(frozen=True, slots=True)
class Protection:
    """What stands between candidates and the machine."""

    way: Way
    strong: bool  # whether candidates can neither write files nor use the network
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What a sandboxed process sees of the file system, and where it may write."""

    root: Path  # the user's tree
    copy: Path | None = None  # a private, writable copy that takes its place
    keep: tuple[Path, ...] = ()  # parts of the tree that are not in the copy, shown read-only
    readable: tuple[Path, ...] = ()  # what must be seen even if it lies in a hidden folder
    writable: tuple[Path, ...] = ()  # outside the tree
    scratch: Path = Path("/tmp")  # where temporary files go, if no file system of its own


_TEXTS: dict[Way, str] = {
    "bwrap": (
        "bubblewrap: candidates see the file system read-only, have no network and cannot see or "
        "signal other processes; time, memory, file size and processes are limited. They can read "
        "what you can read."
    ),
    "unshare": (
        "unshare: candidates have no network and cannot see or signal other processes; time, "
        "memory, file size and processes are limited. They run in a private copy of the tree, but "
        "could write wherever you can."
    ),
    "limits": (
        "limits only: time, memory and file size are limited, and candidates run in a private copy "
        "of the tree. They could use the network and write or signal whatever you can."
    ),
}


@cache
def protection(preferred: Way | None = None) -> Protection:
    """The strongest way that works here, or a certain one (for tests)."""
    for way in ("bwrap", "unshare", "limits"):
        if preferred in (None, way) and (way == "limits" or _works(prefix_of(way))):
            return Protection(way, way == "bwrap", _TEXTS[way])
    raise OSError(f"{preferred} does not work here")


def prefix_of(way: Way) -> tuple[str, ...]:
    """The command that isolates, without what it binds."""
    if way == "bwrap":
        return (*_bwrap(), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    if way == "unshare":
        user = () if os.geteuid() == 0 else ("--user", "--map-current-user")
        return ("unshare", *user, "--net", "--ipc", "--pid", "--fork", "--kill-child",
                "--mount-proc", "--")  # fmt: skip
    return ()


@cache
def _bwrap() -> tuple[str, ...]:
    base = ("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
    strict = (*base, "--unshare-user", "--disable-userns")
    return strict if _works((*strict, "--ro-bind", "/", "/", "--proc", "/proc")) else base


def _works(prefix: Sequence[str]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    try:
        done = subprocess.run(
            [*prefix, "/bin/sh", "-c", "echo $((6 * 7))"], capture_output=True, check=False,
            stdin=subprocess.DEVNULL, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b"42"


def command(way: Way, view: View, words: Sequence[str]) -> list[str]:
    """A command line, isolated."""
    if way != "bwrap":
        return [*prefix_of(way), *words]
    line = list(prefix_of(way))
    for folder in _HIDDEN:
        if Path(folder).is_dir() and not Path(folder).is_symlink() and _may_hide(folder):
            line += ["--size", str(_SCRATCH), "--tmpfs", folder]
    line += ["--size", str(_SCRATCH), "--tmpfs", "/dev/shm"]
    for path in _outermost(one for one in (view.root, *view.readable) if _hidden(one)):
        line += ["--ro-bind", str(path), str(path)]
    if view.copy is not None:
        line += ["--bind", str(view.copy), str(view.root)]
        for path in view.keep:
            line += ["--ro-bind", str(path), str(path)]
        line += ["--ro-bind", str(view.root), str(original_of(way, view))]
    for path in view.writable:
        line += ["--bind", str(path), str(path)]
    return [*line, "--remount-ro", "/", "--", *words]


def original_of(way: Way, view: View) -> Path:
    """Where the user's own tree is seen, when a copy lies in its place."""
    return Path("/dev/shm/.codemtl-original") if way == "bwrap" else view.root


def seen_at(way: Way, view: View, path: Path) -> Path:
    """Where a path of the user's tree lies for a sandboxed process."""
    if way == "bwrap" or view.copy is None or not path.is_relative_to(view.root):
        return path
    return view.copy / path.relative_to(view.root)


def environment(way: Way, view: View, name: str) -> dict[str, str]:
    """The user's environment, with temporary files in a place of our own and one thread."""
    threads = (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS",
    )  # fmt: skip
    return {
        **os.environ,
        **dict.fromkeys(threads, "1"),
        "TMPDIR": str(view.scratch) if way != "bwrap" else _temporary(view),
        MARK: name,
    }


def _temporary(view: View) -> str:
    """A place for temporary files that is no part of the tree."""
    return "/dev/shm" if view.root == Path("/tmp") else "/tmp"


def limits(way: Way) -> dict[str, int | bool]:
    """What each candidate may use; see ``child/jail.py``."""
    counts = os.geteuid() != 0  # for root the system counts, but does not limit
    processes = 64
    if counts and way != "bwrap":
        processes += _own_processes()
    return {
        "memory": _address_space(), "processes": processes, "file": 256 << 20,
        "count_processes": counts,
    }  # fmt: skip


def _address_space() -> int:
    """Bytes that a process may use: half of the machine's memory, at most 4 GiB."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    most = min(total_memory() // 2, 4 << 30)
    return most if soft == resource.RLIM_INFINITY else min(most, soft)


def _own_processes() -> int:
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += len(list((entry / "task").iterdir()))
        except OSError:
            continue
    return count


def _may_hide(folder: str) -> bool:
    return folder != "/run" or not Path("/run/current-system").exists()  # NixOS lives there


def _hidden(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _HIDDEN)


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """The given paths without those that lie inside another."""
    found: list[Path] = []
    for path in sorted(set(paths)):
        if path.exists() and not any(path.is_relative_to(one) for one in found):
            found.append(path)
    return found


def readable(prefixes: Sequence[str]) -> tuple[Path, ...]:
    """What the user's interpreter and the harness need to see, symlinks and all."""
    places = [CHILD, *(Path(one) for one in prefixes), Path(sys.prefix)]
    places += [Path(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    return tuple(
        dict.fromkeys(one for place in places for one in (place.absolute(), place.resolve()))
    )
