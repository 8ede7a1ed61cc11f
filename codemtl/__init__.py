"""Multi-task learning for Python code: one encoder that repairs, summarizes and generates.

    import codemtl

    predictor = codemtl.load_predictor()
    result = codemtl.repair_source(codemtl.SourceFile.read("a.py"), predictor)

Names are loaded when they are first used; importing the package imports neither torch nor
anything else that takes time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codemtl.errors import CodemtlError
    from codemtl.inference import Predictor, load_predictor
    from codemtl.inference.fake import FakePredictor
    from codemtl.inference.generate import generate
    from codemtl.inference.repair import RepairOptions, repair_source
    from codemtl.inference.summarize import SummarizeOptions, summarize_source
    from codemtl.model.multitask import CodeMTLConfig, CodeMTLModel
    from codemtl.syntax.files import SourceFile
    from codemtl.syntax.findings import Finding
    from codemtl.syntax.results import FileResult

__version__ = "0.1.0"

__all__ = [
    "CodeMTLConfig",
    "CodeMTLModel",
    "CodemtlError",
    "FakePredictor",
    "FileResult",
    "Finding",
    "Predictor",
    "RepairOptions",
    "SourceFile",
    "SummarizeOptions",
    "__version__",
    "generate",
    "load_predictor",
    "repair_source",
    "summarize_source",
]

_HOMES = {
    "CodeMTLConfig": "codemtl.model.multitask",
    "CodeMTLModel": "codemtl.model.multitask",
    "CodemtlError": "codemtl.errors",
    "FakePredictor": "codemtl.inference.fake",
    "FileResult": "codemtl.syntax.results",
    "Finding": "codemtl.syntax.findings",
    "Predictor": "codemtl.inference",
    "RepairOptions": "codemtl.inference.repair",
    "SourceFile": "codemtl.syntax.files",
    "SummarizeOptions": "codemtl.inference.summarize",
    "generate": "codemtl.inference.generate",
    "load_predictor": "codemtl.inference",
    "repair_source": "codemtl.inference.repair",
    "summarize_source": "codemtl.inference.summarize",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
