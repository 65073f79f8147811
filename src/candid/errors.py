"""Every error that Candid raises on purpose.

    CandidError
    ├── UsageError        an argument that makes no sense
    ├── DataError         the folder of photos is not what it should be
    │   └── ImageError    one file that gives no pixels
    │       └── ReadError its bytes can't be read now; they may be later
    ├── SplitError        too little data for a part, or a split file that does not fit
    ├── ArtifactError     a run that is not whole, or not of this version
    ├── DependencyError   a package that the asked-for step needs is not installed
    ├── ComputationError  finite numbers gave one that is not
    └── ParityError       an export that does not answer as its run (candid.exporting.parity)

A message says what happened, what was expected, what was received and what to do. The command line
prints it as one line and ends with exit code 2.
"""

from __future__ import annotations


class CandidError(Exception):
    """The root of all known errors."""


class UsageError(CandidError):
    """An argument that makes no sense."""


class DataError(CandidError):
    """The folder of photos is not what it should be."""


class ImageError(DataError):
    """A file that gives no pixels; ``str(error)`` is the reason, in one line."""


class ReadError(ImageError):
    """A file whose bytes can't be read for a reason that may pass, such as a fault of a network."""


class SplitError(CandidError):
    """Too little data for a part, or a split file that does not fit the folder."""


class ArtifactError(CandidError):
    """A run that is not whole, or was written by another format version."""


class ParityError(CandidError):
    """An export that does not answer as its run does, and so was not kept."""


class ComputationError(CandidError):
    """Finite numbers gave an infinity or a NaN."""


class DependencyError(CandidError):
    """A package that the asked-for step needs is not installed."""
