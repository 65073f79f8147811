"""The model card, in the form of Hugging Face (https://huggingface.co/docs/hub/model-cards).

The sections are those of its annotated template
(https://huggingface.co/docs/hub/model-card-annotated).

The YAML in front of a model card, as Hugging Face's Hub reads it.

The fields are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from candid.core.text import escape_markdown, fence, join_names, plural, sanitize, table
from candid.reporting.report.card_results import (
    ESTIMATES,
    name_figures,
    with_interval,
    write_results,
)

if TYPE_CHECKING:
    from candid.evaluation.measures import Measures
    from candid.reporting.report.contents import Contents, Shortcut
    from candid.runs.manifest import Manifest

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

    Text is quoted as in JSON, which is YAML as well. `sanitize` has taken out what YAML forbids,
    and what JSON would write as halves of a surrogate pair, which YAML 1.1 does not put together.
    """
    if isinstance(value, str):
        return json.dumps(sanitize(value), ensure_ascii=False)
    text = json.dumps(value)
    # Without a point, YAML 1.1 takes 1e-05 for text.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text


_RECIPES: Final = {
    "transfer": "a frozen pretrained network, with a linear layer on top that was trained here",
    "cnn": "a small convolutional network, trained here from nothing",
}
_MOST_NAMED: Final = 20  # classes in a sentence; the table of the training data has all


def write_card(contents: Contents, manifest: Manifest) -> str:
    """Write a model card.

    Args:
        contents: What the run's page shows as well.
        manifest: What ``candid.json`` will say, but for the hashes of the files.

    Returns:
        Markdown with YAML in front. Names are escaped: they come from file names.
    """
    sections = [
        write_metadata(contents),
        f"# {escape_markdown(contents.name)}",
        _summary(contents, manifest),
        _details(contents, manifest),
        _uses(contents),
        _limitations(contents),
        _get_started(),
        _training(contents, manifest),
        _evaluation(contents),
        write_results(contents.evaluation),
        _environment(),
        _specifications(contents, manifest),
        _verify(),
    ]
    return "\n\n".join(sections) + "\n"


def _summary(contents: Contents, manifest: Manifest) -> str:
    evaluation = contents.evaluation
    classes = [escape_markdown(name) for name in evaluation.classes]
    tells = f"Tells photos of {len(classes)} classes apart: {join_names(classes, _MOST_NAMED)}."
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return f"{tells} How well was not measured.{_decided(manifest)}"
    return (
        f"{tells} Accuracy on photos that it never saw, nor any copy of them: "
        f"**{with_interval(accuracy)}**, n = {accuracy.n}, by the {ESTIMATES[evaluation.believe]}."
        f"{_decided(manifest)}"
    )


def _decided(manifest: Manifest) -> str:
    """A sentence on what a person decided about the photos, where somebody did."""
    decided = manifest.decisions
    if decided is None:
        return ""
    return (
        f" A person looked through the photos before: {decided.num_dropped} dropped and "
        f"{decided.num_relabelled} relabelled, as `decisions.csv` says."
    )


def _details(contents: Contents, manifest: Manifest) -> str:
    recipe = escape_markdown(contents.recipe)
    what = _RECIPES.get(contents.recipe)
    version = escape_markdown(manifest.candid_version)
    rows = [
        f"- **Model type:** image classification, {len(contents.evaluation.classes)} classes",
        f"- **Recipe:** {recipe}" + (f": {what}" if what else ""),
        f"- **Trained by:** Candid {version}".rstrip(),
        f"- **Trained on:** {escape_markdown(contents.created)}",
        "- **License:** not stated; it is for whoever owns the photos to choose one",
    ]
    return "## Model Details\n\n" + "\n".join(rows)


def _uses(contents: Contents) -> str:
    folder = escape_markdown(data_name(contents.folder))
    return f"""## Uses

### Direct Use

Sorting photos like those of the folder {folder} into its classes, where the error rates below can
be borne.

### Out-of-Scope Use

Photos that show none of the classes, and photos of another kind than the training data: another
camera, place, season or sort of people. The figures below do not cover them. Decisions about people
that nobody looks at again."""


def _limitations(contents: Contents) -> str:
    limits = [
        "- Photos that differ from the training data in kind are not covered by the figures.",
        _closed_world(contents),
        *_weak_spots(contents),
        *(f"- Of the data: {escape_markdown(note)}" for note in contents.notes),
    ]
    return "\n\n".join(
        [
            "## Bias, Risks, and Limitations",
            "\n".join(limits),
            _shortcut(contents.shortcut),
            "### Recommendations",
            "Measure it on photos from where it is to be used, before it is used there: "
            "`candid evaluate RUN PHOTOS`. Look at the mistakes in `report.html`.",
        ]
    )


def _closed_world(contents: Contents) -> str:
    if contents.evaluation.abstained is None:
        return "- It answers one of its classes for every photo, whatever the photo shows."
    return (
        "- It can say that a photo is uncertain or unknown, but not always: how often it does is "
        "below, for photos like those it learnt from. Strange photos may still get a class."
    )


