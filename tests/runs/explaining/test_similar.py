"""The photos that are found are the most similar ones, of different pictures, and can be kept."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.cli.demo.injected_defects import draw_picture
from candid.data.images.contract import fit_square
from candid.errors import ArtifactError, UsageError
from candid.runs.explaining import Neighbours, fit_neighbours
from tests.damage import damage


@pytest.fixture(scope="module")
def seen_faces(embedder: Any) -> np.ndarray:
    """Embeddings of 120 drawn faces, float32 ``(120, 1584)``."""
    faces = [draw_picture((7, number), "happy") for number in range(120)]
    return np.asarray(embedder.embed(np.stack([fit_square(f, 224, "squash") for f in faces])))


def names(num_photos: int) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(num_photos)]


def draw_embeddings(num_photos: int, num_features: int = 40, *, seed: int = 0) -> np.ndarray:
    """Embeddings as networks make them: not negative, and varying far more along some axes."""
    random = np.random.default_rng(seed)
    spread = 2.0 ** -np.arange(num_features)[:, None] * 0.5 + 0.05
    rows = random.normal(size=(num_photos, num_features)) @ (
        spread * random.normal(size=(num_features, num_features))
    )
    return np.maximum(rows + 0.4, 0).astype(np.float32)


def cosines(queries: np.ndarray, rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Exact, of all features, less the mean of ``rows``."""
    lengths = [np.linalg.norm(each - mean, axis=1, keepdims=True) for each in (queries, rows)]
    return ((queries - mean) / lengths[0]) @ ((rows - mean) / lengths[1]).T


def found(neighbours: Neighbours, queries: np.ndarray, *, count: int = 3) -> list[list[str]]:
    return [[each.content for each in row] for row in neighbours.search(queries, count=count)]


def test_the_three_with_the_largest_cosine_are_found_the_nearest_first() -> None:
    rows, queries = draw_embeddings(300), draw_embeddings(50, seed=1)
    contents = names(300)
    exact = cosines(queries, rows, rows.mean(axis=0))
    answers = fit_neighbours(rows, contents).search(queries)
    for answer, row in zip(answers, exact, strict=True):
        nearest = np.argsort(-row)[:3]
        assert [each.content for each in answer] == [contents[place] for place in nearest]
        expected = np.clip(row[nearest], 0, 1)
        np.testing.assert_allclose([n.similarity for n in answer], expected, atol=2e-3)


def test_the_same_pixels_are_as_similar_as_can_be_and_their_opposite_not_at_all() -> None:
    rows = draw_embeddings(100)
    neighbours = fit_neighbours(rows, names(100))
    for place, (nearest,) in enumerate(neighbours.search(rows, count=1)):
        assert nearest.content == names(100)[place]
        assert nearest.similarity == pytest.approx(1, abs=1e-3)
    alone = fit_neighbours(rows[:2], names(2))  # two photos lie on opposite sides of their mean
    assert [each.similarity for each in alone.search(rows[:1])[0]] == [
        pytest.approx(1, abs=1e-3),
        0,
    ]


def test_three_different_pictures_are_shown_each_by_its_best_photo() -> None:
    rows = draw_embeddings(60)
    random = np.random.default_rng(0)
    copies = np.concatenate([rows + random.normal(0, 0.01, rows.shape) for _ in range(4)])
    embeddings = copies.astype(np.float32)
    groups = np.tile(random.permutation(60) * 7, 4)
    shuffled = random.permutation(240)
    contents = names(240)
    neighbours = fit_neighbours(
        embeddings[shuffled], [contents[place] for place in shuffled], groups[shuffled]
    )
    exact = cosines(rows, embeddings, embeddings.mean(axis=0))
    for place, answer in enumerate(neighbours.search(rows)):
        places = [contents.index(each.content) for each in answer]
        assert len(set(groups[places])) == 3
        assert groups[places[0]] == groups[place]
        for each in places:
            same = groups == groups[each]
            assert exact[place, each] >= exact[place, same].max() - 2e-3


def test_photos_of_the_same_bytes_are_one_picture() -> None:
    rows = np.repeat(draw_embeddings(10), 3, axis=0)
    contents = [name for name in names(10) for _ in range(3)]
    (answer,) = found(fit_neighbours(rows, contents), rows[:1], count=9)
    assert len(answer) == len(set(answer)) == 9


def test_fewer_pictures_than_asked_for_are_all_of_them() -> None:
    neighbours = fit_neighbours(draw_embeddings(5), names(5), np.array([0, 0, 1, 1, 1]))
    assert [len(row) for row in found(neighbours, draw_embeddings(2, seed=1))] == [2, 2]


@pytest.mark.parametrize("num_photos", [1, 4])
def test_photos_that_are_all_alike_are_found_without_a_similarity(num_photos: int) -> None:
    rows = np.full((num_photos, 8), 0.5, np.float32)
    (answer,) = fit_neighbours(rows, names(num_photos)).search(rows[:1], count=1)
    assert answer[0].similarity == 0


