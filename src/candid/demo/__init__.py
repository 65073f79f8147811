"""A sample data set, drawn: happy and sad faces, and what is wrong with real folders among them.

pen ─ looks ─ faces (wear, covers) ─┐
scenes ───┴─ pictures ─ camera ─ plants ─ sample
"""

from candid.demo.plants import Plant, PlantKind
from candid.demo.sample import SampleSet, draw_sample

__all__ = ["Plant", "PlantKind", "SampleSet", "draw_sample"]
