"""Features → groups of copies → train, validation and test parts."""
