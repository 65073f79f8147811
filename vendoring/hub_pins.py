"""What the Hugging Face hub states about the files of the backbones by name, for their pins.

    python vendoring/hub_pins.py     prints a line for each, to be copied into
                                     src/candid/features/backbones/hub.py; needs a connection

The revision is the commit that the branch ``main`` is at now, the SHA-256 that of the file there.
"""

from __future__ import annotations

from huggingface_hub import get_hf_file_metadata, hf_hub_url

from candid.features.backbones.hub import HUB


def main() -> None:
    """Print revision and hash of each, and whether its pins are those."""
    for model in HUB.values():
        stated = get_hf_file_metadata(hf_hub_url(model.repository, model.file))
        pins = f'revision="{stated.commit_hash}", sha256="{stated.etag}"'
        is_known = (stated.commit_hash, stated.etag) == (model.revision, model.sha256)
        print(f"{model.name}: {pins}, {stated.size:,} bytes{'' if is_known else '  (new)'}")  # noqa: T201


if __name__ == "__main__":
    main()
