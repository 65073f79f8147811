"""The recipe ``finetune``: the last blocks of a backbone are trained on too, with varied views.

What comes before them is computed once for each view of a photo (`compute_views`), so an epoch
costs the last blocks only. Every figure is of photos that the tuned network has not seen: a
network is tuned for each fold (`Tuner.held_out`), as many as the time allows, then one on all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.extras import start_onnx
from candid.core.linalg import Rows
from candid.core.progress import Progress
from candid.core.temp_dir import mapped_array
from candid.core.threads import map_ahead
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, decode, read_file
from candid.features.backbones.spec import LITE2, NUM_FEATURES
from candid.features.backbones.tail import MIDDLE, Division
from candid.features.backbones.weights import Weights
from candid.models.checkpoint import Checkpoints
from candid.models.ood import fit_novelty_held_out
from candid.models.recipes.folded import FoldAnswers
from candid.models.recipes.linear_head import LinearHead, fit_head
from candid.models.recipes.views import vary
from candid.splits.grouped_split import Labelled

if TYPE_CHECKING:
    from candid.models.recipes.finetune_keras import Tail

#: Blocks before this one stay as they are: the tail is a third of the network's products.
DIVISION: Final = Division(LITE2, first_block=15)

History = tuple[dict[str, float], ...]

_SCRATCH: Final = "candid-views-"
_NUM_AHEAD: Final = 8
#: Epochs and varied views to choose from, the best first.
_LADDER: Final = ((10, 8), (6, 5), (4, 3), (3, 1))
_SHARE_OF_VIEWS: Final = 0.4  # most of the time that may go into computing views
_RESERVE: Final = 0.85  # share of the time that is planned with


class Plan(NamedTuple):
    """What a tuning of one network consists of."""

    epochs: int
    num_varied: int  # views of a photo besides itself and its mirror image


def plan(num_photos: int, *, left_s: float, view_s: float, step_s: float) -> Plan | None:
    """Choose epochs and views such that two networks at least are tuned in time.

    Args:
        num_photos: Photos to train on.
        left_s: The time left, in seconds.
        view_s: What a view of a photo takes, in seconds.
        step_s: What a photo in a step takes, in seconds.

    Returns:
        The best that the time allows; None if it allows nothing.
    """
    usable = left_s * _RESERVE
    for epochs, num_varied in _LADDER:
        views = (2 + num_varied) * num_photos * view_s
        if views <= usable * _SHARE_OF_VIEWS and views + 2 * epochs * num_photos * step_s <= usable:
            return Plan(epochs, num_varied)
    return None


class Views(NamedTuple):
    """What the backbone says of m photos.

    Attributes:
        middle: float16 ``(views, m, h, w, c)``: what its front says of each photo, its mirror image
            and varied views, in a temporary file that is mapped into memory.
        embeddings: float32 ``(m, d)``, its embeddings.
    """

    middle: NDArray[np.float16]
    embeddings: Rows


@contextmanager
def compute_views(
    catalog: Catalog,
    places: NDArray[np.int64],
    contract: PixelContract,
    weights: Weights,
    *,
    num_varied: int,
    progress: Progress,
) -> Iterator[Views]:
    """Run the backbone on photos, and its front on varied views of them.

    Args:
        catalog: The photos.
        places: int64 ``(m,)``, those to compute.
        contract: How they become pixels.
        weights: Of the backbone.
        num_varied: Views besides the photo and its mirror image; they depend on its content alone.
        progress: Progress callback.

    Raises:
        ImageError: A photo can't be decoded any more.
        UsageError: There is no space for the file.
    """
    whole = start_onnx(DIVISION.build_whole(weights), num_threads=1)
    front = start_onnx(DIVISION.build_front(weights), num_threads=1)
    shape = (2 + num_varied, len(places), *DIVISION.middle_shape)
    embeddings: list[Rows] = []
    with mapped_array(_SCRATCH, np.float16, shape) as middle:

        def compute(row: int) -> Rows:
            photo = catalog.photos[places[row]]
            pixels = decode(read_file(catalog.file(photo)), contract)
            [embedding], both = whole.run(["embedding", MIDDLE], {"image": pixels[None]})
            middle[:2, row] = both
            rng = np.random.default_rng(int(photo.content[:16], 16))
            for number in range(2, len(middle)):
                image = vary(pixels, rng)[None]
                middle[number, row] = front.run([MIDDLE], {"image": image})[0][0]
            return np.asarray(embedding, np.float32)

        with progress.step("Computing varied views", len(places)) as advance:
            for row in map_ahead(compute, range(len(places)), num_ahead=_NUM_AHEAD):
                embeddings.append(row)
                advance(1)
        yield Views(middle, np.stack(embeddings))


@dataclass(frozen=True)
class Tuner:
    """Tunes networks on some of the photos.

    Attributes:
        tail: The network.
        middle: What the front says, as in `Views`, of all photos of the data.
        data: The photos, with their frozen embeddings.
        seed: Random seed of orders and views.
        checkpoints: Where each epoch is kept.
        progress: Progress callback.
        tick: Called at each step; it may raise to end the tuning.
    """

    tail: Tail
    middle: NDArray[np.float16]
    data: Labelled
    seed: int
    checkpoints: Checkpoints
    progress: Progress
    tick: Callable[[], None]

    def tune(self, places: NDArray[np.int64], title: str) -> tuple[History, LinearHead]:
        """Tune on the photos at some places.

        Returns:
            A row per epoch, and a head on the frozen embedding.
        """
        from candid.models.recipes.finetune_keras import Shown

        shown = Shown(self.middle, places, self.data.labels[places])
        data = self.data.take(places)
        head = fit_head(data, seed=self.seed).head
        # The features that are trained: without those of the blocks before.
        own = replace(data, embeddings=data.embeddings[:][:, :NUM_FEATURES], turned=None)
        start = fit_head(own, seed=self.seed).head
        with (
            self.checkpoints.open(self._fingerprint(places), self.progress.say) as checkpoint,
            self.progress.step(title, self.tail.num_steps(len(places))) as advance,
        ):

            def count(steps: int) -> None:
                self.tick()
                advance(steps)

            history = self.tail.fit(
                shown,
                start,
                seed=self.seed,
                checkpoint=checkpoint,
                advance=count,
                say=self.progress.say,
            )
        return history, head

    def held_out(self, folds: NDArray[np.int64], fold: int) -> FoldAnswers:
        """Tune on all photos but those of a fold, and answer these."""
        others, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        _, head = self.tune(others, f"Training the last blocks, fold {fold + 1}")
        embeddings, scores = self.answer(held)
        known, _ = self.answer(others)
        detector, _ = fit_novelty_held_out(known, self.data.labels[others], embeddings)
        return FoldAnswers(
            held,
            self.data.labels[held],
            self.data.groups[held],
            head.scores(self.data.embeddings[held]),
            scores,
            embeddings,
            detector,
        )

    def answer(self, places: NDArray[np.int64]) -> tuple[Rows, Rows]:
        """Embeddings, frozen and trained ones side by side, and scores of the trained layers."""
        trained, scores = self.tail.answer(self.middle, places)
        return np.concatenate([self.data.embeddings[places], trained], axis=1), scores

    def _fingerprint(self, places: NDArray[np.int64]) -> str:
        """SHA-256 of everything that determines the weights."""
        from candid.models.recipes.cnn_keras import describe_machine

        facts = [__version__, asdict(self.tail.schedule), self.seed, describe_machine()]
        facts += [self.data.labels[places].tolist(), len(self.middle)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(self.data.embeddings[places].tobytes())
        return digest.hexdigest()
