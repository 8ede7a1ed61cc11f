"""What methods on gradients share: torchjd's weightings over the Gramian of the tasks' gradients.

A Gramian that is not finite, as in the first steps of a run that overflows, is answered by ones:
the step is then the plain one, and clipping deals with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from codemtl.training.weighting import Weighting

if TYPE_CHECKING:
    from torch import Tensor


class GramianWeighting(Weighting):
    """A method whose w_i follow from the Gramian of the gradients of λ_i L_i."""

    on_gradients = True
    needs: ClassVar[tuple[str, ...]] = ("torchjd",)

    def combine(self, gramian: Tensor, tasks: Sequence[str], step: int) -> list[float]:
        """w_i of the rows; the Gramian is scaled to a mean diagonal of one, as solvers like it."""
        scale = float(gramian.diagonal().mean())
        if not gramian.isfinite().all() or scale <= 0:
            return [1.0] * len(tasks)
        found: list[float] = self.solve(gramian / scale, tasks, step).tolist()
        return found

    def solve(self, gramian: Tensor, tasks: Sequence[str], step: int) -> Tensor:
        """Weights [m] of the rows of a Gramian [m, m] with a mean diagonal of one."""
        raise NotImplementedError
