"""What is exported: a run, and the numbers that its graph holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candid.artifact import MODEL
from candid.classifier import Classifier
from candid.errors import ArtifactError
from candid.manifest import Manifest

if TYPE_CHECKING:
    import onnx

_NOVELTY = "novelty."


@dataclass(frozen=True)
class Source:
    """A run that is to be exported.

    Attributes:
        folder: Where it is.
        classifier: Loaded from it, every file checked.
    """

    folder: Path
    classifier: Classifier

    @property
    def name(self) -> str:
        """The run's name; ``latest`` is the run that it means."""
        return self.folder.resolve().name

    @property
    def manifest(self) -> Manifest:
        """What the run's ``candid.json`` says."""
        return self.classifier.require_manifest()

    @property
    def recipe(self) -> str:
        """How it was trained."""
        return self.manifest.recipe

    @property
    def backbone(self) -> str | None:
        """The recipe transfer's backbone; None where there is none."""
        return self.manifest.backbone

    @property
    def data_folder(self) -> Path:
        """Where the photos that it was trained on lay; they may be gone."""
        return Path(self.manifest.data.folder)

    @property
    def size_px(self) -> int:
        """Height and width of an image."""
        return self.classifier.contract.size_px

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The run's graph. Not to be changed."""
        import onnx

        return onnx.load(self.folder / MODEL)

    @property
    def has_heatmap(self) -> bool:
        """Whether the graph says what each place adds to each score."""
        return any(output.name == "heatmap" for output in self.graph.graph.output)

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The last layer, already divided by the temperature.

        Returns:
            Kernel, float32 ``(units, d)``, and bias, ``(units,)``. A single unit is the score of
            the second of two classes, for a sigmoid; more are for a softmax.

        Raises:
            ArtifactError: The graph has no such layer.
        """
        try:
            return self._constants["scores.kernel"], self._constants["scores.bias"]
        except KeyError as error:
            raise ArtifactError(
                f"{self.folder / MODEL} has no layer called scores, which every recipe writes; "
                "train again."
            ) from error

    def novelty(self) -> dict[str, NDArray[np.float32]] | None:
        """What the nodes of `candid.novelty_graph` compute with, by its names there.

        Returns:
            The arrays, or None where the graph says nothing of novelty.
        """
        found = {
            name.removeprefix(_NOVELTY): value
            for name, value in self._constants.items()
            if name.startswith(_NOVELTY)
        }
        return found or None

    @cached_property
    def _constants(self) -> dict[str, NDArray[np.float32]]:
        from onnx import numpy_helper

        return {
            value.name: numpy_helper.to_array(value)
            for value in self.graph.graph.initializer
            if value.name.startswith((_NOVELTY, "scores."))
        }
