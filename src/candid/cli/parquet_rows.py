"""Predictions as a Parquet file that is written while they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from candid.core.extras import require_packages
from candid.errors import UsageError
from candid.runs.prediction import Prediction

_ROWS_A_GROUP: Final = 10_000
_TEXTS: Final = ("path", "label", "answer", "verdict", "reason")
_NUMBERS: Final = ("probability", "familiarity")


def require_pyarrow() -> None:
    """Check that Parquet can be written, or raise `DependencyError`."""
    require_packages(["pyarrow"], needed_by="--parquet", extra="parquet")


def write_parquet(
    predictions: Iterable[Prediction], file: Path, classes: Sequence[str]
) -> Iterator[Prediction]:
    """Write predictions to a file as they pass; it has its name once the last one has passed.

    The columns are those of `Prediction.to_json`, with one of float64, ``p:<class>``, a class. They
    are written 10,000 rows at a time.

    Raises:
        UsageError: The file can't be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    numbers = (*_NUMBERS, *(f"p:{name}" for name in classes))
    columns = [(name, pa.string()) for name in _TEXTS] + [(name, pa.float64()) for name in numbers]
    columns.append(("possible", pa.list_(pa.string())))
    partial, rows = file.with_name(file.name + ".partial"), list[dict[str, Any]]()
    try:
        with parquet.ParquetWriter(partial, pa.schema(columns)) as writer:

            def flush() -> None:
                writer.write_table(pa.Table.from_pylist(rows, writer.schema))
                rows.clear()

            for prediction in predictions:
                rows.append(_row(prediction))
                if len(rows) == _ROWS_A_GROUP:
                    flush()
                yield prediction
            flush()
        partial.replace(file)
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _row(prediction: Prediction) -> dict[str, Any]:
    values = prediction.to_json()
    shares = {f"p:{name}": share for name, share in values["probabilities"].items()}
    # A file name need not be UTF-8, which Parquet's text is.
    path = values["path"].encode(errors="surrogateescape").decode(errors="backslashreplace")
    return values | shares | {"path": path}
