"""What is wrong with a folder of photos, before anything is trained on it.

    folder ─ gather ─▶ Evidence ─ checks ─▶ outcomes ─▶ Audit ─▶ page, JSON, decisions.csv

`checks/` has one check a file; what they look at is `evidence.py`, what they say `finding.py`.
"""

from candid.auditing.finding import Bar, Chart, Check, Finding, Item, Outcome, Severity

__all__ = ["Bar", "Chart", "Check", "Finding", "Item", "Outcome", "Severity"]
