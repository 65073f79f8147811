"""The model card, in the form of Hugging Face (https://huggingface.co/docs/hub/model-cards).

Sections follow its annotated template (https://huggingface.co/docs/hub/model-card-annotated), the
YAML metadata https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from candid.core.text import escape_markdown, fence, join_names, plural, sanitize, table
from candid.reporting.report.answer import (
    abstention_statement,
    baseline_statement,
    kept_together,
    measured_by,
    rule_statement,
    shortcut_statement,
    worst_class_statement,
)
from candid.reporting.report.card_results import (
    ESTIMATES,
    name_figures,
    with_interval,
    write_results,
)

if TYPE_CHECKING:
    from candid.evaluation.measures import Measures
    from candid.features.backbones.origin import Origin
    from candid.reporting.report.contents import Contents, Shortcut
    from candid.runs.manifest import Manifest

# Measures that the Hub knows (https://hf.co/metrics) under the same names.
_ON_THE_HUB: Final = ("accuracy", "precision", "recall", "f1", "roc_auc", "brier_score")
_TASK: Final = "image-classification"
# In the library `datasets`: a folder with one sub-folder per class.
_DATASET_TYPE: Final = "imagefolder"
_RECIPES: Final = {
    "transfer": "a frozen pretrained backbone with a linear head trained on these photos",
    "finetune": "a pretrained backbone whose last blocks were trained on with these photos",
    "cnn": "a small convolutional network trained from scratch on these photos",
}
_MOST_NAMED: Final = 20  # classes in a sentence; the table of the training data has all


def write_card(contents: Contents, manifest: Manifest) -> str:
    """Write a model card.

    Args:
        contents: The contents of the run's report.
        manifest: The contents of ``candid.json``; file hashes are not used.

    Returns:
        Markdown after YAML metadata. Names are escaped, as they come from file names.
    """
    sections = [
        write_metadata(contents, manifest.origin),
        f"# {escape_markdown(contents.name)}",
        _summary(contents, manifest),
        _details(contents, manifest),
        _uses(contents),
        _limitations(contents),
        _get_started(),
        _training(contents, manifest),
        _evaluation(contents),
        write_results(contents.evaluation),
        "## Environmental Impact\n\nEnergy use and emissions were not measured.",
        _specifications(contents, manifest),
        "## How to Verify\n\n"
        "`candid verify RUN` checks that the files are unchanged since training. "
        "`candid evaluate RUN` measures the figures again; they are also in `metrics.json`.",
    ]
    return "\n\n".join(sections) + "\n"


def write_metadata(contents: Contents, origin: Origin | None = None) -> str:
    """Write the YAML metadata, including the lines of dashes.

    The model is derived from that of the backbone's weights, if these came from elsewhere. Licence
    and data set names are left out: they are not known here, and the Hub refuses made-up ones.
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
        **({"base_model": origin.weights_of} if origin and origin.weights_of else {}),
        "pipeline_tag": _TASK,
        "tags": [_TASK, "onnx", "candid"],
        "metrics": [name for name in _ON_THE_HUB if name in measured],
        "model-index": [
            {"name": contents.name, "results": [r for r in results if r["metrics"]]},
        ],
    }
    return "\n".join(["---", *_yaml_lines(values), "---"])


def _result(contents: Contents, estimate: str, measures: Measures) -> dict[str, object]:
    source = ESTIMATES[estimate]
    return {
        "task": {"type": _TASK, "name": "Image classification"},
        "dataset": {
            "type": _DATASET_TYPE,
            "name": _data_name(contents),
            "split": "test" if estimate == "test" else source,
        },
        "metrics": [
            {
                "type": named.name,
                "value": named.figure.value,
                "name": f"{named.title} ({source}, n = {named.figure.n}, 95 % interval "
                f"{named.figure.low:.3f} to {named.figure.high:.3f})",
            }
            for named in name_figures(measures).values()
            if math.isfinite(named.figure.value)
        ],
    }


def _data_name(contents: Contents) -> str:
    """Name of the data folder, without the private path to it."""
    return PurePath(contents.folder).name or contents.folder


