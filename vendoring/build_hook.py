"""Lets a wheel bring ONNX Runtime for browsers, which `candid export --to web` takes along.

Hatchling calls this when a wheel is built from a checkout (`pip install .`). Where there is no npm,
or no network, the wheel is built without, and the export then says what to do.
"""

from __future__ import annotations

import importlib.util
import json
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
        pins = json.loads((assets.HERE / "pins.json").read_text(encoding="utf-8"))
        if assets.is_complete(assets.TARGET, pins["files"]):
            return
        try:
            if shutil.which("npm") is None:  # building a wheel installs nothing
                raise assets.AssetError("there is no npm.")
            assets.bring(assets.TARGET, f"{pins['package']}@{pins['version']}", pins["files"])
        except (assets.AssetError, OSError, tarfile.TarError) as error:
            self.app.display_warning(f"`candid export --to web` will not work: {error}")
