"""A folder of photos → a `Catalog`: finding, decoding and correcting what a person decided."""
