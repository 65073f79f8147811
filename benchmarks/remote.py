"""What photos in a bucket cost beside the same photos in a folder.

An S3 server (moto's, in a process of its own, on the same cores) has drawn JPEG files of 1024×768
pixels, and a folder has the same ones. Both are read in turn, each time by a new process with an
empty cache: listed, fetched and hashed (`scan`), then decoded and embedded, as `candid train` does.
Prints images a second of both, their ratio (bucket / folder), and the processor's time of Candid
and of the server a photo. The server takes its time from Candid: on another machine it would not.

    python benchmarks/remote.py [--photos 5000] [--rounds 2] [--delay-ms 0]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from candid.core.cache import Cache
from candid.core.threads import map_ahead
from candid.data.catalog import scan
from candid.data.file_reader import FileReader
from candid.splits.prepare import extract_catalog

BUCKET = "photos"
CLASSES = ("cat", "dog")


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--delay-ms", type=float, default=0, help="of the server, a request")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        draw(folder, args.photos)
        mine, server = start_server(args.delay_ms)
        upload(folder)
        compare(folder, Path(place), mine, args.rounds)
        server.terminate()


def draw(folder: Path, count: int) -> None:
    """Draw photos of some structure, about 170 kB each."""

    def write(number: int) -> None:
        random = np.random.default_rng(number)
        small = random.integers(0, 255, (24, 32, 3), np.uint8)
        pixels = cv2.resize(small, (1024, 768), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        pixels += random.integers(-9, 10, pixels.shape, np.int16)
        file = folder / CLASSES[number % 2] / f"{number:06}.jpg"
        cv2.imwrite(
            str(file), np.clip(pixels, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85]
        )

    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    for _ in map_ahead(write, range(count)):
        pass
    num_bytes = sum(file.stat().st_size for file in folder.rglob("*.jpg"))
    print(f"{count} photos of {num_bytes / count / 1000:.0f} kB")


def start_server(delay_ms: float) -> tuple[Connection, Any]:
    """Start the server, and set the environment so that it is found."""
    spawn = multiprocessing.get_context("spawn")
    mine, its = spawn.Pipe()
    process = spawn.Process(target=serve, args=(its, delay_ms), daemon=True)
    process.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{mine.recv()}",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return mine, process


def serve(pipe: Connection, delay_ms: float) -> None:
    """Serve, and tell the processor's time of this process whenever asked."""
    from threading import Thread

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as those of real servers do

        def log(self, *_: object) -> None:
            pass

    moto = DomainDispatcherApplication(create_backend_app)

    def answer(*request: Any) -> Any:
        time.sleep(delay_ms / 1000)
        return moto(*request)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        pipe.recv()
        pipe.send(time.process_time())


def upload(folder: Path) -> None:
    """Put the folder into the bucket."""
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)

    def put(file: Path) -> None:
        key = file.relative_to(folder).as_posix()
        client.put_object(Bucket=BUCKET, Key=f"set/{key}", Body=file.read_bytes())

    for _ in map_ahead(put, folder.rglob("*.jpg")):
        pass


def compare(folder: Path, place: Path, server: Connection, rounds: int) -> None:
    """Read both in turn, and print what was measured."""
    ratios = []
    sources = {"folder": str(folder), "bucket": f"s3://{BUCKET}/set"}
    for number in range(rounds):
        speeds = {}
        for name, data in sources.items():
            before = ask(server)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                cache = place / f"cache-{name}-{number}"
                read = pool.submit(read_anew, data, str(folder), cache).result()
            speeds[name] = read.count / read.wall_s
            served_s = ask(server) - before
            print(
                f"{name}: {speeds[name]:.1f} images/s; {read.scan_s:.1f} of {read.wall_s:.1f} s "
                f"until all are hashed; processor a photo: {read.cpu_s / read.count * 1e3:.1f} ms, "
                f"server {served_s / read.count * 1e3:.1f} ms",
                flush=True,
            )
        ratios.append(speeds["bucket"] / speeds["folder"])
    print(f"bucket / folder: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def ask(server: Connection) -> float:
    """The processor's time of the server, in seconds."""
    server.send(None)
    return float(server.recv())


class Read(NamedTuple):
    """How many photos were read, and in how many seconds."""

    count: int
    scan_s: float
    wall_s: float
    cpu_s: float


def read_anew(data: str, warm: str, cache: Path) -> Read:
    """List, fetch, hash, decode and embed, after the backbone and two photos of a folder."""
    os.environ["CANDID_CACHE"] = str(cache)
    with Cache(None) as nowhere:
        catalog = scan(warm, reader=FileReader())
        some = (catalog.photos[0], catalog.photos[-1])
        extract_catalog(replace(catalog, photos=some), cache=nowhere)
    with Cache(cache) as opened:
        reader, began, cpu = FileReader(opened), time.perf_counter(), time.process_time()
        catalog = scan(data, reader=reader)
        scan_s = time.perf_counter() - began
        extract_catalog(catalog, cache=opened, reader=reader)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Read(len(catalog.photos), scan_s, wall_s, cpu_s)


if __name__ == "__main__":
    main()
