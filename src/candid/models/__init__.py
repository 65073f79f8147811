"""Training recipes, and what is fitted beside the weights: temperature, conformal sets, OOD."""
