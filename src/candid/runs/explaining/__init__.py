"""Explains a prediction by a heat map of the image and by the most similar training photos.

    heat map ──────── contrast ─┐
    or the network ── occlude ──┴─▶ heat (h, w) ─▶ where, draw_overlay ─┐
    embedding ─ Neighbours.search ─▶ similar photos ────────────────────┴─▶ picture_of

    head ─ Culprits.pulls ─▶ photos that pulled the answer, and the answer without them

`contrast` is exact and costs nothing, but needs a linear head; `occlude` runs any network about 80
times per image.
"""

from candid.runs.explaining.explain import Explanation, Similar
from candid.runs.explaining.heat_map import contrast, occlude, where
from candid.runs.explaining.picture import draw_overlay, picture_of
from candid.runs.explaining.similar import Neighbours, fit_neighbours

__all__ = [
    "Explanation",
    "Neighbours",
    "Similar",
    "contrast",
    "draw_overlay",
    "fit_neighbours",
    "occlude",
    "picture_of",
    "where",
]
