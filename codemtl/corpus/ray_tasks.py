"""Mining on several machines: one Ray task a project, on top of whatever Ray has for machines.

Each task writes its part into the corpus folder, which all machines must see under one path, as
they must see the repositories. What comes back are the counts; parts are joined by the caller, so
the corpus is the same as that of one machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from codemtl.corpus.parts import MARK, Part, Settings
from codemtl.corpus.trees import Source
from codemtl.errors import DataError, MissingExtraError

LOCAL = "local"  # the address that stands for processes of this machine alone

Task = Callable[[Source, Path, Settings], Part | str]


def run_on_ray(
    task: Task, folders: Mapping[Source, Path], settings: Settings, address: str, jobs: int
) -> Generator[tuple[Source, Part | str], None, None]:
    """Call ``task`` for each source, and yield what it returns or what went wrong, as it comes.

    ``address`` is Ray's: ``auto`` is the cluster that this machine belongs to, ``local`` starts
    ``jobs`` processes. Raises DataError if there is no Ray at the address, or if a machine writes
    where this one does not see it.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error

    cpus = {"num_cpus": jobs, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **cpus)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DataError(
            f"cannot reach Ray at {address}: {error}; start it by `ray start --head`, "
            f"or use --ray {LOCAL}"
        ) from error
    try:
        remote = ray.remote(num_cpus=1)(task)
        shared = ray.put(settings)  # sent once to a machine, not with every task
        waiting = {
            remote.remote(_absolute(source), folder.resolve(), shared): source
            for source, folder in folders.items()
        }
        while waiting:
            (done, *_), _ = ray.wait(list(waiting), num_returns=1)
            source = waiting.pop(done)
            try:
                found: Part | str = ray.get(done)
            except ray.exceptions.RayError as error:  # the task's process or machine is gone
                found = f"{type(error).__name__}: {error}"
            if isinstance(found, Part) and not (folders[source] / MARK).is_file():
                raise DataError(
                    f"the part of {source.project} is not in {folders[source]}: all machines of "
                    "the cluster must see --out under this path, on a shared file system"
                )
            yield source, found
    finally:
        ray.shutdown()


def _absolute(source: Source) -> Source:
    """Workers have another working directory."""
    return dataclasses.replace(source, location=str(Path(source.location).resolve()))
