"""How the losses, or the gradients, of tasks become one step: one method a file, one interface.

    L(θ) = Σ λ_i w_i L_i(θ)

λ_i is the user's constant ``tasks.NAME.weight``; a method finds w_i, which average one over the
tasks where the method leaves their scale open. Chosen by ``weighting.name`` in the configuration;
the method's own settings stand beside it.

The w_i of a step must be known before its backward passes, so methods on losses compute them from
earlier windows; those on gradients are asked between the backward passes and the update. A window
may lack tasks. The complete state is plain data, so that a checkpoint holds it bit for bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from codemtl.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

METHODS = {  # name, which is the file's too -> class
    "static": "Static", "uncertainty": "Uncertainty", "dwa": "DynamicWeightAverage",
    "gradnorm": "GradNorm", "rlw": "RandomLossWeighting", "gls": "GeometricLoss", "famo": "Famo",
    "coba": "CoBa", "pcgrad": "PCGrad", "cagrad": "CAGrad", "aligned_mtl": "AlignedMTL",
    "nash_mtl": "NashMTL", "upgrad": "UPGrad", "mgda": "MGDA",
}  # fmt: skip


class Weighting:
    """A method; subclasses override what they need. Settings are keyword arguments of __init__."""

    on_gradients: ClassVar[bool] = False  # asks for the Gramian: ``combine`` is called
    wants_norms: ClassVar[bool] = False  # asks for gradient norms in ``observe``
    needs: ClassVar[tuple[str, ...]] = ()  # packages of the extra "mtl"
    probe_every: int = 0  # steps between calls of ``observe_probe``; 0: never

    def __init__(self, tasks: Sequence[str], seed: int) -> None:
        self.tasks, self.seed = tuple(tasks), seed

    def weights(self, step: int) -> dict[str, float]:
        """w_i of every task for the window of ``step``: a function of the state and the step."""
        return dict.fromkeys(self.tasks, 1.0)

    def observe(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Learn from a window: its task losses over all ranks; absent tasks are not in it.

        ``norms``: of the gradients of λ_i w_i L_i of one shared matrix, if ``wants_norms``.
        """

    def observe_probe(self, losses: Mapping[str, float]) -> None:
        """Learn from the losses of all tasks on a small validation set that stays the same."""

    def combine(self, gramian: Tensor, tasks: Sequence[str], step: int) -> list[float]:
        """w_i for the rows of the Gramian [m, m], fp64 on the CPU, of the tasks' gradients.

        Row i is the gradient of λ_i L_i of the shared parameters; m is 2 or more.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore ``state_dict``."""


def check(settings: Mapping[str, Any]) -> type[Weighting]:
    """The class that ``settings`` name. Raises UsageError or MissingExtraError."""
    name = settings.get("name", "static")
    if not isinstance(name, str) or name not in METHODS:
        known = ", ".join(METHODS)
        raise UsageError(f"weighting.name is {name!r}; there is no such method; known: {known}")
    method: type[Weighting] = getattr(import_module(f"{__name__}.{name}"), METHODS[name])
    known_settings = settings_of(method)
    for key, value in settings.items():
        if key == "name":
            continue
        if key not in known_settings:
            options = ", ".join(known_settings) or "none"
            raise UsageError(f"weighting.{key}: {name} has no such setting; known: {options}")
        wanted = type(known_settings[key])
        if isinstance(value, bool) or not isinstance(value, (wanted, int)) or value < 0:
            kind = "a whole number" if wanted is int else "a number"
            raise UsageError(f"weighting.{key} is {value!r}; it must be {kind}, 0 or above")
    for package in method.needs:
        if find_spec(package) is None:
            raise MissingExtraError(package, "mtl")
    return method


def settings_of(method: type[Weighting]) -> dict[str, Any]:
    """The settings of a method and their defaults."""
    parameters = inspect.signature(method).parameters.values()
    return {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}


def make_weighting(settings: Mapping[str, Any], tasks: Sequence[str], seed: int) -> Weighting:
    """The method that ``settings`` name. Raises UsageError or MissingExtraError."""
    options = {key: value for key, value in settings.items() if key != "name"}
    return check(settings)(tasks, seed, **options)
