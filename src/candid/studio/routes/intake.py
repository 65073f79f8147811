"""New photos: dropped, pasted, from a webcam or a phone."""

from __future__ import annotations

from fastapi import APIRouter

from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:  # noqa: ARG001
    """None yet."""
    return APIRouter(prefix="/api")
