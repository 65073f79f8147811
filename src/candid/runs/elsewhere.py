"""A classifier in another process: what it is made of travels, rather than where its run is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from candid.core.hashing import hash_bytes
from candid.data.images import PixelContract
from candid.errors import ArtifactError
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.runs.artifact import MODEL
from candid.runs.classifier import Classifier
from candid.runs.prediction import Prediction


@dataclass(frozen=True)
class Elsewhere:
    """Answers as a classifier does, by a session of its own with one thread."""

    graph: bytes
    classes: tuple[str, ...]
    contract: PixelContract
    rule: DecisionRule
    abstention: Abstention | None

    @classmethod
    def of(cls, classifier: Classifier) -> Self:
        """What a classifier of a run is made of.

        Raises:
            ArtifactError: The run was changed since it was loaded.
            UsageError: It is of no run.
        """
        expected = classifier.require_manifest().files[MODEL]
        file = (classifier.run_folder or Path()) / MODEL
        graph = file.read_bytes()
        if hash_bytes(graph) != expected:
            raise ArtifactError(f"{file} was changed since it was loaded; use `candid.load`.")
        rule, abstention = classifier.rule, classifier.abstention
        return cls(graph, classifier.classes, classifier.contract, rule, abstention)

    def __call__(self, name: str, content: object) -> Prediction:
        """The prediction for a file's bytes, or what else `candid.runs.source.Photo` holds."""
        return self._classifier.answer(name, content, self._classifier.model, explain=False)

    @cached_property
    def _classifier(self) -> Classifier:
        parts = self.graph, self.classes, self.contract
        return Classifier(*parts, rule=self.rule, abstention=self.abstention, num_threads=1)
