"""How good a classifier is on images that it never saw, and how sure that is.

Nothing is imported here: the server starts with two of these modules.
"""
