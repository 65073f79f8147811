"""The model card, in the form of Hugging Face (https://huggingface.co/docs/hub/model-cards)."""

from __future__ import annotations

from collections.abc import Mapping

from candid.evaluation import Evaluation


def write_card(name: str, evaluation: Evaluation, manifest: Mapping[str, object]) -> str:
    """Write a model card.

    Args:
        name: The run's name.
        evaluation: Its figures.
        manifest: The values of ``candid.json``.

    Returns:
        Markdown with YAML in front.
    """
    classes = ", ".join(evaluation.classes)
    return f"""---
library_name: candid
pipeline_tag: image-classification
tags: [image-classification, onnx]
---

# {name}

Tells photos of {len(evaluation.classes)} classes apart: {classes}. Trained by Candid
{manifest["candid_version"]} with the recipe `{manifest["recipe"]}`.{_decided(manifest)}

## How good it is

```
{evaluation.to_text()}
```

Every figure has its 95 % interval and the number of images behind it. Copies of a photo were kept
in one part, so no tested image, nor a copy of it, was trained on.

## How to use it

```python
import candid

candid.load("{name}").predict("photo.jpg")
```

`model.onnx` takes uint8 `(n, s, s, 3)` RGB, 0 to 255, with s = {_size(manifest)}; scaling and
normalisation are a part of it.

## What it does not know

It answers one of its classes for every photo, whatever the photo shows. Photos that differ from the
training data in kind (another camera, another place) are not covered by the figures above.
"""


def _decided(manifest: Mapping[str, object]) -> str:
    """A sentence on what a person decided about the photos, where somebody did."""
    decided = manifest.get("decisions")
    if not isinstance(decided, Mapping):
        return ""
    return (
        f" A person looked through the photos before: {decided['num_dropped']} dropped and\n"
        f"{decided['num_relabelled']} relabelled, as `decisions.csv` says."
    )


def _size(manifest: Mapping[str, object]) -> object:
    pixels = manifest["pixels"]
    return pixels["size_px"] if isinstance(pixels, Mapping) else ""
