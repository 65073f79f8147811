"""Apply the user's decisions about single photos, ``decisions.csv``, to a `Catalog`.

    path,content,finding,suggestion,decision
    sad/b.jpg,9f86…,label-suspect,happy,happy       relabelled
    sad/a.jpg,60f1…,near-copy,drop,DROP             dropped
    sad/c.jpg,fcde…,label-suspect,happy,keep        kept as it is
    sad/d.jpg,18ac…,label-suspect,happy,            undecided
    *: file size,,shortcuts,,keep                   about all photos: that is what the classes are

``keep`` and ``drop`` are keywords, in upper or lower case; anything else is the name of a class. A
class with such a name is written with a slash: ``keep/``. No photo is changed, so deleting a row
undoes it.
"""

from candid.data.decisions.apply import Applied, Decided, apply_decisions, decide
from candid.data.decisions.decision import (
    DROP,
    KEEP,
    Decision,
    about_all,
    class_as_decision,
)
from candid.data.decisions.table import DecisionsFile, load_decisions, read_decisions, to_csv

__all__ = [
    "DROP",
    "KEEP",
    "Applied",
    "Decided",
    "Decision",
    "DecisionsFile",
    "about_all",
    "apply_decisions",
    "class_as_decision",
    "decide",
    "load_decisions",
    "read_decisions",
    "to_csv",
]
