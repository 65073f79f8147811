"""A run of the recipe ``transfer``."""

from __future__ import annotations

from candid.backbones import get
from candid.data import Prepared
from candid.evaluation.assessing import Ground, Learnt, assess
from candid.images import PixelContract
from candid.progress import Progress
from candid.recipes import transfer as recipe
from candid.split import Split
from candid.training.options import TrainOptions
from candid.training.result import Result


def train_transfer(
    prepared: Prepared, dealt: Split, options: TrainOptions, progress: Progress
) -> Result:
    """Fit a head on the train and val parts, and measure it on what it has not seen."""
    seed = options.split.seed
    ground = Ground(prepared.features, dealt, options.rule, seed)
    learn_from = dealt.places("train", "val")
    data = ground.data.take(learn_from)
    backbone = get(options.backbone)
    trained, head = recipe.train(
        backbone,
        data,
        classes=prepared.catalog.classes,
        contract=PixelContract(backbone.size_px, options.fit),
        seed=seed,
    )
    learnt = Learnt(head.temperature, head.abstention, head.raw.strength)
    tested = head.answer(prepared.features.embeddings[dealt.places("test")])
    assessed = assess(ground, tested, learnt, progress=progress)
    return Result(trained, learnt, assessed, learn_from, data.embeddings)
