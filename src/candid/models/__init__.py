"""Recipes, and what is fitted beside the weights: temperature, conformal sets, novelty."""
