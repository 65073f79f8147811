"""The well-known tutorial on classifying happy and sad photos, as a script to measure against.

Our own writing of what its README describes, with what it does wrong left in, on purpose: it is
the other side of Candid's benchmarks. Where each step comes from is in benchmarks/README.md.

    python benchmarks/tutorial.py train DATA MODEL.keras [--epochs 20] [--seed 0]
    python benchmarks/tutorial.py predict MODEL.keras PHOTO

Each command is measured as a whole process; its last line on stdout is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The notebook imports everything in its first cell, and labelling one photo pays for it as well.
STARTED_AT = time.perf_counter()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402

IMPORTED_AT = time.perf_counter()
SIZE_PX = 256


def load_parts(folder: Path) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """Load the photos and cut them into 70 / 20 / 10 % of the batches.

    The loader shuffles anew at every pass, so each pass cuts other images off, and the parts
    exchange images from epoch to epoch. That is the tutorial's leak, and is kept.
    """
    photos = tf.keras.utils.image_dataset_from_directory(folder)
    scaled = photos.map(lambda pixels, label: (pixels / 255, label))
    num_batches = len(scaled)
    num_train, num_validation = int(num_batches * 0.7), int(num_batches * 0.2)
    if not num_validation:
        sys.exit(f"The tutorial's cut needs 5 batches of 32, so 129 photos. {folder} has fewer.")
    # The test part takes what is left: 1 batch of the 10 that 305 photos make, of 17 photos.
    return (
        scaled.take(num_train),
        scaled.skip(num_train).take(num_validation),
        scaled.skip(num_train + num_validation),
    )


def build_model() -> tf.keras.Model:
    """Build the network of 3,696,625 parameters."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((SIZE_PX, SIZE_PX, 3)),
            layers.Conv2D(16, (3, 3), activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, (3, 3), activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", loss=tf.keras.losses.BinaryCrossentropy(), metrics=["accuracy"])
    return model


def evaluate(model: tf.keras.Model, test: tf.data.Dataset) -> dict[str, float]:
    """Measure precision, recall and accuracy on the test batches, as drawn this time."""
    metrics = {
        "precision": tf.keras.metrics.Precision(),
        "recall": tf.keras.metrics.Recall(),
        "binary_accuracy": tf.keras.metrics.BinaryAccuracy(),
    }
    num_images = 0
    for pixels, labels in test.as_numpy_iterator():
        probabilities = model.predict(pixels, verbose=0)
        num_images += len(labels)
        for metric in metrics.values():
            metric.update_state(labels[:, None], probabilities)
    figures = {name: float(metric.result()) for name, metric in metrics.items()}
    return {**figures, "num_test_images": num_images}


def train(folder: Path, model_path: Path, *, epochs: int, seed: int) -> dict[str, float]:
    """Train, evaluate and save, as the notebook does from top to bottom."""
    tf.keras.utils.set_random_seed(seed)
    training, validation, test = load_parts(folder)
    model = build_model()
    with tempfile.TemporaryDirectory() as logs:
        board = tf.keras.callbacks.TensorBoard(log_dir=logs)
        fit_at = time.perf_counter()
        history = model.fit(
            training, epochs=epochs, validation_data=validation, callbacks=[board], verbose=2
        )
        fit_s = time.perf_counter() - fit_at
    figures = evaluate(model, test)
    model.save(model_path)
    last = {name: values[-1] for name, values in history.history.items()}
    return {"num_parameters": model.count_params(), "fit_s": fit_s, **last, **figures}


def predict(model_path: Path, photo: Path) -> dict[str, float | str]:
    """Label one photo, blue-green-red as OpenCV reads it and the tutorial leaves it."""
    model = tf.keras.models.load_model(model_path)
    image = cv2.imread(str(photo))
    if image is None:
        sys.exit(f"OpenCV can't read {photo}.")
    with tempfile.TemporaryDirectory() as folder:
        # A notebook shows the photo; drawing it into a file is the same work without a screen.
        plt.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        plt.savefig(Path(folder) / "shown.png")
    resized = tf.image.resize(image, (SIZE_PX, SIZE_PX))
    probability = float(model.predict(np.expand_dims(resized / 255, 0), verbose=0)[0, 0])
    label = "Sad" if probability > 0.5 else "Happy"
    print(f"Predicted class is {label}")
    return {"photo": photo.name, "label": label, "probability_sad": probability}


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="The tutorial, to measure against.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train on DATA and save the model")
    training.add_argument("data", type=Path)
    training.add_argument("model", type=Path, help="where to save it; ends in .keras")
    training.add_argument("--epochs", type=int, default=20)
    training.add_argument("--seed", type=int, default=0, help="for weights and shuffling")
    prediction = commands.add_parser("predict", help="label one photo")
    prediction.add_argument("model", type=Path)
    prediction.add_argument("photo", type=Path)
    return parser.parse_args()


def main() -> None:
    """Run one command and print its figures."""
    arguments = parse_arguments()
    figures: dict[str, float | str] = {"import_s": IMPORTED_AT - STARTED_AT}
    if arguments.command == "train":
        figures |= train(
            arguments.data, arguments.model, epochs=arguments.epochs, seed=arguments.seed
        )
    else:
        figures |= predict(arguments.model, arguments.photo)
    figures["total_s"] = time.perf_counter() - STARTED_AT
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
