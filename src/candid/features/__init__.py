"""Photos → embeddings, colour statistics and thumbnails, through a cache."""
