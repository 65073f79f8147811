"""Pages and texts about a run: report, model card, TensorBoard, prediction page."""
