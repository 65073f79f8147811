"""What a run says to a person: a page and a model card.

Nothing is imported here: the server starts with one of these modules.
"""
