"""What a run says to a person: a page and a model card."""

from candid.report.card import write_card
from candid.report.page import write_page

__all__ = ["write_card", "write_page"]
