"""What TensorBoard shows of a run: event files, written without TensorFlow."""

from candid.tracking.confusion import write_confusion
from candid.tracking.figures import write_figures
from candid.tracking.images import write_images
from candid.tracking.pr_curves import write_pr_curves
from candid.tracking.scalars import write_scalars, write_text

__all__ = [
    "write_confusion",
    "write_figures",
    "write_images",
    "write_pr_curves",
    "write_scalars",
    "write_text",
]
