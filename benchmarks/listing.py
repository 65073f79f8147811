"""What a table of many rows takes to list: processor seconds, and the most memory held.

    python benchmarks/listing.py [--rows 1000000]

A CSV file and a Parquet file of paths and classes are written, and each is listed by a process of
its own. The paths lead nowhere, as no photo is opened.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet

from candid.data.source import DataSource
from candid.data.sources import list_photos


def measure(file: Path) -> tuple[int, float, float]:
    """Rows, processor seconds and MB at the peak."""
    before = time.process_time()
    listing = list_photos(DataSource(file))
    assert listing is not None
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return len(listing.rows), time.process_time() - before, peak_mb


def main() -> None:
    """Write the tables, list them and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    paths = [f"photos/{number:09}.jpg" for number in range(args.rows)]
    labels = [f"class{number % 5}" for number in range(args.rows)]
    with tempfile.TemporaryDirectory() as scratch:
        csv, parquet = Path(scratch, "rows.csv"), Path(scratch, "rows.parquet")
        rows = (f"{path},{label}\n" for path, label in zip(paths, labels, strict=True))
        csv.write_text("path,label\n" + "".join(rows))
        pyarrow.parquet.write_table(pyarrow.table({"path": paths, "label": labels}), parquet)
        for file in (csv, parquet):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                num_rows, seconds, peak_mb = pool.apply(measure, (file,))
            print(f"{file.suffix[1:]:8} {num_rows:,} rows: {seconds:5.1f} s, peak {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
