"""Check of whether file properties predict the class."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from candid.auditing.checks import shortcuts
from candid.auditing.checks.shortcuts import BRIGHTNESS_AND_COLOUR, SHORTCUTS
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Bar
from candid.features.properties import Properties
from tests.auditing.made import PIXELS, PROPERTIES, make_evidence

LABELS = ["happy", "sad"] * 60


Vary = Callable[[bool, np.random.Generator], Properties]


def file_size(sad: bool, rng: np.random.Generator) -> Properties:
    return dataclasses.replace(
        PROPERTIES, num_bytes=int(rng.normal(30_000 if sad else 60_000, 5e3))
    )


def pixel_size(sad: bool, rng: np.random.Generator) -> Properties:
    side = int(rng.normal(300 if sad else 500, 30))
    return dataclasses.replace(PROPERTIES, width_px=side, height_px=side)


def aspect_ratio(sad: bool, rng: np.random.Generator) -> Properties:
    wide, high = (500, 200) if sad else (200, 500)
    return dataclasses.replace(
        PROPERTIES, width_px=wide + int(rng.integers(20)), height_px=high + int(rng.integers(20))
    )


def jpeg_quality(sad: bool, rng: np.random.Generator) -> Properties:
    return dataclasses.replace(PROPERTIES, jpeg_quality=int(rng.normal(60 if sad else 90, 3)))


def brightness(sad: bool, rng: np.random.Generator) -> Properties:
    value = float(rng.normal(0.3 if sad else 0.6, 0.05))
    return dataclasses.replace(PROPERTIES, pixels=dataclasses.replace(PIXELS, brightness=value))


def colour(sad: bool, rng: np.random.Generator) -> Properties:
    value = float(rng.normal(0.1 if sad else 0.5, 0.05))
    return dataclasses.replace(PROPERTIES, pixels=dataclasses.replace(PIXELS, saturation=value))


def camera(sad: bool, rng: np.random.Generator) -> Properties:
    del rng
    return dataclasses.replace(PROPERTIES, camera="Nikon D90" if sad else "")


def vary(of: Vary, labels: list[str] = LABELS) -> Evidence:
    rng = np.random.default_rng(0)
    return make_evidence(labels, properties=[of(label == "sad", rng) for label in labels])


def bars(chart: object) -> dict[str, Bar]:
    return {bar.label: bar for bar in chart.bars}  # type: ignore[attr-defined]


class TestShortcuts:
    @pytest.mark.parametrize(
        ("of", "name"),
        [
            (file_size, "file size alone"),
            (pixel_size, "pixel size alone"),
            (aspect_ratio, "aspect ratio alone"),
            (jpeg_quality, "JPEG quality alone"),
            (camera, "format and camera alone"),
        ],
    )
    def test_it_fires_on_each_property_and_names_it(self, of: Vary, name: str) -> None:
        outcome = SHORTCUTS.run(vary(of))
        assert outcome.status == "found"
        (finding,) = outcome.findings
        assert finding.summary.startswith(name)
        assert bars(outcome.chart)["all these together"].value > 0.9

    def test_it_names_the_classes_at_both_ends(self) -> None:
        (finding,) = SHORTCUTS.run(vary(file_size)).findings
        assert "sad: smaller files, happy: larger files" in finding.summary
        assert finding.about == "*: file size"
        assert not finding.suggestion

    @pytest.mark.parametrize("of", [brightness, colour])
    def test_it_stays_quiet_where_only_the_picture_differs(self, of: Vary) -> None:
        """A sunrise is red."""
        assert SHORTCUTS.run(vary(of)).status == "clean"

    def test_the_chart_compares_with_the_largest_class_and_the_picture(self) -> None:
        labels = ["happy", "happy", "sad"] * 40
        shown = bars(SHORTCUTS.run(vary(file_size, labels)).chart)
        assert shown["always the largest class"].value == pytest.approx(2 / 3)
        assert shown["the picture itself"].low is not None
        assert [name for name, bar in shown.items() if bar.emphasis] == ["all these together"]

    def test_it_stays_quiet_where_properties_are_the_same(self) -> None:
        outcome = SHORTCUTS.run(make_evidence(LABELS))
        assert outcome.status == "clean"
        assert outcome.chart is not None

    def test_it_stays_quiet_where_properties_vary_by_chance(self) -> None:
        found = 0
        for seed in range(5):
            rng = np.random.default_rng(seed)
            rows = [file_size(bool(rng.integers(2)), rng) for _ in LABELS]
            found += SHORTCUTS.run(make_evidence(LABELS, properties=rows)).status == "found"
        assert found <= 1

    def test_copies_do_not_make_a_shortcut(self) -> None:
        """Six pictures per class in ten copies each: similar by chance."""
        rng = np.random.default_rng(0)
        labels = [label for label in ("happy", "sad") for _ in range(60)]
        pictures = [index // 10 for index in range(120)]
        rows = [file_size(bool(rng.integers(2)), rng) for _ in range(12)]
        evidence = make_evidence(
            labels, properties=[rows[picture] for picture in pictures], pictures=pictures
        )
        assert SHORTCUTS.run(evidence).status == "clean"

    def test_class_names_make_no_difference(self) -> None:
        """Pictures in two classes have no right answer, whichever class comes first."""
        truth = [*LABELS, *["happy", "sad"] * 30]
        pictures = [*range(len(LABELS)), *(len(LABELS) + index // 2 for index in range(60))]
        embeddings = np.random.default_rng(0).normal(size=(len(truth), 16)).astype(np.float32)
        embeddings[:, 0] += [2 * (label == "sad") for label in truth]
        shown = []
        for names in ({"happy": "a", "sad": "b"}, {"happy": "b", "sad": "a"}):
            labels = [names[label] for label in truth]
            evidence = make_evidence(labels, embeddings=embeddings, pictures=pictures)
            shown.append(bars(SHORTCUTS.run(evidence).chart)["the picture itself"].value)
        assert 0.6 < shown[0] < 0.95
        assert shown[0] == pytest.approx(shown[1], abs=0.02)

    def test_it_does_not_apply_to_one_class_or_few_photos(self) -> None:
        assert SHORTCUTS.run(make_evidence(["sad"] * 80)).status == "not applicable"
        assert SHORTCUTS.run(make_evidence(LABELS[:10])).status == "not applicable"

    def test_of_many_photos_some_tell_even_if_a_class_is_hardly_among_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        labels = [*LABELS, *["rare"] * 10]
        monkeypatch.setattr(shortcuts, "_MAX_PHOTOS", len(LABELS) // 2)
        outcome = SHORTCUTS.run(vary(file_size, labels))
        assert outcome.status == "found"
        assert bars(outcome.chart)["all these together"].value > 0.8

    def test_a_file_without_properties_is_no_obstacle(self) -> None:
        evidence = vary(file_size)
        some = dict(list(evidence.properties.items())[5:])
        assert SHORTCUTS.run(dataclasses.replace(evidence, properties=some)).status == "found"


class TestBrightnessAndColour:
    @pytest.mark.parametrize(
        ("of", "name", "ends"),
        [
            (brightness, "brightness", "sad: darker, happy: brighter"),
            (colour, "colour", "sad: less colourful, happy: more colourful"),
        ],
    )
    def test_it_fires_as_a_note_and_suggests_to_keep_it(
        self, of: Vary, name: str, ends: str
    ) -> None:
        outcome = BRIGHTNESS_AND_COLOUR.run(vary(of))
        (finding,) = outcome.findings
        assert finding.summary.startswith(f"{name} alone")
        assert ends in finding.summary
        assert (finding.about, finding.suggestion) == (f"*: {name}", "keep")
        assert BRIGHTNESS_AND_COLOUR.severity == "info"
        assert "may be the class itself" in BRIGHTNESS_AND_COLOUR.remedy

    def test_it_stays_quiet_where_only_the_files_differ(self) -> None:
        assert BRIGHTNESS_AND_COLOUR.run(vary(file_size)).status == "clean"

    def test_it_does_not_apply_to_one_class_or_few_photos(self) -> None:
        assert BRIGHTNESS_AND_COLOUR.run(make_evidence(["sad"] * 80)).status == "not applicable"
        assert BRIGHTNESS_AND_COLOUR.run(make_evidence(LABELS[:10])).status == "not applicable"