def _yaml_lines(value: object) -> Iterator[str]:
    """YAML in block style."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list) and inner:
                yield f"{key}:"
                yield from (f"  {line}" for line in _yaml_lines(inner))
            else:
                yield f"{key}: {_yaml_scalar(inner)}"
    elif isinstance(value, list):
        for inner in value:
            first, *rest = _yaml_lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _yaml_scalar(value)


def _yaml_scalar(value: object) -> str:
    """A scalar or an empty list that YAML 1.1 and 1.2 read alike.

    Text is quoted as JSON, which is valid YAML. `sanitize` removes what YAML forbids, and what JSON
    would write as surrogate pairs, which YAML 1.1 does not combine.
    """
    if isinstance(value, str):
        return json.dumps(sanitize(value), ensure_ascii=False)
    text = json.dumps(value)
    # Without a point, YAML 1.1 reads 1e-05 as text.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text


def _summary(contents: Contents, manifest: Manifest) -> str:
    evaluation = contents.evaluation
    classes = [escape_markdown(name) for name in evaluation.classes]
    text = f"Classifies photos into {len(classes)} classes: {join_names(classes, _MOST_NAMED)}."
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        text += " Its accuracy was not measured."
    else:
        text += (
            f" Accuracy on held-out photos: **{with_interval(accuracy)}**, n = {accuracy.n}, "
            f"{measured_by(evaluation)}" + (f".{evaluation.leak}" if evaluation.leak else _HELD_OUT)
        )
    if manifest.decisions is not None:
        text += (
            f" The photos were reviewed by a person before training: "
            f"{manifest.decisions.num_dropped} dropped and {manifest.decisions.num_relabelled} "
            "relabelled, as listed in `decisions.csv`."
        )
    return text


def _details(contents: Contents, manifest: Manifest) -> str:
    recipe = escape_markdown(contents.recipe)
    if description := _RECIPES.get(contents.recipe):
        recipe = f"{recipe}: {description}"
    version = escape_markdown(manifest.candid_version)
    rows = [
        f"- **Model type:** image classification, {len(contents.evaluation.classes)} classes",
        f"- **Recipe:** {recipe}",
        f"- **Trained by:** Candid {version}".rstrip(),
        f"- **Trained on:** {escape_markdown(contents.created)}",
        *_backbone(manifest),
        "- **License:** not stated; to be chosen by the owner of the photos",
    ]
    return "## Model Details\n\n" + "\n".join(rows)


def _backbone(manifest: Manifest) -> Iterator[str]:
    """Its weights, if they came from elsewhere, as their licence holds for the model too."""
    if manifest.origin:
        name, origin = manifest.backbone or "", str(manifest.origin)
        yield f"- **Backbone:** {escape_markdown(name)}, frozen: {escape_markdown(origin)}"


def _uses(contents: Contents) -> str:
    folder = escape_markdown(_data_name(contents))
    return f"""## Uses

### Direct Use

Classifying photos like those of the folder {folder}, where the error rates below are acceptable.

### Out-of-Scope Use

