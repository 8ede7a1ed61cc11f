"""Constant weights, w_i = 1: only λ_i counts; a strong default (Kurin et al. 2022).

https://arxiv.org/abs/2201.04122
"""

from __future__ import annotations

from codemtl.training.weighting import Weighting


class Static(Weighting):
    """L(θ) = Σ λ_i L_i(θ)."""
