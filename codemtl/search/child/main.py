"""The first thing that runs in the sandbox: reads what to do, and does it."""

from __future__ import annotations

import json
import os
import signal
import sys

from . import children, relocate, wire


def main(requests: int, out: int) -> int:
    """``requests`` and ``out`` are pipes from and to codemtl."""
    for fd in (requests, out):
        os.set_inheritable(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    frame = wire.receive(requests)
    if frame is None:
        return 0
    setup = frame[0]
    if setup["role"] == "command":
        from . import command

        return command.main(setup, requests, out)
    os.chdir(setup["folder"])
    sys.path[:] = [one for one in sys.path if one]
    if setup["moved"] is not None:
        relocate.Moved(*setup["moved"]).imports()
        children.tell({"CODEMTL_MOVED": json.dumps(setup["moved"])})
    if setup["as_module"]:
        sys.path.insert(0, setup["folder"])
    try:
        if setup["role"] == "record":
            from . import record

            return record.main(setup, out)
        from . import server

        return server.main(setup, requests, out)
    except ModuleNotFoundError as error:
        wire.send(out, {"type": "error", "message": str(error), "missing": error.name})
        return 0