Photos that show none of the classes, and photos that differ from the training data: another
camera, place, season or group of people. The figures below do not cover them. Decisions about
people without human review."""


def _limitations(contents: Contents) -> str:
    limits = [
        "- The figures do not cover photos of another kind than the training data.",
        f"- {abstention_statement(contents.evaluation).text}"
        if contents.evaluation.abstained is None
        else "- It can mark a photo as uncertain or unknown, but not reliably: the rates below are "
        "of photos like the training photos. Other photos may still get a class.",
        *_weak_spots(contents),
        *(f"- Data: {escape_markdown(note)}" for note in contents.notes),
    ]
    return "\n\n".join(
        [
            "## Bias, Risks, and Limitations",
            "\n".join(limits),
            _shortcut(contents.shortcut),
            "### Recommendations",
            "Before use, evaluate the model on photos from where it will be used: "
            "`candid evaluate RUN PHOTOS`."
            + (" Check the mistakes in `report.html`." if _has_mistakes(contents) else ""),
        ]
    )


def _weak_spots(contents: Contents) -> Iterator[str]:
    """Limitations that follow from the figures."""
    evaluation = contents.evaluation
    rule, worst = rule_statement(evaluation), worst_class_statement(evaluation)
    baselines = baseline_statement(evaluation)
    for statement in (rule, baselines if baselines.tone in ("bad", "note") else None, worst):
        if statement is not None:
            yield f"- {_escape(statement.title)}. {_escape(statement.text)}"
    pictures = {name: number for name, (_, number) in contents.counts.items()}
    if len(set(pictures.values())) > 1:
        name, fewest = min(pictures.items(), key=itemgetter(1))
        yield f"- The class with the fewest different pictures, {_escape(name)}, has {fewest:,}."


def _escape(text: str) -> str:
    return escape_markdown(text.replace("\u00a0", " "))


def _has_mistakes(contents: Contents) -> bool:
    predictions = contents.predictions
    return bool((predictions.truth != predictions.predicted).any())


def _shortcut(shortcut: Shortcut | None) -> str:
    told = shortcut_statement(shortcut)
    if shortcut is None:
        return f"{told.title}. {told.text} `candid audit` checks it."
    text = f"Audit in {_escape(shortcut.audit)}: {_escape(told.title)}. {_escape(told.text)}"
    findings = [f"- {_escape(line)}" for line in (*shortcut.findings, *shortcut.looks)]
    return "\n".join([text, "", *findings]) if findings else text


def _get_started() -> str:
    code = (
        'import candid\n\nprediction = candid.load("RUN").predict("photo.jpg")\n'
        "print(prediction.label, prediction.probability, prediction.verdict)"
    )
    return "\n\n".join(
        [
            "## How to Get Started with the Model",
            "`RUN` stands for this folder. On the command line:",
            fence("pip install candid-image\ncandid predict photo.jpg --run RUN", "sh"),
            "In Python:",
            fence(code, "python"),
            "`probability` is that of the label. `verdict` is `sure`, `uncertain` or `unknown`, "
            "and `unreadable` for a file without a label; a model that can't abstain gives none.",
        ]
    )


_HELD_OUT: Final = ": no model has predicted a photo that it was trained on, nor a copy of one."
_UNSEEN: Final = " So the model was trained on neither a test photo nor a copy of one."


def _training(contents: Contents, manifest: Manifest) -> str:
    parts = [
        "## Training Details",
        "### Training Data",
        f"{plural(contents.trained_on, 'photo')} of the folder "
        f"{escape_markdown(_data_name(contents))}. {kept_together(contents.evaluation)}"
        + ("" if contents.evaluation.leak or not contents.evaluation.believed.n else _UNSEEN),
    ]
    counts = [
        [escape_markdown(name), str(photos), str(pictures)]
        for name, (photos, pictures) in contents.counts.items()
    ]
    if counts:
        parts.append(table(["Class", "Photos", "Different pictures"], counts))
    size = manifest.pixels.size_px
    parts += [
        "### Training Procedure",
        "#### Preprocessing",
        "Photos are decoded to RGB, rotated by their EXIF orientation and resized to "
        f"{size} × {size} pixels, fitted by `{manifest.pixels.fit}`. Scaling and normalisation are "
        "part of `model.onnx`.",
    ]
    if contents.settings:
        settings = [[escape_markdown(k), escape_markdown(v)] for k, v in contents.settings.items()]
        head = ["Setting", "Value"]
        parts += ["#### Training Hyperparameters", table(head, settings, num_text_columns=2)]
    return "\n\n".join(parts)


def _evaluation(contents: Contents) -> str:
    evaluation = contents.evaluation
    is_own = evaluation.own is not None and evaluation.own.has_test
    whose = "that the folder came with" if is_own else "set aside before training"
    measured = [f"- Test part: {plural(evaluation.test.n, 'image')} {whose}.{evaluation.leak}"]
    if evaluation.kfold is not None:
        measured.append(
            f"- Grouped cross-validation: {plural(evaluation.kfold.n, 'image')}, each predicted by "
            "a model trained without its fold."
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
            "Figures are given by class. Camera, place, lighting and the people in the photos are "
            "not known, so there are no figures by these.",
            "#### Metrics",
            "\n".join(meanings) or "None was measured.",
            "Every figure has its 95 % interval and its number of images, n. Intervals take into "
            "account that copies of a picture are often predicted alike.",
        ]
    )


def _specifications(contents: Contents, manifest: Manifest) -> str:
    lines = [
        "- `model.onnx` takes uint8 `(n, s, s, 3)` RGB, 0 to 255, with s = "
        f"{manifest.pixels.size_px}.",
        *(
            f"- Fingerprint of {escape_markdown(name)}: {escape_markdown(value)}"
            for name, value in contents.fingerprints.items()
        ),
    ]
    if manifest.libraries:
        used = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
        lines.append(f"- Made with {escape_markdown(used)}.")
    return "## Technical Specifications\n\n" + "\n".join(lines)
