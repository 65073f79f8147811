"""Checks a folder of photos for problems before a model is trained on it.

folder → `Evidence` → checks → `Outcome` of each → `Audit` → page, JSON, decisions.csv
"""

from candid.auditing.finding import Bar, Chart, Check, Finding, Item, Outcome, Severity

__all__ = ["Bar", "Chart", "Check", "Finding", "Item", "Outcome", "Severity"]
