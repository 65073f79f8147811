"""Runs made of a few lines: what `candid compare` reads of one, without a model."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from candid.runs.artifact import write_run
from candid.runs.manifest import Manifest
from candid.splits.split import PARTS, Row, Split, to_csv
from tests.manifests import make_manifest

CLASSES = ("happy", "sad")


def content_of(name: str) -> str:
    """The SHA-256 of a picture that has a name instead of pixels."""
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True)
class Shot:
    """A photo of a made run.

    Attributes:
        picture: What makes up its content; two with the same one have the same bytes.
        part: Where it is.
        right: Whether the run's model gets it right.
        copy_of: The picture that it is a copy of, as far as the run knows.
        kfold_right: The same for cross-validation; None for what ``right`` is.
    """

    picture: str
    part: str = "test"
    label: str = "happy"
    right: bool = True
    copy_of: str | None = None
    kfold_right: bool | None = None
    path: str | None = None

    @property
    def row(self) -> Row:
        path = self.path or f"{self.label}/{self.picture}.jpg"
        group = content_of(self.copy_of or self.picture)[:16]
        return Row(path, self.label, self.part, group, content_of(self.picture))


def shots(
    outcomes: str, *, part: str = "test", begin: int = 0, copies: int = 1
) -> tuple[Shot, ...]:
    """A shot a character: right for ``+``, wrong for ``-``; with copies, groups of as many."""
    return tuple(
        Shot(
            f"{part}{begin + place}",
            part,
            right=outcome == "+",
            copy_of=f"{part}{begin + place // copies * copies}",
        )
        for place, outcome in enumerate(outcomes)
    )


def make_run(
    folder: Path,
    made: Sequence[Shot],
    *,
    kfold: bool = False,
    classes: Sequence[str] = CLASSES,
    change: Any = None,
) -> Path:
    """Write a run that is whole as far as its hashes go.

    Args:
        folder: Where.
        made: Its photos. Two training photos are added, so that it has been trained on something.
        kfold: Whether it has cross-validated predictions.
        classes: Names of its classes.
        change: Called with the text of ``predictions.csv``; returns another one, or None for none.
    """
    made = [*made, Shot("own", "train"), Shot("other", "train", "sad")]

    def fill(partial: Path) -> Manifest:
        (partial / "model.onnx").write_bytes(b"model")
        (partial / "golden.npz").write_bytes(b"golden")
        text = to_csv(Split(tuple(shot.row for shot in made), ()), with_content=True)
        (partial / "split.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
        predictions = _predictions(made, classes, kfold=kfold)
        predictions = change(predictions) if change else predictions
        if predictions is not None:
            (partial / "predictions.csv").write_bytes(
                predictions.encode("utf-8", errors="surrogateescape")
            )
        return make_manifest(classes)

    return write_run(folder, fill)


def _predictions(made: Sequence[Shot], classes: Sequence[str], *, kfold: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # A column more than is read stands between those that are.
    writer.writerow(
        ("estimate", "path", "class", "part", "said", "label", *(f"p({c})" for c in classes))
    )
    sets = [("test", [s for s in made if s.part == "test"])]
    if kfold:
        asked = [
            shot if shot.kfold_right is None else replace(shot, right=shot.kfold_right)
            for shot in made
            if shot.part in PARTS
        ]
        sets.append(("kfold", asked))
    for estimate, asked in sets:
        for shot in asked:
            wrong = next(name for name in classes if name != shot.label)
            answer = shot.label if shot.right else wrong
            row = shot.row
            probabilities = [f"{float(name == answer):.6f}" for name in classes]
            writer.writerow((estimate, row.path, row.label, row.part, "", answer, *probabilities))
    return text.getvalue()