def _weak_spots(contents: Contents) -> list[str]:
    """What the figures themselves warn of."""
    spots = [
        f"- It is not clearly better than a simple rule: {escape_markdown(rule.name)}."
        for rule in contents.evaluation.baselines
        if not rule.beaten
    ]
    recalls = [(c.recall.value, c.name) for c in contents.evaluation.believed.per_class if c.recall]
    if recalls:
        share, name = min(recalls)
        spots.append(f"- It is weakest on {escape_markdown(name)}: recall {share:.3f}.")
    if contents.counts:
        name, (_, pictures) = min(contents.counts.items(), key=lambda item: item[1][1])
        spots.append(
            f"- The class with the fewest pictures, {escape_markdown(name)}, has "
            f"{plural(pictures, 'different one')}."
        )
    return spots


def _shortcut(shortcut: Shortcut | None) -> str:
    """Whether the file gives the class away, without the picture."""
    if shortcut is None:
        return (
            "Whether something other than the picture, such as the size of the file, tells the "
            "classes apart was not looked into: `candid audit` does."
        )
    findings = "".join(f"\n- {escape_markdown(line)}" for line in shortcut.findings)
    said = (
        f"The audit in {escape_markdown(shortcut.audit)} says: {escape_markdown(shortcut.summary)}"
    )
    return said + (f"\n{findings}" if findings else "")


def _get_started() -> str:
    code = 'import candid\n\ncandid.load("RUN").predict("photo.jpg")'
    return "\n\n".join(
        [
            "## How to Get Started with the Model",
            "With this folder at hand, as `RUN`:",
            fence("pip install candid-image\ncandid predict photo.jpg --run RUN", "sh"),
            "Or in Python:",
            fence(code, "python"),
        ]
    )


def _training(contents: Contents, manifest: Manifest) -> str:
    counts = [
        [escape_markdown(name), str(photos), str(pictures)]
        for name, (photos, pictures) in contents.counts.items()
    ]
    parts = ["## Training Details", "### Training Data", _trained_on(contents)]
    if counts:
        parts.append(table(["Class", "Photos", "Different pictures"], counts))
    parts += ["### Training Procedure", "#### Preprocessing", _preprocessing(manifest)]
    if contents.settings:
        settings = [[escape_markdown(k), escape_markdown(v)] for k, v in contents.settings.items()]
        head = ["Setting", "Value"]
        parts += ["#### Training Hyperparameters", table(head, settings, num_text_columns=2)]
    return "\n\n".join(parts)


def _trained_on(contents: Contents) -> str:
    return (
        f"{plural(contents.trained_on, 'photo')} of the folder "
        f"{escape_markdown(data_name(contents.folder))}. Copies of a photo were kept in one part, "
        "so no tested image, nor a copy of it, was trained on."
    )


def _preprocessing(manifest: Manifest) -> str:
    size, fit = manifest.pixels.size_px, manifest.pixels.fit
    return (
        f"Photos are decoded to RGB, turned upright and brought to {size} × {size} pixels, "
        f"fitted by `{fit}`. Scaling and normalisation are a part of `model.onnx`."
    )


def _evaluation(contents: Contents) -> str:
    evaluation = contents.evaluation
    measured = [f"- Test part: {plural(evaluation.test.n, 'image')} set aside before training."]
    if evaluation.kfold is not None:
        measured.append(
            f"- Grouped cross-validation: {plural(evaluation.kfold.n, 'image')}, each predicted by "
            "a model that was trained without its fold."
        )
    meanings = [
        f"- **{escape_markdown(named.title)}**: {named.meaning}."
        for named in name_figures(evaluation.believed).values()
        if named.meaning
    ]
    return "\n\n".join(
        [
            "## Evaluation",
            "### Testing Data, Factors & Metrics",
            "#### Testing Data",
            "\n".join(measured),
            "#### Factors",
            "Figures are given by class. By camera, place, light or the people in the photos there "
            "are none: the folder does not say.",
            "#### Metrics",
            "\n".join(meanings) or "None was measured.",
            "Every figure has its 95 % interval and the number of images behind it, n; copies of a "
            "picture are taken to be right or wrong together.",
        ]
    )


def _environment() -> str:
    return "## Environmental Impact\n\nNeither energy nor emissions were measured."


def _specifications(contents: Contents, manifest: Manifest) -> str:
    size = manifest.pixels.size_px
    lines = [
        f"- `model.onnx` takes uint8 `(n, s, s, 3)` RGB, 0 to 255, with s = {size}.",
        *(
            f"- Fingerprint of {escape_markdown(name)}: {escape_markdown(value)}"
            for name, value in contents.fingerprints.items()
        ),
    ]
    if manifest.libraries:
        used = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
        lines.append(f"- Made with {escape_markdown(used)}.")
    return "## Technical Specifications\n\n" + "\n".join(lines)


def _verify() -> str:
    return (
        "## How to Verify\n\n"
        "`candid verify RUN` tells whether the files are those that the training wrote. "
        "`candid evaluate RUN` measures the figures again; they are in `metrics.json` as well."
    )
