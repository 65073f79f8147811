"""A sample data set, drawn: happy and sad faces, and what is wrong with real folders among them.

pen ─ looks ─ faces (wear, covers) ─┐
scenes ───┴─ pictures ─ camera ─ plants ─ sample
"""

from candid.cli.demo.injected_defects import DefectKind, InjectedDefect
from candid.cli.demo.sample import SampleSet, draw_sample

__all__ = ["DefectKind", "InjectedDefect", "SampleSet", "draw_sample"]
