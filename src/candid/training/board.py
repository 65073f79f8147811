"""What TensorBoard shows of a run; Keras has written its own curves beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid import tracking
from candid.data import Prepared
from candid.errors import ImageError
from candid.images import preview, read_file
from candid.recipes import Trained
from candid.report.contents import Contents
from candid.report.page_mistakes import worst_places

_SIDE_PX: Final = 256


def show_on_board(folder: Path, contents: Contents, trained: Trained, prepared: Prepared) -> None:
    """Write figures, curves and mistakes for TensorBoard.

    Args:
        folder: The run's ``tensorboard``.
        contents: What the report shows.
        trained: The model.
        prepared: What it was trained on.
    """
    where = folder / "candid"
    evaluation = contents.evaluation
    if trained.history and "epoch" not in trained.history[0]:
        tracking.write_scalars(where, list(enumerate(trained.history)))
    tracking.write_figures(where, evaluation)
    tracking.write_pr_curves(where, contents.predictions, evaluation.classes)
    tracking.write_confusion(where, evaluation.believed, "confusion")
    tracking.write_images(where, "mistakes", list(_mistakes(contents, prepared)))
    tracking.write_text(where, "settings", trained.settings)


def _mistakes(contents: Contents, prepared: Prepared) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    catalog, said = prepared.catalog, contents.predictions
    files = {photo.path: catalog.file(photo) for photo in catalog.photos}
    classes = contents.evaluation.classes
    for place in worst_places(said):
        path, answered = said.paths[place], said.predicted[place]
        try:
            pixels = preview(read_file(files[path]), _SIDE_PX)
        except ImageError:  # gone since it was looked at
            continue
        if pixels is not None:
            sure = said.probabilities[place, answered]
            true = classes[said.truth[place]]
            yield f"{path}: {classes[answered]} ({sure:.0%}), truly {true}", pixels
