"""Checks by embeddings: label errors and outliers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from candid.auditing.checks import labels as outliers
from candid.auditing.checks.labels import (
    LABEL_SUSPECTS,
    OUTLIERS,
    find_outliers,
    neighbour_distances,
)
from candid.auditing.evidence import Evidence
from tests.auditing.made import make_evidence

LABELS = ["happy", "sad"] * 40


def embed(labels: list[str]) -> np.ndarray:
    axes = np.eye(16)[[int(label == "sad") for label in labels]]
    noise = np.random.default_rng(0).normal(size=(len(labels), 16))
    return (5 * axes + noise).astype(np.float32)


NUM_USUAL = 200


def near(axis: int, number: int, *, spread: float = 0.05) -> NDArray[np.float32]:
    """Embeddings about an axis."""
    noise = np.random.default_rng(axis).normal(size=(number, 32))
    return (np.eye(32)[axis] + spread * noise).astype(np.float32)


def with_outliers(
    number: int, *, pictures: list[int] | None = None, spread: float = 0.05
) -> Evidence:
    """Photos of two classes, and then similar outliers."""
    sizes = (NUM_USUAL // 2, NUM_USUAL // 2, number)
    rows = [near(axis, size, spread=spread) for axis, size in enumerate(sizes)]
    labels = ["a"] * (NUM_USUAL // 2) + ["b"] * (NUM_USUAL // 2) + ["a"] * number
    return make_evidence(labels, embeddings=np.concatenate(rows), pictures=pictures)


def reordered(evidence: Evidence, order: NDArray[np.int64]) -> Evidence:
    photos = tuple(evidence.photos[index] for index in order)
    features = dataclasses.replace(
        evidence.features,
        catalog=dataclasses.replace(evidence.features.catalog, photos=photos),
        embeddings=evidence.features.embeddings[order],
    )
    groups = dataclasses.replace(evidence.groups, of_photo=evidence.groups.of_photo[order])
    return dataclasses.replace(evidence, features=features, groups=groups)


class TestLabelSuspects:
    def test_it_fires_on_a_photo_in_the_wrong_folder(self) -> None:
        wrong = ["sad", *LABELS[1:]]
        outcome = LABEL_SUSPECTS.run(make_evidence(wrong, embeddings=embed(LABELS)))
        assert outcome.status == "found"
        assert outcome.summary == "1 picture may be in the wrong class"
        ((item,),) = (finding.items for finding in outcome.findings)
        assert item.path == "sad/00000.jpg"
        assert item.note.startswith("labelled sad, predicted happy, 0.9")
        assert item.suggestion == "happy"

    def test_copies_are_one_finding(self) -> None:
        wrong = ["sad", "sad", "sad", *LABELS[3:]]
        truth = ["happy", "happy", "happy", *LABELS[3:]]
        pictures = [0, 0, 0, *range(1, len(LABELS) - 2)]
        evidence = make_evidence(wrong, embeddings=embed(truth), pictures=pictures)
        (finding,) = LABEL_SUSPECTS.run(evidence).findings
        assert sorted(item.path for item in finding.items) == [f"sad/0000{i}.jpg" for i in range(3)]

    def test_the_most_likely_errors_come_first(self) -> None:
        embeddings = embed(LABELS)
        embeddings[1] = (embeddings[0] + 1.1 * embeddings[1]) / 2  # between the classes
        wrong = ["sad", "happy", *LABELS[2:]]
        findings = LABEL_SUSPECTS.run(make_evidence(wrong, embeddings=embeddings)).findings
        assert findings[0].items[0].path == "sad/00000.jpg"

    def test_a_picture_in_two_classes_has_another_check(self) -> None:
        labels = ["sad", "happy", *LABELS[2:]]
        pictures = [0, 0, *range(1, len(LABELS) - 1)]
        truth = ["happy", "happy", *LABELS[2:]]
        outcome = LABEL_SUSPECTS.run(
            make_evidence(labels, embeddings=embed(truth), pictures=pictures)
        )
        assert outcome.status == "clean"

    def test_all_copies_of_a_flagged_picture_are_named(self) -> None:
        """Otherwise the suggestions would give them different labels."""
        wrong = ["sad", "sad", *LABELS[2:]]
        pictures = [0, 0, *range(1, len(LABELS) - 1)]
        evidence = make_evidence(wrong, embeddings=embed(LABELS), pictures=pictures)
        errors = evidence.label_errors
        assert errors is not None
        only_one = np.arange(len(LABELS)) == 1
        # As if it had flagged only one of the copies.
        evidence.__dict__["_label_errors"] = dataclasses.replace(errors, flagged=only_one)
        (finding,) = LABEL_SUSPECTS.run(evidence).findings
        assert {item.path for item in finding.items} == {"sad/00000.jpg", "sad/00001.jpg"}

    def test_it_does_not_apply_where_a_model_is_no_better_than_chance(self) -> None:
        labels = [["happy", "sad"][index] for index in np.random.default_rng(1).integers(0, 2, 80)]
        noise = np.random.default_rng(2).normal(size=(80, 16)).astype(np.float32)
        outcome = LABEL_SUSPECTS.run(make_evidence(labels, embeddings=noise))
        assert outcome.status == "not applicable"
        assert "a model is right on 0." in outcome.summary
        assert "always naming the largest class on 0.5" in outcome.summary

    def test_it_applies_where_one_class_has_nearly_all_photos(self) -> None:
        """Naming that class is right nearly always; that makes the model no worse than chance."""
        rng = np.random.default_rng(0)
        labels = ["common"] * 200 + ["rare"] * 10
        embeddings = rng.normal(size=(210, 16)).astype(np.float32)
        embeddings[200:, 0] += 4
        outcome = LABEL_SUSPECTS.run(make_evidence(labels, embeddings=embeddings))
        assert outcome.status in ("found", "clean")

    def test_it_stays_quiet_where_all_is_right(self) -> None:
        assert LABEL_SUSPECTS.run(make_evidence(LABELS, embeddings=embed(LABELS))).status == "clean"

    @pytest.mark.parametrize("labels", [["sad"] * 9, ["sad"] * 9 + ["happy"]])
    def test_it_does_not_apply_without_two_classes_of_five_pictures(
        self, labels: list[str]
    ) -> None:
        assert LABEL_SUSPECTS.run(make_evidence(labels)).status == "not applicable"

    def test_a_class_of_few_pictures_is_left_out_and_the_others_judged(self) -> None:
        wrong = ["sad", *LABELS[1:], *["angry"] * 4]
        embeddings = embed([*LABELS, *["happy"] * 4])
        outcome = LABEL_SUSPECTS.run(make_evidence(wrong, embeddings=embeddings))
        assert [finding.items[0].path for finding in outcome.findings] == ["sad/00000.jpg"]

    def test_a_class_called_drop_is_suggested_as_a_folder(self) -> None:
        names = {"happy": "drop", "sad": "sad"}
        wrong = [names[label] for label in ["sad", *LABELS[1:]]]
        outcome = LABEL_SUSPECTS.run(make_evidence(wrong, embeddings=embed(LABELS)))
        ((item,),) = (finding.items for finding in outcome.findings)
        assert item.suggestion == "drop/"


class TestOutliers:
    def test_it_finds_an_outlier(self) -> None:
        outcome = OUTLIERS.run(with_outliers(1))
        assert outcome.summary == "1 picture is unlike all others"
        (finding,) = outcome.findings
        assert [item.path for item in finding.items] == ["a/00200.jpg"]
        assert "median" in finding.summary

    def test_similar_outliers_are_found_too(self) -> None:
        outcome = OUTLIERS.run(with_outliers(4))
        assert outcome.summary == "4 pictures are unlike all others"
        assert {f.items[0].path for f in outcome.findings} == {
            f"a/{200 + i:05}.jpg" for i in range(4)
        }

    def test_up_to_ten_similar_outliers_are_found(self) -> None:
        outcome = OUTLIERS.run(with_outliers(10))
        paths = {item.path for finding in outcome.findings for item in finding.items}
        assert paths
        assert paths <= {f"a/{200 + i:05}.jpg" for i in range(10)}

    def test_an_outlier_and_its_copy_are_one_finding(self) -> None:
        outcome = OUTLIERS.run(with_outliers(2, pictures=[*range(NUM_USUAL), NUM_USUAL, NUM_USUAL]))
        (finding,) = outcome.findings
        assert {item.path for item in finding.items} == {"a/00200.jpg", "a/00201.jpg"}

    def test_many_copies_do_not_hide_an_outlier(self) -> None:
        pictures = [*range(NUM_USUAL), *[NUM_USUAL] * 40]
        assert len(OUTLIERS.run(with_outliers(40, pictures=pictures)).findings) == 1

    def test_it_stays_quiet_on_similar_pictures(self) -> None:
        assert OUTLIERS.run(with_outliers(0)).status == "clean"

    def test_it_stays_quiet_where_every_picture_is_unlike_all_others(self) -> None:
        embeddings = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
        assert OUTLIERS.run(make_evidence("ab" * 150, embeddings=embeddings)).status == "clean"

    def test_it_stays_quiet_on_pictures_that_are_all_the_same(self) -> None:
        embeddings = np.ones((100, 8), np.float32)
        assert OUTLIERS.run(make_evidence("ab" * 50, embeddings=embeddings)).status == "clean"

    def test_it_is_not_applicable_to_a_handful_of_pictures(self) -> None:
        outcome = OUTLIERS.run(make_evidence("ab" * 9))
        assert outcome.status == "not applicable"
        pictures = [i // 2 for i in range(38)]
        assert OUTLIERS.run(make_evidence("ab" * 19, pictures=pictures)).status == "not applicable"
        assert OUTLIERS.run(make_evidence("ab" * 10)).status != "not applicable"

    def test_no_more_than_a_few_are_named_whatever_the_distances(self) -> None:
        distances = np.concatenate([np.full(900, 0.1), np.full(100, 0.9)]).astype(np.float32)
        assert len(find_outliers(distances)) == 20

    def test_the_farthest_comes_first(self) -> None:
        distances = np.full(100, 0.1, np.float32)
        distances[[3, 7]] = 0.5, 0.8
        assert find_outliers(distances).tolist() == [7, 3]

    def test_the_least_similar_of_similar_pictures_is_no_outlier(self) -> None:
        distances = np.full(100, 0.05, np.float32)
        distances[3] = 0.25
        assert not len(find_outliers(distances))

    def test_a_picture_is_no_neighbour_of_itself(self) -> None:
        rows = np.eye(20, dtype=np.float32)
        rows[:5] = rows[0]  # the fifth neighbour counts among twenty; these have four
        assert neighbour_distances(rows, np.arange(20)).tolist() == [1.0] * 20

    def test_with_few_references_similar_outliers_do_not_hide_each_other(
        self,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(outliers, "_NUM_REFERENCES", 40)
        rows = np.concatenate([near(2, 3), near(0, 397)])
        distances = neighbour_distances(rows, np.arange(400))
        assert distances[:3].min() > 2 * distances[3:].max()

    def test_in_blocks_the_distances_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)
        whole = neighbour_distances(rows, np.arange(60))
        monkeypatch.setattr(outliers, "_MAX_PRODUCTS", 60 * 7)
        np.testing.assert_allclose(neighbour_distances(rows, np.arange(60)), whole, rtol=1e-5)

    def test_outliers_are_found_among_a_sample_of_many_pictures(
        self,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(outliers, "_NUM_REFERENCES", 60)
        outcome = OUTLIERS.run(with_outliers(2))
        assert {f.items[0].path for f in outcome.findings} == {"a/00200.jpg", "a/00201.jpg"}

    def test_outliers_do_not_depend_on_the_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outliers, "_NUM_REFERENCES", 60)
        pictures = [*range(50), *range(50), *range(50, 152)]  # the copies differ a little
        made = with_outliers(2, pictures=pictures, spread=0.1)
        shuffled = reordered(made, np.random.default_rng(1).permutation(len(made.photos)))
        first, second = (
            {item for finding in OUTLIERS.run(evidence).findings for item in finding.items}
            for evidence in (made, shuffled)
        )
        assert first == second
        assert len(first) == 2
