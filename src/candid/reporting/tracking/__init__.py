"""TensorBoard event files of a run, written without TensorFlow."""

from candid.reporting.tracking.event_file import write_scalars, write_text
from candid.reporting.tracking.figures import write_figures, write_pr_curves
from candid.reporting.tracking.images import write_confusion, write_images

__all__ = [
    "write_confusion",
    "write_figures",
    "write_images",
    "write_pr_curves",
    "write_scalars",
    "write_text",
]
