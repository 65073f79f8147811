"""What a person reads about a run: report, model card, TensorBoard, the web page."""
