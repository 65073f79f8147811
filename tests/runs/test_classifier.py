"""The classifier: forms of input, decoded pixels, predictions, unreadable input, loading."""

from __future__ import annotations

import io
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from candid.cli.demo import SampleSet
from candid.core import threads
from candid.core.threads import num_cores
from candid.data.images import PixelContract, Reading, decode
from candid.errors import ArtifactError, UsageError
from candid.models.decision_rule import DecisionRule
from candid.runs.classifier import Classifier, load
from candid.runs.onnx_session import Model, Outputs
from candid.training import Run
from tests.manifests import change, forge


@pytest.fixture(scope="module")
def classifier(trained: Run) -> Classifier:
    return load(trained.folder)


@pytest.fixture(scope="module")
def photos(faces: SampleSet) -> list[Path]:
    return sorted(faces.folder.glob("*/face-*.*"))[:20]


def png(faces: SampleSet) -> Path:
    return next(iter(sorted(faces.folder.glob("*/face-*.png"))))


class TestForms:
    def test_path_bytes_and_array_have_the_same_probability(
        self, classifier: Classifier, faces: SampleSet
    ) -> None:
        path = png(faces)
        with Image.open(path) as image:
            array = np.asarray(image.convert("RGB"))
        answers = classifier.predict([path, str(path), path.read_bytes(), array])
        # resized once: files according to the contract, arrays directly
        assert np.ptp([answer.probability for answer in answers]) < 1e-5
        assert [answer.source for answer in answers] == [str(path), str(path), "", ""]

    def test_what_frameworks_and_notebooks_hand_over_has_the_answer_of_the_file(
        self, classifier: Classifier, faces: SampleSet
    ) -> None:
        path = png(faces)
        data = path.read_bytes()
        expected = classifier.predict(path)
        with path.open("rb") as file, Image.open(path) as image:
            given = [data, bytearray(data), memoryview(data), io.BytesIO(data), file, image]
            answers = [classifier.predict(one) for one in given]
            assert classifier.predict(given) == answers
        assert answers == [replace(expected, source=answer.source) for answer in answers]
        assert [answer.source for answer in answers] == [""] * 4 + [str(path)] * 2
        grey = np.asarray(Image.open(path).convert("L"))
        alike = classifier.predict([grey, grey[..., None], np.dstack([grey] * 3)])
        assert alike[0] == alike[1] == alike[2]

    def test_a_folder_gives_an_answer_for_each_file(
        self, classifier: Classifier, photos: list[Path], tmp_path: Path
    ) -> None:
        copies = [Path(shutil.copy(photo, tmp_path)) for photo in photos[:3]]
        assert classifier.predict(tmp_path) == classifier.predict(sorted(copies))
        assert classifier.predict([tmp_path])[0].reason == "is a folder; expected an image file"

    def test_a_prediction_has_a_thumbnail_of_the_shape_of_the_photo(
        self, classifier: Classifier
    ) -> None:
        for shape, size in (((300, 600), (128, 64)), ((2000, 1), (1, 128)), ((9, 9), (128, 128))):
            answer = classifier.predict(np.full((*shape, 3), 200, np.uint8))
            with Image.open(io.BytesIO(answer.thumbnail)) as thumbnail:
                assert (thumbnail.format, thumbnail.size) == ("JPEG", size)
        cropping = classifier._with(contract=replace(classifier.contract, fit="crop"))
        with Image.open(
            io.BytesIO(cropping.predict(np.zeros((9, 99, 3), np.uint8)).thumbnail)
        ) as t:
            assert t.size == (128, 128)

    def test_an_array_of_the_contract_is_taken_as_it_is(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        for photo in photos[:5]:
            pixels = decode(photo.read_bytes(), classifier.contract)
            expected = classifier.predict(photo).probability
            assert classifier.predict(pixels).probability == pytest.approx(expected, abs=1e-6)

    def test_one_gives_one_and_a_list_gives_a_list(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        alone = [classifier.predict(photo) for photo in photos]
        together = classifier.predict(list(photos))
        assert [p.source for p in together] == [str(photo) for photo in photos]
        np.testing.assert_allclose(
            [p.probability or 0 for p in together], [p.probability or 0 for p in alone], atol=1e-5
        )
        assert classifier.predict(()) == []

    def test_the_order_of_the_colours_matters(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        """The tutorial's trap: OpenCV's BGR given to a model of RGB."""
        pixels = [decode(photo.read_bytes(), classifier.contract) for photo in photos]
        right = classifier.predict(list(pixels))
        wrong = classifier.predict([picture[..., ::-1] for picture in pixels])
        differences = [
            abs((a.probability or 0) - (b.probability or 0))
            for a, b in zip(right, wrong, strict=True)
        ]
        assert max(differences) > 0.05

    def test_a_stream_takes_a_few_ahead(self, classifier: Classifier, photos: list[Path]) -> None:
        taken: list[Path] = []

        def endless() -> object:
            while True:
                taken.append(photos[len(taken) % len(photos)])
                yield taken[-1]

        stream = classifier.stream(endless())  # type: ignore[arg-type]
        first = [next(stream) for _ in range(20)]
        assert len(first) == 20
        assert len(taken) <= 20 + 4 * num_cores()
        stream.close()  # type: ignore[attr-defined]

    def test_a_stream_decodes_while_the_model_runs(
        self, classifier: Classifier, photos: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The model waits until two threads run it at the same time."""
        both = threading.Barrier(2)
        usual = Model.run

        def run(model: Model, pixels: np.ndarray, **options: bool) -> Outputs:
            both.wait(20)
            return usual(model, pixels, **options)

        expected = classifier.predict(list(photos[:8]))
        monkeypatch.setattr(threads, "num_cores", lambda: 2)
        monkeypatch.setattr(Model, "run", run)
        assert list(classifier.stream(photos[:8])) == expected

    def test_a_stream_answers_before_its_source_ends(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        done: list[Path] = []

        def sources() -> Iterator[Path]:
            yield from photos
            done.extend(photos)

        stream = classifier.stream(sources())
        assert next(stream).source == str(photos[0])
        assert num_cores() > 6 or not done
        assert [p.source for p in stream] == [str(photo) for photo in photos[1:]]

    def test_one_that_cant_be_read_keeps_its_place_among_others(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        good = photos[0]
        found = classifier.predict([good, b"", good, b"x", good, good, b""])
        assert [p.label is None for p in found] == [False, True, False, True, False, False, True]
        assert found[1].reason == "empty file"


class TestPixels:
    def pixels(self, classifier: Classifier, photos: list[Path]) -> np.ndarray:
        return np.stack([decode(photo.read_bytes(), classifier.contract) for photo in photos])

    def test_they_have_the_answers_of_their_files(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        answers = classifier.predict_pixels(self.pixels(classifier, photos))
        expected = classifier.predict(list(photos))
        assert answers == [replace(answer, source="") for answer in expected]
        assert classifier.predict_pixels(self.pixels(classifier, photos[:1])[:0]) == []

    def test_the_answers_of_one_thread_are_those_of_all(
        self, classifier: Classifier, trained: Run, photos: list[Path]
    ) -> None:
        pixels = self.pixels(classifier, photos[:4])
        alone = load(trained.folder, num_threads=1)
        assert alone.predict_pixels(pixels) == classifier.predict_pixels(pixels)

    def test_they_are_explained_when_asked(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        pixels = self.pixels(classifier, photos[:1])
        explained = classifier.predict_pixels(pixels, explain=True)[0].explanation
        assert explained is not None
        assert explained.similar
        assert classifier.predict_pixels(pixels)[0].explanation is None

    @pytest.mark.parametrize(
        ("shape", "dtype"),
        [((1, 8, 8, 3), np.uint8), ((260, 260, 3), np.uint8), ((1, 224, 224, 3), np.float32)],
    )
    def test_what_does_not_fit_is_refused(
        self, classifier: Classifier, shape: tuple[int, ...], dtype: type
    ) -> None:
        with pytest.raises(UsageError, match=r"uint8 \(n, 224, 224, 3\).*Received"):
            classifier.predict_pixels(np.zeros(shape, dtype))


class TestAnswers:
    def test_the_probability_is_that_of_the_label(
        self, classifier: Classifier, faces: SampleSet
    ) -> None:
        assert classifier.classes == ("happy", "sad")
        photos = sorted(faces.folder.glob("*/face-*.*"))[::5]
        predictions = classifier.predict(list(photos))
        assert {p.label for p in predictions} == {"happy", "sad"}
        for p in predictions:
            assert p.label is not None
            assert p.probability == p.probabilities[p.label] >= 0.5
            assert p.positive_probability == p.probabilities["sad"]
            assert p.label == ("sad" if p.positive_probability > 0.5 else "happy")
            assert sum(p.probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert p.reason is None

    @pytest.mark.parametrize("dear", [("sad", "happy"), ("happy", "sad")])
    def test_the_probability_is_that_of_a_label_that_costs_chose(
        self, classifier: Classifier, photos: list[Path], dear: tuple[str, str]
    ) -> None:
        costly = classifier.with_rule(DecisionRule(costs={dear: 1e9}))
        for p in costly.predict(list(photos)):
            assert p.label == dear[0]
            assert p.probability == p.probabilities[dear[0]]
            assert p.positive_probability == p.probabilities["sad"]

    def test_most_of_what_it_was_trained_on_is_known(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        right = [p.label == Path(p.source).parent.name for p in classifier.predict(list(photos))]
        assert np.mean(right) > 0.8

    def test_a_threshold_moves_the_label_and_nothing_else(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        probability = classifier.predict(photos[0]).positive_probability
        assert probability is not None
        below = classifier.with_threshold(np.nextafter(probability, 0)).predict(photos[0])
        at = classifier.with_threshold(probability).predict(photos[0])
        assert (below.label, at.label) == ("sad", "happy")
        assert below.positive_probability == pytest.approx(probability)
        assert at.positive_probability == pytest.approx(probability)
        assert below.probability == below.positive_probability
        assert at.probability == at.probabilities["happy"]
        assert classifier.threshold == 0.5

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
    def test_a_threshold_is_a_probability(self, classifier: Classifier, threshold: float) -> None:
        with pytest.raises(UsageError, match="from 0 to 1"):
            classifier.with_threshold(threshold)

    def test_the_embedding_comes_with_it(self, classifier: Classifier) -> None:
        outputs = classifier.model.run(np.zeros((3, 224, 224, 3), np.uint8))
        assert outputs.probabilities.shape == (3, 2)
        assert outputs.embedding.shape == (3, 1584)


class TestWhatCanNotBeRead:
    def test_has_a_reason_and_its_neighbours_have_a_label(
        self, classifier: Classifier, faces: SampleSet, photos: list[Path], tmp_path: Path
    ) -> None:
        odd = [
            faces.folder / "happy" / "IMG_2041.jpg",
            faces.folder / "sad" / "IMG_2043.jpg",
            tmp_path / "absent.jpg",
            tmp_path,
            b"",
            b"not a picture",
        ]
        answers = classifier.predict([photos[0], *odd, photos[1]])
        assert [a.label is None for a in answers] == [False, *[True] * 6, False]
        for answer in answers[1:-1]:
            assert answer.reason
            assert "\n" not in answer.reason
            assert answer.probability is answer.positive_probability is None
            assert answer.probabilities == {}
            assert answer.verdict == answer.answer == "unreadable"
        assert [a.reason for a in answers[3:6]] == [
            "no such file",
            "is a folder; expected an image file",
            "empty file",
        ]

    def test_alone_needs_no_model_run(self, classifier: Classifier, tmp_path: Path) -> None:
        assert classifier.predict([tmp_path / "absent.jpg"] * 40)[-1].reason == "no such file"

    @pytest.mark.parametrize(
        "given", [{"image": "a.jpg"}, None, np.zeros((9, 9, 3)), [None]], ids=str
    )
    def test_what_is_no_picture_at_all_is_a_mistake_of_the_caller(
        self, classifier: Classifier, given: object
    ) -> None:
        with pytest.raises(UsageError, match=r"uint8 \(h, w\), \(h, w, 1\) or \(h, w, 3\) in RGB"):
            classifier.predict(given)  # type: ignore[call-overload]


class TestLoading:
    def test_gives_what_training_gave(self, classifier: Classifier, trained: Run) -> None:
        assert classifier.classes == trained.classifier.classes
        assert classifier.contract == PixelContract(224, "squash")
        assert classifier.require_manifest().recipe == "transfer"

    def test_a_copy_elsewhere_answers_the_same(
        self, classifier: Classifier, copied_run: Path, photos: list[Path]
    ) -> None:
        assert load(copied_run).predict(photos[0]) == classifier.predict(photos[0])

    def test_the_threshold_is_the_runs(self, copied_run: Path, photos: list[Path]) -> None:
        change(copied_run, rule={"threshold": 0.0, "costs": []})
        assert load(copied_run).predict(photos[0]).label == "sad"

    def test_a_flipped_byte_in_the_model_is_noticed(self, copied_run: Path) -> None:
        content = bytearray((copied_run / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (copied_run / "model.onnx").write_bytes(content)
        with pytest.raises(ArtifactError, match="not as it was written"):
            load(copied_run)

    @pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 100])
    def test_a_model_that_is_none_is_refused_in_a_line(
        self, copied_run: Path, content: bytes
    ) -> None:
        forge(copied_run, "model.onnx", content)
        with pytest.raises(ArtifactError, match=r"model\.onnx does not load") as caught:
            load(copied_run)
        assert "\n" not in str(caught.value)

    def test_a_model_of_other_classes_is_refused(self, copied_run: Path) -> None:
        change(copied_run, classes=["a", "b", "c"], abstention=None)
        with pytest.raises(ArtifactError, match="does not return 3 probabilities"):
            load(copied_run)

    def test_a_model_of_another_size_is_refused(self, copied_run: Path) -> None:
        change(copied_run, pixels={"size_px": 100, "fit": "squash"})
        with pytest.raises(ArtifactError, match="does not take images of 100×100"):
            load(copied_run)

    @pytest.mark.parametrize(
        "changes",
        [
            {"pixels": None},
            {"pixels": {"size_px": 224}},
            {"pixels": {"size_px": "large", "fit": "squash"}},
            {"pixels": {"size_px": 224, "fit": "stretch"}},
            {"pixels": {"size_px": -1, "fit": "squash"}},
            {"classes": None},
            {"rule": {"threshold": "high", "costs": []}},
            {"rule": {"threshold": 0.5, "costs": [{"true": "x", "predicted": "sad", "cost": 2}]}},
            {"rule": None},
            {"abstention": {}},
            {"abstention": {"coverage": 0.9}},
        ],
        ids=str,
    )
    def test_an_incomplete_manifest_is_refused(
        self, copied_run: Path, changes: dict[str, object]
    ) -> None:
        change(copied_run, **changes)
        with pytest.raises(ArtifactError, match="incomplete"):
            load(copied_run)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="there is no run at"):
            load(tmp_path / "absent")


class TestCopies:
    def changed(self, classifier: Classifier) -> Classifier:
        return classifier.with_threshold(0.9).with_coverage(0.99).with_reading(Reading(page=2))

    @pytest.mark.parametrize("copy", [deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
    def test_answer_the_same_with_what_was_changed(
        self, classifier: Classifier, photos: list[Path], copy: Callable[[object], Classifier]
    ) -> None:
        for one in (classifier, self.changed(classifier)):
            other = copy(one)
            assert (other.rule, other.contract) == (one.rule, one.contract)
            assert other.predict(list(photos[:3])) == one.predict(list(photos[:3]))
        assert copy(self.changed(classifier)).threshold == 0.9

    def test_are_made_in_the_processes_of_a_pool(
        self, classifier: Classifier, photos: list[Path]
    ) -> None:
        alone = load(classifier.run_folder or "", num_threads=1)
        with get_context("spawn").Pool(1) as pool:
            answers = pool.map(alone.predict, [*photos[:2], photos[0].read_bytes()], chunksize=1)
        assert answers[:2] == alone.predict(list(photos[:2]))
        assert answers[2].probabilities == answers[0].probabilities

    def test_are_of_the_run_that_a_link_led_to(
        self, copied_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "latest").symlink_to(copied_run)
        monkeypatch.chdir(tmp_path)
        pickled = pickle.dumps(load("latest"))
        (tmp_path / "latest").unlink()
        monkeypatch.chdir("/")
        assert pickle.loads(pickled).run_folder == copied_run.resolve()

    def test_need_the_run_at_its_place(self, copied_run: Path, tmp_path: Path) -> None:
        one = load(copied_run)
        pickled = pickle.dumps(one)
        pickle.loads(pickled)
        copied_run.rename(tmp_path / "moved")
        for copy in (lambda: pickle.loads(pickled), lambda: deepcopy(one)):
            with pytest.raises(ArtifactError, match="the run of this classifier is gone") as caught:
                copy()
            assert "\n" not in str(caught.value)

    def test_are_not_of_another_run_at_that_place(self, copied_run: Path) -> None:
        pickled = pickle.dumps(load(copied_run))
        model = onnx.load(copied_run / "model.onnx")
        model.doc_string = "another"
        forge(copied_run, "model.onnx", model.SerializeToString())
        with pytest.raises(ArtifactError, match="another run is at"):
            pickle.loads(pickled)

    def test_are_not_made_of_a_model_without_a_run(self, trained: Run) -> None:
        model = (trained.folder / "model.onnx").read_bytes()
        one = Classifier(model, ("happy", "sad"), PixelContract(224, "squash"))
        with pytest.raises(UsageError, match=r"not from a run; use `candid\.load`"):
            pickle.dumps(one)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


class TestTheGoldenAnswers:
    def test_are_given_again(self, classifier: Classifier, trained: Run) -> None:
        classifier.check_golden(trained.folder / "golden.npz")

    def test_a_model_that_answers_otherwise_is_noticed(
        self, classifier: Classifier, trained: Run, tmp_path: Path
    ) -> None:
        with np.load(trained.folder / "golden.npz") as golden:
            image, expected = golden["image"], golden["probabilities"]
        for by, fine in ((5e-4, True), (2e-3, False), (np.nan, False)):
            file = tmp_path / f"golden-{by}.npz"
            np.savez(file, image=image, probabilities=expected + np.float32(by))
            if fine:
                classifier.check_golden(file)
            else:
                with pytest.raises(ArtifactError, match="differ from the stored"):
                    classifier.check_golden(file)

    def test_hold_no_pickle(self, trained: Run) -> None:
        with np.load(trained.folder / "golden.npz", allow_pickle=False) as golden:
            assert {"image", "probabilities", "embedding"} <= set(golden.files)
            assert golden["image"].dtype == np.uint8

    def test_are_never_unpickled(self, classifier: Classifier, tmp_path: Path) -> None:
        payload = np.array([Payload(tmp_path / "executed")], object)
        np.savez(tmp_path / "golden.npz", image=payload, probabilities=payload)
        (tmp_path / "executed").unlink(missing_ok=True)
        with pytest.raises(ArtifactError, match="can't be read"):
            classifier.check_golden(tmp_path / "golden.npz")
        assert not (tmp_path / "executed").exists()

    def test_that_can_not_be_read_are_an_error_in_words(
        self, classifier: Classifier, trained: Run, tmp_path: Path
    ) -> None:
        good = (trained.folder / "golden.npz").read_bytes()
        pickled = io.BytesIO()
        np.savez(pickled, image=np.array([{}], object), probabilities=np.zeros((1, 2)))
        small = io.BytesIO()
        np.savez(small, image=np.zeros((1, 3, 3, 3), np.uint8), probabilities=np.zeros((1, 2)))
        file = tmp_path / "golden.npz"
        for content in (b"", b"PK\x03\x04", good[:9999], pickled.getvalue(), small.getvalue()):
            file.write_bytes(content)
            with pytest.raises(ArtifactError, match="can't be read") as caught:
                classifier.check_golden(file)
            assert "\n" not in str(caught.value)
        shutil.rmtree(tmp_path)
        with pytest.raises(ArtifactError, match="can't be read"):
            classifier.check_golden(file)