def test_among_many_pictures_those_chosen_roughly_hold_the_most_similar_ones() -> None:
    rows, queries = draw_embeddings(6000, 200), draw_embeddings(100, 200, seed=0)
    queries = (queries + draw_embeddings(100, 200, seed=1)) / 2
    contents = names(6000)
    answers = found(fit_neighbours(rows, contents, np.arange(6000) // 2), queries)
    exact = cosines(queries, rows, rows.mean(axis=0))
    best = exact.max(axis=1)
    shown = [contents.index(answer[0]) for answer in answers]
    agree = np.mean(exact[np.arange(100), shown] >= best - 1e-3)
    assert agree > 0.97


def test_more_photos_are_kept_with_fewer_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candid.runs.explaining.similar._MOST_VALUES", 20_000)
    sizes = [
        fit_neighbours(draw_embeddings(n, 300), names(n)).rows.shape for n in (60, 200, 300, 400)
    ]
    assert sizes == [(60, 59), (200, 100), (300, 66), (400, 64)]


@pytest.mark.parametrize(("most_axes", "least_agreement"), [(256, 0.9), (64, 0.75)])
def test_what_is_found_among_drawn_faces_is_as_similar_by_all_that_the_real_network_saw(
    seen_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch, most_axes: int, least_agreement: float
) -> None:
    monkeypatch.setattr("candid.runs.explaining.similar._MOST_AXES", most_axes)
    rows, queries, contents = seen_faces[:90], seen_faces[90:], names(90)
    answers = found(fit_neighbours(rows, contents), queries)
    exact = cosines(queries, rows, rows.mean(axis=0))
    shown = np.array([[contents.index(name) for name in answer] for answer in answers])
    best = np.argsort(-exact, axis=1)[:, :3]
    lost = np.take_along_axis(exact, best, 1) - np.take_along_axis(exact, shown, 1)
    assert lost.mean() < 0.01
    agree = [len(set(a) & set(b)) / 3 for a, b in zip(shown, best, strict=True)]
    assert np.mean(agree) > least_agreement


class TestTheFile:
    @pytest.fixture
    def neighbours(self) -> Neighbours:
        return fit_neighbours(draw_embeddings(30), names(30), np.arange(30) // 2)

    def test_what_is_read_finds_what_was_written(self, neighbours: Neighbours) -> None:
        read = Neighbours.from_bytes(neighbours.to_bytes())
        queries = draw_embeddings(10, seed=1)
        assert read.search(queries) == neighbours.search(queries)
        assert read.to_bytes() == neighbours.to_bytes()

    def test_the_same_photos_give_the_same_bytes(self, neighbours: Neighbours) -> None:
        again = fit_neighbours(draw_embeddings(30), names(30), np.arange(30) // 2)
        assert again.to_bytes() == neighbours.to_bytes()

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("mean", np.zeros(40), "mean is float64"),
            ("mean", np.full(40, np.nan, np.float32), "mean is not finite"),
            ("axes", np.zeros((40, 0), np.float16), "axes is float16 (40, 0)"),
            ("axes", np.zeros((39, 29), np.float16), "don't fit each other"),
            ("axes", np.full((40, 29), np.inf, np.float16), "axes is not finite"),
            ("rows", np.zeros(30, np.float16), "rows is float16 (30,)"),
            ("rows", np.zeros((30, 28), np.float16), "don't fit each other"),
            ("contents", np.zeros((30, 31), np.uint8), "don't fit each other"),
            ("contents", np.array([["a" * 64]]), "contents is <U64"),
            ("contents", np.array([{}]), "Object arrays cannot be loaded"),
            ("firsts", np.arange(1, 16), "firsts is out of"),
            ("firsts", np.array([0, 2, 2]), "firsts is out of"),
            ("firsts", np.array([0, 30]), "firsts is out of"),
            ("firsts", None, "firsts"),
        ],
    )
    def test_what_was_not_written_so_is_refused(
        self, neighbours: Neighbours, name: str, value: np.ndarray | None, says: str
    ) -> None:
        arrays: dict[str, Any] = {
            field: getattr(neighbours, field)
            for field in ("mean", "axes", "rows", "contents", "firsts")
        }
        arrays |= {name: value}
        file = io.BytesIO()
        np.savez(file, **{key: array for key, array in arrays.items() if array is not None})
        with pytest.raises(ArtifactError) as caught:
            Neighbours.from_bytes(file.getvalue())
        assert says in str(caught.value)
        assert "train again" in str(caught.value)

    @given(st.data())
    def test_damaged_bytes_are_refused_or_harmless(self, data: st.DataObject) -> None:
        whole = fit_neighbours(draw_embeddings(6, 5), names(6)).to_bytes()
        try:
            read = Neighbours.from_bytes(damage(data, {"similar": whole}))
        except ArtifactError:
            return
        assert len(found(read, np.ones((1, len(read.mean)), np.float32))) == 1


@pytest.mark.parametrize(
    ("num_embeddings", "contents", "num_groups"),
    [(3, names(2), 3), (3, names(3), 2), (0, [], 0), (2, ["a" * 64, "A" * 64], 2)],
)
def test_photos_that_do_not_fit_together_are_refused(
    num_embeddings: int, contents: list[str], num_groups: int
) -> None:
    with pytest.raises(UsageError, match=r"Received: "):
        fit_neighbours(np.zeros((num_embeddings, 4), np.float32), contents, np.arange(num_groups))


def test_embeddings_of_another_network_are_refused() -> None:
    neighbours = fit_neighbours(draw_embeddings(5), names(5))
    with pytest.raises(UsageError, match=r"expected as \(m, 40\).* Received: \(1, 39\)"):
        neighbours.search(np.zeros((1, 39), np.float32))
