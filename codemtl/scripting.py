"""How scripts begin, and how they end."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError
from typing import NoReturn

from codemtl.errors import CodemtlError

_MENDABLE = (FileNotFoundError, NotADirectoryError, PermissionError, CalledProcessError)


def argument_parser(docstring: str | None) -> ArgumentParser:
    """A parser that describes a script by the first line of its docstring."""
    return ArgumentParser(description=(docstring or "").partition("\n")[0])


def print_command() -> None:
    """Say by what call the figures that follow were made."""
    print(f"command: {shlex.join(['python', *sys.argv])}")


def script(main: Callable[[], object]) -> NoReturn:
    """Run a script and exit with what it returns: an exit code, or None for 0.

    What the user can mend, such as a folder that is not there or a command that fails, ends it in
    one line on the error stream and exit code 2; other errors in a traceback.
    """
    try:
        code = main()
    except (CodemtlError, *_MENDABLE) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        code = error.exit_code if isinstance(error, CodemtlError) else CodemtlError.exit_code
    sys.exit(code if isinstance(code, int) else 0)
