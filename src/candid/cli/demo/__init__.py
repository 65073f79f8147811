"""A drawn sample data set of happy and sad faces, with the defects of real folders.

pen ─ faces ─ scenes (background, face, cover, camera) ─ injected_defects ─ sample ─ tour
"""

from candid.cli.demo.injected_defects import DefectKind, InjectedDefect
from candid.cli.demo.sample import SampleSet, draw_sample

__all__ = ["DefectKind", "InjectedDefect", "SampleSet", "draw_sample"]
