"""All tasks by name: a new one is a file beside this one, and a line here."""

from __future__ import annotations

from codemtl.tasks.generate import Generate
from codemtl.tasks.name import Name
from codemtl.tasks.repair import Repair
from codemtl.tasks.reversal import Reversal
from codemtl.tasks.summarize import Summarize
from codemtl.tasks.task import Task

SHIPPED = ("repair", "summarize", "generate")  # trained unless the configuration names others

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Repair(),
        Summarize(),
        Generate(),
        Name(),
        Reversal(),
    )
}
