"""``candid predict``: classify photos."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candid.cli.arguments import (
    Bands,
    Cost,
    EngineName,
    ImageColumn,
    Json,
    MaxMegapixels,
    Page,
    SampleRange,
    Threshold,
    choose_reading,
    decision_rule,
)
from candid.cli.console import EXIT_FINDINGS, has_screen
from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.cli.predicting import Form
    from candid.runs.classifier import Classifier
    from candid.runs.prediction import Prediction


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO...",
            help="Photos, folders (every file in them), addresses of such, glob patterns, or - for "
            "a photo on stdin. Or tables and archives of photos, as DATA of candid train; labels "
            "are not needed.",
        ),
    ],
    run: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run.")] = Path(
        "runs/latest"
    ),
    threshold: Threshold = None,
    cost: Cost = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share of photos whose possible classes include the true one. [the run's: 0.9]",
        ),
    ] = None,
    sample_range: SampleRange = None,
    page: Page = None,
    bands: Bands = None,
    max_megapixels: MaxMegapixels = None,
    image_column: ImageColumn = "",
    engine: EngineName = "local",
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row per photo.")] = False,
    parquet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write the rows, with all probabilities, to a Parquet file."
        ),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Add a column p:CLASS for each class to the CSV and the table; JSON has them all.",
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Show each photo with its label; without a screen, write pictures."
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Write pictures of the evidence for the label over each photo."
        ),
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the pictures of --show and --explain. [runs/<run>-pictures-<n>]",
        ),
    ] = None,
) -> None:
    """Classify photos."""
    from candid.core.progress import ResultsOnly, for_terminal

    if json and csv:
        raise UsageError("--json and --csv exclude each other; choose one.")
    form: Form = "json" if json else "csv" if csv or not sys.stdout.isatty() else "table"
    with for_terminal(elsewhere=ResultsOnly) as progress:
        from candid.cli import predicting
        from candid.cli.parquet_rows import require_pyarrow, write_parquet
        from candid.engines import open_engine, require_engine
        from candid.runs.classifier import load

        if parquet is not None:
            require_pyarrow()
        require_engine(engine)
        inputs = predicting.expand(paths, image_column=image_column)
        # Many photos are predicted in parallel, with one thread each; a single one uses all.
        classifier = load(run, num_threads=1 if len(inputs) > 1 else None)
        if threshold is not None or cost:
            classifier = classifier.with_rule(decision_rule(threshold, cost))
        if coverage is not None:
            classifier = classifier.with_coverage(coverage)
        classifier = classifier.with_reading(
            choose_reading(classifier.contract, sample_range, page, bands, max_megapixels)
        )
        draw = _drawing(classifier, paths, pictures, show=show, explain=explain)
        is_for_people = form == "table" or sys.stderr.isatty()
        if is_for_people:
            progress.say(predicting.describe_run(classifier))
        piped = predicting.read_piped(inputs)
        with (
            open_engine(engine, progress) as opened,
            progress.step("Predicting", len(inputs)) as advance,
        ):
            predictions = predicting.predict_all(
                classifier, inputs, piped=piped, explain=explain, engine=opened, advance=advance
            )
            if parquet is not None:
                predictions = write_parquet(predictions, parquet, classifier.classes)
            tally = predicting.print_predictions(
                draw(predictions, inputs=inputs, piped=piped, say=progress.say),
                classifier.classes,
                form=form,
                with_probabilities=probabilities,
                show=progress.show,
                paths=[*map(predicting.name_of, inputs)],
            )
        if classifier.require_manifest().metrics is None:
            progress.say("note: the run was not measured: how often it is right is not known")
        for note in predicting.note_pages(inputs, piped, classifier.contract):
            progress.say(f"note: {note}")
        if is_for_people and len(inputs) > 1:
            progress.say(tally.to_text())
    if tally.num_failed:
        raise typer.Exit(EXIT_FINDINGS)


def _drawing(
    classifier: Classifier, paths: list[str], pictures: Path | None, *, show: bool, explain: bool
) -> Callable[..., Iterable[Prediction]]:
    """What draws predictions as they pass, if pictures are asked for."""
    if not show and not explain:
        if pictures is not None:
            raise UsageError("--pictures is the folder of --show and --explain; add one of them.")
        return lambda predictions, **_: predictions
    from candid.cli.pictures import PictureFolder, draw_each
    from candid.runs.paths import next_folder

    manifest = classifier.require_manifest()
    named = pictures or next_folder(classifier.run_folder or Path("run"), "pictures")
    folder = PictureFolder(named, [manifest.data.folder, *paths])
    in_window = show and pictures is None and has_screen()
    return partial(draw_each, classifier=classifier, folder=folder, show=show, in_window=in_window)
