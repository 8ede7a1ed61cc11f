"""Names that exist without being bound in a file.

A fixed list, so that a report does not depend on the Python that runs codemtl: the builtins of
every supported version, and what the import system puts into each module.
"""

from __future__ import annotations

import builtins

_NEWER = (
    "BaseExceptionGroup", "EncodingWarning", "ExceptionGroup", "PythonFinalizationError",
    "WindowsError", "aiter", "anext", "copyright", "credits", "exit", "frozendict", "license",
    "quit", "reveal_locals", "reveal_type",
)  # fmt: skip
_MODULE = (
    "__annotations__", "__builtins__", "__cached__", "__class__", "__debug__", "__dict__",
    "__doc__", "__file__", "__loader__", "__module__", "__name__", "__package__", "__path__",
    "__qualname__", "__spec__", "__warningregistry__", "__firstlineno__", "__static_attributes__",
)  # fmt: skip

BUILTINS: frozenset[str] = frozenset((*dir(builtins), *_NEWER, *_MODULE)) - {"_"}

PYTHON2: frozenset[str] = frozenset((
    "apply", "basestring", "buffer", "cmp", "coerce", "execfile", "file", "intern", "long",
    "raw_input", "reduce", "reload", "unichr", "unicode", "xrange", "StandardError",
))  # fmt: skip

COMMON_CALLABLES: tuple[str, ...] = (
    "len", "range", "min", "max", "sum", "any", "all", "sorted", "reversed", "int", "float", "str",
    "list", "dict", "set", "tuple", "abs", "enumerate", "zip", "isinstance", "issubclass", "type",
    "bool", "round", "repr", "next", "iter", "map", "filter",
)  # fmt: skip
EXCEPTIONS: tuple[str, ...] = tuple(
    sorted(name for name in BUILTINS if name.endswith("Error") or name == "Exception")
)
