"""The YAML in front of a model card, as Hugging Face's Hub reads it.

The fields are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from candid.report.card_measures import ESTIMATES, name_figures
from candid.showable import show_text

if TYPE_CHECKING:
    from candid.evaluation.measures import Measures
    from candid.report.contents import Contents

# Those of our measures that the Hub knows (https://hf.co/metrics), by the same names.
_ON_THE_HUB: Final = ("accuracy", "precision", "recall", "f1", "roc_auc", "brier_score")
_TASK: Final = "image-classification"
# Of `datasets`: a folder with a sub-folder a class.
_DATASET_TYPE: Final = "imagefolder"


def write_metadata(contents: Contents) -> str:
    """Write the YAML with the lines of dashes around it.

    A licence and the Hub's names of data sets are not in it: they are not known here, and the Hub
    refuses made-up ones.
    """
    evaluation = contents.evaluation
    by_estimate = {"test": evaluation.test, "kfold": evaluation.kfold}
    results = [
        _result(contents, estimate, measures)
        for estimate in sorted(by_estimate, key=lambda name: name != evaluation.believe)
        if (measures := by_estimate[estimate]) is not None
    ]
    measured = name_figures(evaluation.believed)
    values = {
        "library_name": "candid",
        "pipeline_tag": _TASK,
        "tags": [_TASK, "onnx", "candid"],
        "metrics": [name for name in _ON_THE_HUB if name in measured],
        "model-index": [
            {"name": contents.name, "results": [r for r in results if r["metrics"]]},
        ],
    }
    return "\n".join(["---", *_lines(values), "---"])


def data_name(folder: str) -> str:
    """A data folder's own name: where it lies on somebody's disk is nobody else's business."""
    return PurePath(folder).name or folder


def _result(contents: Contents, estimate: str, measures: Measures) -> dict[str, object]:
    called = ESTIMATES[estimate]
    return {
        "task": {"type": _TASK, "name": "Image classification"},
        "dataset": {
            "type": _DATASET_TYPE,
            "name": data_name(contents.folder),
            "split": "test" if estimate == "test" else called,
        },
        "metrics": [
            {
                "type": named.name,
                "value": named.figure.value,
                "name": f"{named.title} ({called}, n = {named.figure.n}, 95 % interval "
                f"{named.figure.low:.3f} to {named.figure.high:.3f})",
            }
            for named in name_figures(measures).values()
            if math.isfinite(named.figure.value)
        ],
    }


def _lines(value: object) -> Iterator[str]:
    """YAML in block style."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{key}:", inner)
    elif isinstance(value, list):
        for inner in value:
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(key: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping | list) and value:
        yield key
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key} {_scalar(value)}"


def _scalar(value: object) -> str:
    """A scalar that YAML 1.1 and 1.2 read alike, and an empty list.

    Text is quoted as in JSON, which is YAML as well. `show_text` has taken out what YAML forbids,
    and what JSON would write as halves of a surrogate pair, which YAML 1.1 does not put together.
    """
    if isinstance(value, str):
        return json.dumps(show_text(value), ensure_ascii=False)
    text = json.dumps(value)
    # Without a point, YAML 1.1 takes 1e-05 for text.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
