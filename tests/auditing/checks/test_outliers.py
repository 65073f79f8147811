"""Pictures unlike all others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from candid.auditing.checks import labels as outliers
from candid.auditing.checks.labels import OUTLIERS as CHECK
from candid.auditing.checks.labels import neighbour_distances, stand_out
from candid.auditing.evidence import Evidence
from tests.auditing.made import make_evidence

NUM_USUAL = 200


def near(axis: int, number: int, *, spread: float = 0.05) -> NDArray[np.float32]:
    """Embeddings about an axis."""
    noise = np.random.default_rng(axis).normal(size=(number, 32))
    return (np.eye(32)[axis] + spread * noise).astype(np.float32)


def with_strays(
    number: int, *, pictures: list[int] | None = None, spread: float = 0.05
) -> Evidence:
    """Photos of two classes, and behind them strays that are alike."""
    sizes = (NUM_USUAL // 2, NUM_USUAL // 2, number)
    rows = [near(axis, size, spread=spread) for axis, size in enumerate(sizes)]
    labels = ["a"] * (NUM_USUAL // 2) + ["b"] * (NUM_USUAL // 2) + ["a"] * number
    return make_evidence(labels, embeddings=np.concatenate(rows), pictures=pictures)


def test_it_finds_a_stray() -> None:
    outcome = CHECK.run(with_strays(1))
    assert outcome.summary == "1 picture is unlike all others"
    (finding,) = outcome.findings
    assert [item.path for item in finding.items] == ["a/00200.jpg"]
    assert "is usual" in finding.summary


def test_strays_that_are_alike_are_found_too() -> None:
    outcome = CHECK.run(with_strays(4))
    assert outcome.summary == "4 pictures are unlike all others"
    assert {f.items[0].path for f in outcome.findings} == {f"a/{200 + i:05}.jpg" for i in range(4)}


def test_as_many_as_ten_that_are_alike_are_strays() -> None:
    outcome = CHECK.run(with_strays(10))
    paths = {item.path for finding in outcome.findings for item in finding.items}
    assert paths
    assert paths <= {f"a/{200 + i:05}.jpg" for i in range(10)}


def test_a_stray_and_its_copy_are_one_finding() -> None:
    outcome = CHECK.run(with_strays(2, pictures=[*range(NUM_USUAL), NUM_USUAL, NUM_USUAL]))
    (finding,) = outcome.findings
    assert {item.path for item in finding.items} == {"a/00200.jpg", "a/00201.jpg"}


def test_many_copies_do_not_hide_a_stray() -> None:
    pictures = [*range(NUM_USUAL), *[NUM_USUAL] * 40]
    assert len(CHECK.run(with_strays(40, pictures=pictures)).findings) == 1


def test_it_stays_quiet_on_look_alikes() -> None:
    assert CHECK.run(with_strays(0)).status == "clean"


def test_it_stays_quiet_where_every_picture_is_unlike_all_others() -> None:
    embeddings = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    assert CHECK.run(make_evidence("ab" * 150, embeddings=embeddings)).status == "clean"


def test_it_stays_quiet_on_pictures_that_are_all_the_same() -> None:
    embeddings = np.ones((100, 8), np.float32)
    assert CHECK.run(make_evidence("ab" * 50, embeddings=embeddings)).status == "clean"


def test_it_is_not_applicable_to_a_handful_of_pictures() -> None:
    outcome = CHECK.run(make_evidence("ab" * 9))
    assert outcome.status == "not applicable"
    pictures = [i // 2 for i in range(38)]
    assert CHECK.run(make_evidence("ab" * 19, pictures=pictures)).status == "not applicable"
    assert CHECK.run(make_evidence("ab" * 10)).status != "not applicable"


def test_no_more_than_a_few_are_named_whatever_the_distances() -> None:
    distances = np.concatenate([np.full(900, 0.1), np.full(100, 0.9)]).astype(np.float32)
    assert len(stand_out(distances)) == 20


def test_the_farthest_comes_first() -> None:
    distances = np.full(100, 0.1, np.float32)
    distances[[3, 7]] = 0.5, 0.8
    assert stand_out(distances).tolist() == [7, 3]


def test_the_least_alike_of_look_alikes_do_not_stand_out() -> None:
    distances = np.full(100, 0.05, np.float32)
    distances[3] = 0.25
    assert not len(stand_out(distances))


def test_a_picture_is_no_neighbour_of_itself() -> None:
    rows = np.eye(20, dtype=np.float32)
    rows[:5] = rows[0]  # the fifth neighbour counts among twenty; these have four
    assert neighbour_distances(rows, np.arange(20)).tolist() == [1.0] * 20


def test_of_few_references_strays_that_are_alike_do_not_hide_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outliers, "_MOST_REFERENCES", 40)
    rows = np.concatenate([near(2, 3), near(0, 397)])
    distances = neighbour_distances(rows, np.arange(400))
    assert distances[:3].min() > 2 * distances[3:].max()


def test_in_blocks_the_distances_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)
    whole = neighbour_distances(rows, np.arange(60))
    monkeypatch.setattr(outliers, "_MAX_PRODUCTS", 60 * 7)
    np.testing.assert_allclose(neighbour_distances(rows, np.arange(60)), whole, rtol=1e-5)


def test_among_some_of_very_many_pictures_strays_are_found_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outliers, "_MOST_REFERENCES", 60)
    outcome = CHECK.run(with_strays(2))
    assert {f.items[0].path for f in outcome.findings} == {"a/00200.jpg", "a/00201.jpg"}


def test_what_is_found_does_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "_MOST_REFERENCES", 60)
    pictures = [*range(50), *range(50), *range(50, 152)]  # the copies differ a little
    made = with_strays(2, pictures=pictures, spread=0.1)
    shuffled = reordered(made, np.random.default_rng(1).permutation(len(made.photos)))
    first, second = (
        {item for finding in CHECK.run(evidence).findings for item in finding.items}
        for evidence in (made, shuffled)
    )
    assert first == second
    assert len(first) == 2


def reordered(evidence: Evidence, order: NDArray[np.int64]) -> Evidence:
    photos = tuple(evidence.photos[place] for place in order)
    features = dataclasses.replace(
        evidence.features,
        catalog=dataclasses.replace(evidence.features.catalog, photos=photos),
        embeddings=evidence.features.embeddings[order],
    )
    groups = dataclasses.replace(evidence.groups, of_photo=evidence.groups.of_photo[order])
    return dataclasses.replace(evidence, features=features, groups=groups)
