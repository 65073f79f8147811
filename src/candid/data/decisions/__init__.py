"""What a person decided about single photos: ``decisions.csv`` and a `Catalog` → a `Catalog`.

    path,content,finding,suggestion,decision
    sad/b.jpg,9f86…,label-suspect,happy,happy       it gets that label
    sad/a.jpg,60f1…,near-copy,drop,DROP             it is left out
    sad/c.jpg,fcde…,label-suspect,happy,keep        it stays as it is
    sad/d.jpg,18ac…,label-suspect,happy,            nothing was decided

``keep`` and ``drop`` are words, in upper or lower case; all else is the exact name of a class. A
class that is itself called so is written as the folder that it is: ``keep/``. No file is touched,
so a row that is deleted is undone.
"""

from candid.data.decisions.apply import Applied, Decided, apply_decisions, decide
from candid.data.decisions.decision import DROP, KEEP, Decision, class_as_decision
from candid.data.decisions.table import DecisionsFile, load_decisions, read_decisions, to_csv

__all__ = [
    "DROP",
    "KEEP",
    "Applied",
    "Decided",
    "Decision",
    "DecisionsFile",
    "apply_decisions",
    "class_as_decision",
    "decide",
    "load_decisions",
    "read_decisions",
    "to_csv",
]
