"""Trained runs: how good they are, and two of them side by side."""

from __future__ import annotations

from fastapi import APIRouter

from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:  # noqa: ARG001
    """None yet."""
    return APIRouter(prefix="/api")
