"""Lets a wheel bring the scripts of pages: ONNX Runtime for browsers, and lit-html.

Hatchling calls this when a wheel is built from a checkout (`pip install .`). Where there is no npm,
or no network, the wheel is built without, and what needs them then says what to do.
"""

from __future__ import annotations

import importlib.util
import shutil
import tarfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebAssets(BuildHookInterface):
    """Brings what is missing; an editable installation leaves that to `make web`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Bring the files, before the wheel's files are listed."""
        script = Path(self.root, "vendoring", "web_assets.py")
        spec = importlib.util.spec_from_file_location("web_assets", script)
        if version == "editable" or spec is None or spec.loader is None:
            return
        assets = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(assets)
        root = Path(self.root)
        for package in assets.pinned(root / "vendoring" / "pins.json"):
            if package.is_in(root):
                continue
            try:
                if shutil.which("npm") is None:  # building a wheel installs nothing
                    raise assets.AssetError("there is no npm.")
                package.bring(root)
            except (assets.AssetError, OSError, tarfile.TarError) as error:
                self.app.display_warning(f"{package.needed_by} will not work: {error}")
