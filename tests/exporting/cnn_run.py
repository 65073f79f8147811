"""Runs of the recipe cnn with an untrained network: enough for an export, made in seconds."""

import numpy as np

from candid.core.safe_json import read_as
from candid.data.images import PixelContract, decode, read_file
from candid.models.recipes.cnn import build_onnx, fit_posthoc
from candid.runs.artifact import GOLDEN, MODEL, SPLIT, write_run
from candid.runs.manifest import (
    AbstentionSettings,
    CalibrationSettings,
    CnnSettings,
    DataSummary,
    PixelSettings,
)
from candid.runs.onnx_session import Model
from candid.splits.split import to_csv
from tests.manifests import make_manifest
from tests.models.recipes.test_cnn import make

SIZE_PX = 256
NUM_IMAGES = 30


def make_cnn_run(folder, *classes):
    """Write a run with random weights, calibrated and with a novelty."""
    from candid.models.recipes.cnn_keras import build_network

    catalog, split = make(folder / "data", *classes)
    network = build_network(len(classes), seed=1)
    # Biases that are not 0, as after training.
    network.set_weights([w + np.float32(0.05) * (w.ndim == 1) for w in network.get_weights()])
    contract = PixelContract(SIZE_PX)
    graph = build_onnx(network.get_weights(), size_px=SIZE_PX)
    finished = fit_posthoc(
        graph, noise_outputs(graph, contract, classes, 0), held_out(graph, contract, classes)
    )
    pixels = decode_test_part(catalog, split, contract)
    answered = Model(finished.model, classes, contract).run(pixels)

    def fill(partial):
        (partial / MODEL).write_bytes(finished.model)
        (partial / SPLIT).write_text(to_csv(split, with_content=True), encoding="utf-8")
        np.savez(
            partial / GOLDEN,
            image=pixels,
            probabilities=answered.probabilities,
            embedding=answered.embedding,
            novelty=answered.novelty,
        )
        network.save(partial / "model.keras")
        return make_manifest(
            classes,
            recipe="cnn",
            pixels=PixelSettings(SIZE_PX, "squash", contract.key),
            calibration=CalibrationSettings(finished.temperature),
            abstention=read_as(AbstentionSettings, finished.abstention.to_json(), "abstention"),
            settings=CnnSettings(1, 32, 1, "float32", 1, finished.temperature),
            data=DataSummary(str(catalog.source), "0" * 64, NUM_IMAGES, NUM_IMAGES, ()),
        )

    return write_run(folder / "run", fill)


def noise_outputs(graph, contract, classes, seed):
    """The network's outputs for noise in the colour of each class, and the labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(NUM_IMAGES, dtype=np.int64) % len(classes)
    noise = random.integers(0, 120, (NUM_IMAGES, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    noise[np.arange(NUM_IMAGES), :, :, labels % 3] += np.uint8(100)
    return Model(graph, classes, contract).run(noise), labels


def held_out(graph, contract, classes):
    outputs, labels = noise_outputs(graph, contract, classes, 1)
    return outputs, labels, np.arange(len(labels), dtype=np.int64)


def decode_test_part(catalog, split, contract):
    files = [catalog.find(row.path) for row in split.rows if row.part == "test"]
    return np.stack([decode(read_file(file), contract) for file in files])
