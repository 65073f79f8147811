"""The model card of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from candid.core.text import sanitize
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.rare_class import RareClass
from candid.reporting.report.card import write_card
from candid.reporting.report.contents import Contents, Shortcut
from candid.reporting.tracking import write_figures
from candid.runs.manifest import DecisionsSummary
from tests.manifests import make_manifest
from tests.reporting.tracking.made import figures_in, make_evaluation, make_predictions, read_events

MANIFEST = make_manifest()
SHORTCUT = Shortcut("The file tells the classes apart.", ("By its width.",), True, "runs/audit-1")
PLAIN = ("happy", "sad")


def contents_of(classes: tuple[str, ...] = PLAIN, **changes: Any) -> Contents:
    contents = Contents(
        name="faces",
        run="runs/faces",
        evaluation=make_evaluation(classes),
        predictions=make_predictions(len(classes)),
        heat_maps={},
        counts={name: (160 - number, 150 - number) for number, name in enumerate(classes)},
        folder="/home/somebody/faces",
        recipe="transfer",
        trained_on=240,
        settings={"seed": "0"},
        fingerprints={"data": "ab12"},
        notes=("3 photos could not be read.",),
        shortcut=SHORTCUT,
        created="2026-11-24",
    )
    return replace(contents, **changes)


def test_a_rare_class_is_named_before_the_figures() -> None:
    contents = contents_of()
    assert "Unbalanced" not in write_card(contents, MANIFEST)
    rare = RareClass("sad", "happy", Estimate(1 / 12, 0.015, 0.354, 12), 1)
    card = write_card(
        replace(contents, evaluation=replace(contents.evaluation, rare=rare)), MANIFEST
    )
    place = card.index("finds 1 of 12")
    assert card.index("### Results") < place < card.index("| Figure, with its 95 % interval")


def only_tested(**changes: Any) -> Contents:
    """Contents of a run with nothing but test figures."""
    test = replace(make_evaluation().test, **changes)
    return contents_of(evaluation=Evaluation(test), shortcut=None, settings={}, notes=(), counts={})


def split_card(card: str) -> tuple[Any, str]:
    """The metadata and the text, split as in huggingface_hub."""
    found = re.match(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))", card)
    assert found
    value, rest = read_yaml(found[2].splitlines(), 0)
    assert rest == []
    return value, card[found.end() :]


def read_yaml(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """Read the subset of YAML that the card uses: blocks, and scalars as JSON."""
    if lines[0][indent:].startswith("- "):
        items = []
        while lines and lines[0].startswith(" " * indent + "- "):
            first = " " * (indent + 2) + lines[0][indent + 2 :]
            item, lines = read_yaml([first, *lines[1:]], indent + 2)
            items.append(item)
        return items, lines
    if not (key := re.match(r" *([a-z_-]+):(?: |$)", lines[0])):
        return json.loads(lines[0]), lines[1:]
    values = {}
    while lines and (key := re.match(rf"^ {{{indent}}}([a-z_-]+):(?: (.+))?$", lines[0])):
        if key[2] is None:
            values[key[1]], lines = read_yaml(lines[1:], indent + 2)
        else:
            values[key[1]], lines = json.loads(key[2]), lines[1:]
    return values, lines


class Page(HTMLParser):
    """The card's text as HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        del attributes
        assert tag not in ("a", "img")
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def metrics_in(metadata: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    [model] = metadata["model-index"]
    for result in model["results"]:
        for metric in result["metrics"]:
            yield result["dataset"]["split"], metric


def test_the_metadata_has_what_the_hub_requires() -> None:
    metadata, _ = split_card(write_card(contents_of(), MANIFEST))
    assert metadata["library_name"] == "candid"
    assert metadata["pipeline_tag"] == "image-classification"
    assert {"accuracy", "f1", "precision", "recall", "roc_auc"} <= set(metadata["metrics"])
    [model] = metadata["model-index"]
    assert model["name"] == "faces"
    for result in model["results"]:
        assert result["task"]["type"] == "image-classification"
        assert re.fullmatch(r"[\w-]+", result["dataset"]["type"])
        assert result["dataset"]["name"] == "faces"
        for metric in result["metrics"]:
            assert isinstance(metric["type"], str)
            assert isinstance(metric["value"], float)


def test_the_metadata_names_the_estimate_and_starts_with_the_one_to_believe() -> None:
    contents = contents_of()
    metadata, _ = split_card(write_card(contents, MANIFEST))
    first, *rest = metrics_in(metadata)
    kfold = contents.evaluation.kfold.accuracy
    assert first == (
        "grouped cross-validation",
        {
            "type": "accuracy",
            "value": kfold.value,
            "name": "Accuracy (grouped cross-validation, n = 300, 95 % interval "
            f"{kfold.low:.3f} to {kfold.high:.3f})",
        },
    )
    [tested] = [m for split, m in rest if split == "test" and m["type"] == "recall"]
    assert tested["value"] == contents.evaluation.test.recall.value
    assert tested["name"].startswith('Recall of "sad" (test part, n = 40')


def test_the_card_and_tensorboard_have_the_same_figures(tmp_path: Path) -> None:
    contents = contents_of()
    write_figures(tmp_path, contents.evaluation)
    written = read_events(tmp_path)
    metadata, _ = split_card(write_card(contents, MANIFEST))
    metrics = list(metrics_in(metadata))
    assert len(metrics) == 22
    for split, metric in metrics:
        estimate = "test" if split == "test" else "kfold"
        shown = written[f"{estimate}/{metric['type']}"][0].simple_value
        assert shown == pytest.approx(metric["value"])


@pytest.mark.parametrize("classes", [PLAIN, ("a", "b", "c")])
def test_every_figure_is_in_the_text_with_its_interval(classes: tuple[str, ...]) -> None:
    contents = contents_of(classes)
    _, text = split_card(write_card(contents, MANIFEST))
    evaluation = contents.evaluation
    forecasts = evaluation.learning_curve.forecasts
    elsewhere = {row.gain for row in forecasts}  # below
    elsewhere |= {row.accuracy for row in evaluation.calibration.bins_before}  # on the page
    for figure in set(figures_in(evaluation)) - elsewhere:
        forms = [
            f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"
            for form in (".3f", "+.3f")
        ]
        assert any(form in text for form in forms), figure
    for row in forecasts:
        assert row.to_text() in text
    assert "| 101 | 102 |" in text  # the confusion matrix


@pytest.mark.parametrize("small", [1e-05, 1.5e-07, 0.0])
def test_small_numbers_are_numbers_in_yaml_1_1(small: float) -> None:
    card = write_card(only_tested(accuracy=Estimate(small, 0.0, 0.1, 40)), MANIFEST)
    [line] = re.findall(r'type: "accuracy"\n +value: (.+)', card)
    # As PyYAML resolves a number.
    assert re.fullmatch(r"[-+]?[0-9]+\.[0-9]*(?:e[-+][0-9]+)?", line)
    assert float(line) == small


@settings(max_examples=40)
@given(
    first=st.text("\\`*_{}[]()<>#-!|~&$\"': ab\n\udcff\x85\u2028😀", min_size=1, max_size=20),
    second=st.text(min_size=1, max_size=20),
)
@example("---\nlicense: mit\n---", "</td><script>alert(1)</script>")
@example("# a | b", "yes: !!python/object:x")
def test_untrusted_names_stay_text(first: str, second: str) -> None:
    def card_of(name: str, other: str) -> str:
        contents = contents_of((name, f"{other}."), name=name, settings={name: other})
        noted = replace(contents, notes=(other,), shortcut=replace(SHORTCUT, summary=name))
        return write_card(noted, MANIFEST)

    metadata, text = split_card(card_of(first, second))
    assert metadata["model-index"][0]["name"] == sanitize(first)
    [recall] = {
        m["name"].split(" (test")[0]
        for s, m in metrics_in(metadata)
        if "Rec" in m["name"] and s == "test"
    }
    assert recall == f'Recall of "{sanitize(second + ".")}"'
    _, plain = split_card(card_of("happy", "sad"))
    page = Page(text)
    assert page.tags == Page(plain).tags
    assert " ".join(sanitize(second).split()) in " ".join(page.text.split())


def test_the_sections_are_those_of_the_annotated_template() -> None:
    _, text = split_card(write_card(contents_of(), MANIFEST))
    wanted = [
        "Model Details",
        "Uses",
        "Bias, Risks, and Limitations",
        "How to Get Started with the Model",
        "Training Details",
        "Evaluation",
        "Environmental Impact",
        "Technical Specifications",
        "How to Verify",
    ]
    assert re.findall("^## (.+)$", text, re.MULTILINE) == wanted
    assert re.findall("^# (.+)$", text, re.MULTILINE) == ["faces"]


@pytest.mark.parametrize(
    ("contents", "estimate"),
    [(contents_of(), "Grouped cross-validation"), (only_tested(), "Test part")],
)
def test_the_card_names_the_estimate_to_believe(contents: Contents, estimate: str) -> None:
    assert f"**{estimate}.** {contents.evaluation.why}" in write_card(contents, MANIFEST)


def test_what_was_not_measured_is_marked_or_left_out() -> None:
    card = write_card(only_tested(accuracy=None, f1=None, log_loss=None, per_class=()), MANIFEST)
    metadata, text = split_card(card)
    assert "f1" not in metadata["metrics"]
    assert {m["type"] for _, m in metrics_in(metadata)}.isdisjoint({"accuracy", "f1", "log_loss"})
    assert "None" not in card
    assert "nan" not in card.split()
    assert "There was no image to measure on." in text
    assert "The accuracy that a random split would give was not measured." in text
    assert "Probabilities were not calibrated." in text
    assert "it predicts one of its classes for every photo" in text
    assert "No audit of this folder. It is not known whether the class can be predicted" in text
    assert "Cross-validation" not in text


def test_only_a_model_that_was_tested_was_trained_on_no_test_photo() -> None:
    told = "the model was trained on neither a test photo nor a copy of one"
    assert told in write_card(only_tested(), MANIFEST)
    assert told not in write_card(only_tested(n=0, accuracy=None), MANIFEST)


def test_a_baseline_that_is_not_beaten_is_a_limitation() -> None:
    _, text = split_card(write_card(contents_of(), MANIFEST))
    limits = text.split("## Bias, Risks, and Limitations")[1].split("###")[0]
    assert "Too few photos to tell if it is better than nearest neighbour." in limits
    assert "always the largest class" not in limits
    assert "By its width." in limits
    assert "3 photos could not be read." in limits
    assert "The class with the fewest different pictures, sad, has 149." in limits


def test_the_card_has_versions_fingerprints_and_commands() -> None:
    decided = DecisionsSummary("0" * 64, num_dropped=2, num_relabelled=3, num_kept=0)
    card = write_card(contents_of(), replace(MANIFEST, decisions=decided))
    for text in (
        "Candid 1.2.3",
        "with s = 224",
        "candid predict photo.jpg --run RUN",
        'candid.load("RUN").predict("photo.jpg")',
        "`candid verify RUN`",
        "2 dropped and 3 relabelled, as listed in `decisions.csv`",
        "Fingerprint of data: ab12",
        "numpy 2.4.6",
    ):
        assert text in card
    assert "relabelled" not in write_card(contents_of(), MANIFEST)


def test_the_path_of_the_photos_is_not_in_the_card() -> None:
    assert "somebody" not in write_card(contents_of(), MANIFEST)
