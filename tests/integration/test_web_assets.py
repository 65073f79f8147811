"""`make web` installs only files that match the pinned hashes."""

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from scripts import load_script

PINS = Path(__file__).parents[2] / "vendoring" / "pins.json"
CONTENTS = {"ort.mjs": b"export default 1;", "ort.wasm": b"\0asm"}


@pytest.fixture
def assets():
    return load_script("vendoring/web_assets.py")


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in that packs CONTENTS, and notes what it was called with."""
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as packed:
        for name, data in CONTENTS.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "npm"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nfor last; do :; done\ncp {package} "$last"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "calls"


def pin(**changed):
    """The row of pins.json of a package with CONTENTS; ``changed`` are hashes by name."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENTS.items()}
    files = {f"dist/{name}": digest for name, digest in (digests | changed).items()}
    row = {"package": "onnxruntime-web", "version": "1.2.3", "folder": "vendor"}
    return row | {"needed_by": "`candid export --to web`", "files": files}


def test_files_are_taken_out_of_the_package_beside_the_licence(assets, npm, tmp_path):
    assets.Package(**pin()).bring(tmp_path)
    kept = {file.name: file.read_bytes() for file in (tmp_path / "vendor").iterdir()}
    assert "Copyright (c) Microsoft" in kept.pop("LICENSE-onnxruntime-web").decode()
    assert kept == CONTENTS
    assert assets.Package(**pin()).is_in(tmp_path)
    assert npm.read_text("utf-8").startswith("pack onnxruntime-web@1.2.3 --ignore-scripts ")


def test_what_is_not_as_it_was_pinned_is_not_kept(assets, npm, tmp_path):
    del npm
    with pytest.raises(assets.AssetError, match=r"ort\.wasm .* is not what was pinned"):
        assets.Package(**pin(**{"ort.wasm": "0" * 64})).bring(tmp_path)
    assert not (tmp_path / "vendor").exists()


def test_a_file_that_the_package_lacks_is_named(assets, npm, tmp_path):
    del npm
    with pytest.raises(assets.AssetError, match=r"no package/dist/other\.mjs"):
        assets.Package(**pin(**{"other.mjs": ""})).bring(tmp_path)


def test_what_was_changed_since_is_noticed(assets, npm, tmp_path):
    del npm
    assets.Package(**pin()).bring(tmp_path)
    (tmp_path / "vendor" / "ort.mjs").write_bytes(b"export default 2;")
    assert not assets.Package(**pin()).is_in(tmp_path)


def test_the_pins_name_what_an_export_takes_along():
    from candid.exporting.web import _ASSETS

    packages = load_script("vendoring/web_assets.py").pinned()
    (runtime,) = (one for one in packages if one.package == "onnxruntime-web")
    assert set(_ASSETS) == {*runtime.kept, runtime.licence}
    for package in packages:
        assert (PINS.parent / package.licence).is_file()
        assert all(len(digest) == 64 for digest in package.files.values())


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Builds a wheel as far as the hook goes; gives what is brought, and the warnings."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    hook = load_script("vendoring/build_hook.py").WebAssets()
    root = tmp_path / "clone"
    shutil.copytree(PINS.parent, root / "vendoring")
    pins = [pin() | {"folder": "src/candid/reporting/app/vendor"}]
    (root / "vendoring" / "pins.json").write_text(json.dumps(pins), encoding="utf-8")
    warnings = []
    hook.root, hook.app = str(root), SimpleNamespace(display_warning=warnings.append)
    target = root / "src/candid/reporting/app/vendor"

    def run(version="standard"):
        hook.initialize(version, {})
        return {file.name for file in target.glob("*")}, warnings

    return run


def test_building_a_wheel_brings_the_files_once(build, npm):
    assert build("editable") == (set(), [])
    assert build() == build() == ({*CONTENTS, "LICENSE-onnxruntime-web"}, [])
    assert len(npm.read_text("utf-8").splitlines()) == 1


def test_a_wheel_is_built_without_them_where_there_is_no_npm(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    brought, (warning,) = build()
    assert brought == set()
    assert warning == "`candid export --to web` will not work: there is no npm."
