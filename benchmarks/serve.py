"""How fast `candid serve` answers, beside `predict` on the same photos, and what overload does.

Starts a server of its own. `load`: clients that keep their connections send one photo after the
other, as the body itself; in alternate rounds the same photos go through `Classifier.stream`, which
is what `candid predict` runs, or, with `--against`, to a server of another build, given by its
`src`. `overload`: many clients send bodies that are broken, too large, or too slow, while the
server's memory is read; then the load again. `start`: seconds from starting the process to its
first answer. Clients share the server's cores, so its processor time per image is printed too.

    python benchmarks/serve.py load RUN DATA --clients 16 --seconds 10 --rounds 3
    python benchmarks/serve.py load RUN DATA --against ../other/src --against-run THEIR_RUN
    python benchmarks/serve.py overload RUN DATA --clients 200 --requests 1000
    python benchmarks/serve.py start RUN DATA --rounds 5
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Other builds have the command at another place.
PROGRAM = """
try:
    from candid.cli.main import main
except ImportError:
    from candid.cli import main
main()
"""
JPEG = {"Content-Type": "image/jpeg"}
MIB = 2**20
TIMEOUT_S = 60


def main() -> None:
    """Run one of the three and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=("load", "overload", "start"))
    parser.add_argument("run", type=Path, help="a trained run")
    parser.add_argument("data", type=Path, help="a folder of photos, with sub-folders or without")
    parser.add_argument("--clients", type=int, help="16 by default; 200 of an overload")
    parser.add_argument("--seconds", type=float, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, help="src of another build, for load")
    parser.add_argument("--against-run", type=Path, help="a run that it trained; by default RUN")
    parser.add_argument("--requests", type=int, default=1000, help="of an overload")
    parser.add_argument("--photos", type=int, default=64, help="how many different ones")
    parser.add_argument("--kilobytes", type=int, default=100, help="photos nearest to this size")
    args = parser.parse_args()
    photos = choose(args.data, args.photos, args.kilobytes)
    sizes = [len(photo) / 1000 for photo in photos]
    print(
        f"{len(photos)} photos of {min(sizes):.0f} to {max(sizes):.0f} kB; load {os.getloadavg()}"
    )
    if args.mode == "start":
        start(args.run, photos, args.rounds)
        return
    with server(args.run) as served:
        print(f"started in {served.started_s:.2f} s")
        if args.mode == "overload":
            load(served, photos, 4, 1.0)  # warm
            overload(served, photos, args.clients or 200, args.requests, args.seconds)
        elif args.against:
            with server(args.against_run or args.run, args.against) as other:
                versus(served, other, photos, args.clients or 16, args.seconds, args.rounds)
        else:
            load(served, photos, 4, 1.0)
            compare(served, args.run, photos, args.clients or 16, args.seconds, args.rounds)


def choose(folder: Path, count: int, kilobytes: int) -> list[bytes]:
    """The readable photos that are nearest to a size."""
    from candid.data.images import decode
    from candid.errors import ImageError

    found = []
    files = (file for file in folder.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: abs(file.stat().st_size - kilobytes * 1000)):
        try:
            decode(file.read_bytes())
        except ImageError:
            continue
        found.append(file.read_bytes())
        if len(found) == count:
            break
    if not found:
        sys.exit(f"no photo in {folder}")
    return found


@dataclass(frozen=True)
class Served:
    """A server as a process: where it listens, its number, and the seconds until it did."""

    address: tuple[str, int]
    pid: int
    started_s: float

    def cpu_s(self) -> float:
        """Seconds of processor time that it has taken."""
        import psutil

        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def resident_mib(self) -> float:
        """Its memory that is in use."""
        import psutil

        return float(psutil.Process(self.pid).memory_info().rss) / MIB


@contextmanager
def server(run: Path, source: Path | None = None) -> Iterator[Served]:
    """Start a server, of this build or of the one whose ``src`` is given."""
    began = time.perf_counter()
    command = [sys.executable, "-c", PROGRAM, "serve", str(run), "--port", "0"]
    environment = os.environ | ({"PYTHONPATH": str(source.resolve())} if source else {})
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    found = re.search(r"http://([^:]+):(\d+)", process.stdout.readline())
    if not found:
        sys.exit("the server did not start")
    started_s = time.perf_counter() - began
    # A log that nobody reads would fill its pipe.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield Served((found[1], int(found[2])), process.pid, started_s)
    finally:
        process.send_signal(signal.SIGTERM)
        print(f"the server ended with {process.wait(TIMEOUT_S)}")


@dataclass(frozen=True)
class Measured:
    """What clients saw: images a second, milliseconds of each answer, statuses.

    And the milliseconds of processor time that the server took for an image.
    """

    rate: float
    cpu_ms: float
    times_ms: list[float]
    statuses: Counter[str]

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.times_ms, n=100)
        wrong = {status: n for status, n in self.statuses.items() if status != "200"}
        return (
            f"{self.rate:6.1f} images/s, processor {self.cpu_ms:.1f} ms, "
            f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, errors {wrong or 'none'}"
        )


def start(run: Path, photos: Sequence[bytes], num_rounds: int) -> None:
    """From starting the process to its first answer; the first time with nothing in memory."""
    for number in range(num_rounds):
        kind = "files in memory"
        if number == 0 and drop_caches():
            kind = "files on disk alone"
        began = time.perf_counter()
        with server(run) as served:
            connection = http.client.HTTPConnection(*served.address, timeout=TIMEOUT_S)
            status = send(connection, photos[number % len(photos)], JPEG)
            answered_s = time.perf_counter() - began
            connection.close()
        listens = f"listens after {served.started_s:.2f} s"
        print(f"{kind}: {listens}, answers {status} after {answered_s:.2f} s")


def drop_caches() -> bool:
    """Let the system forget what it has read from disk; False where it may not be told to."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def load(served: Served, photos: Sequence[bytes], num_clients: int, seconds: float) -> Measured:
    """Clients that send one photo after the other."""
    times_ms: list[float] = []
    statuses: Counter[str] = Counter()
    end = time.perf_counter() + seconds

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(*served.address, timeout=TIMEOUT_S)
        place = number
        while time.perf_counter() < end:
            began = time.perf_counter()
            status = send(connection, photos[place % len(photos)], JPEG)
            times_ms.append((time.perf_counter() - began) * 1000)
            statuses[status] += 1
            place += num_clients
        connection.close()

    began, cpu_s = time.perf_counter(), served.cpu_s()
    run_all(ask, num_clients)
    rate = statuses["200"] / (time.perf_counter() - began)
    cpu_ms = 1000 * (served.cpu_s() - cpu_s) / len(times_ms)
    return Measured(rate, cpu_ms, times_ms, statuses)


def versus(
    served: Served,
    other: Served,
    photos: Sequence[bytes],
    num_clients: int,
    seconds: float,
    num_rounds: int,
) -> None:
    """Two servers in turn, of which one is idle, and the ratio of their medians."""
    rounds: list[tuple[Measured, Measured]] = []
    for number in range(num_rounds + 1):
        both = [
            load(side, photos, num_clients, seconds if number else 1) for side in (other, served)
        ]
        if number:  # the first one warms them
            rounds.append((both[0], both[1]))
            print(f"other {both[0]}\nthis  {both[1]}")
    faster = statistics.median(this.rate for _, this in rounds)
    faster /= statistics.median(that.rate for that, _ in rounds)
    less = statistics.median(that.cpu_ms for that, _ in rounds)
    less /= statistics.median(this.cpu_ms for _, this in rounds)
    print(f"images/s {faster:.2f} times, processor time {less:.2f}; load {os.getloadavg()}")


def compare(
    served: Served,
    run: Path,
    photos: Sequence[bytes],
    num_clients: int,
    seconds: float,
    num_rounds: int,
) -> None:
    """The server and `Classifier.stream` in turn, and the ratio of the two."""
    from candid.runs.classifier import load as load_run

    classifier = load_run(run)
    ratios = []
    for _ in range(num_rounds):
        answered = load(served, photos, num_clients, seconds)
        alone = stream_rate(classifier, photos, seconds)
        ratios.append(answered.rate / alone)
        print(f"serve {answered}; predict {alone:6.1f} images/s; ratio {ratios[-1]:.2f}")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"ratio {statistics.median(ratios):.2f} ({spread}); load {os.getloadavg()}")


def stream_rate(classifier: Any, photos: Sequence[bytes], seconds: float) -> float:
    """Images a second of `Classifier.stream`."""
    began = time.perf_counter()

    def endless() -> Iterator[bytes]:
        place = 0
        while time.perf_counter() - began < seconds:
            yield photos[place % len(photos)]
            place += 1

    count = sum(1 for _ in classifier.stream(endless()))
    return count / (time.perf_counter() - began)


def overload(
    served: Served,
    photos: Sequence[bytes],
    num_clients: int,
    num_requests: int,
    seconds: float,
) -> None:
    """Bodies that nobody should send, from many clients at once; memory before, during, after."""
    before = load(served, photos, 16, seconds)
    # What such bodies take once is taken before memory is held against anything.
    storm(served, photos, num_clients, num_requests // 4)
    memory_before = served.resident_mib()
    peak = [memory_before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak.append(served.resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    statuses = storm(served, photos, num_clients, num_requests)
    done.set()
    watcher.join()
    after = load(served, photos, 16, seconds)
    memory_after = served.resident_mib()
    for kind in sorted({kind for kind, _ in statuses}):
        answers = {status: n for (k, status), n in sorted(statuses.items()) if k == kind}
        print(f"  {kind:20} {answers}")
    print(
        f"memory {memory_before:.0f} MiB before, {max(peak):.0f} at most, {memory_after:.0f} after "
        f"({memory_after / memory_before - 1:+.1%})"
    )
    print(f"before {before}\nafter  {after}")


def storm(
    served: Served, photos: Sequence[bytes], num_clients: int, num_requests: int
) -> Counter[tuple[str, str]]:
    """Send bad bodies, each on a connection of its own; what each kind was answered."""
    bodies = bad_bodies(photos[0])
    kinds = [list(bodies)[number % len(bodies)] for number in range(num_requests)]
    random.Random(0).shuffle(kinds)
    statuses: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()

    def ask(_: int) -> None:
        while True:
            with lock:
                if not kinds:
                    return
                kind = kinds.pop()
            connection = http.client.HTTPConnection(*served.address, timeout=TIMEOUT_S)
            make, headers = bodies[kind]
            status = send(connection, make(), headers)
            connection.close()
            with lock:
                statuses[kind, status] += 1

    run_all(ask, num_clients)
    return statuses


Body = tuple[Callable[[], Any], dict[str, str]]


def bad_bodies(photo: bytes) -> dict[str, Body]:
    """What should be refused, or read and found to be no image."""
    from PIL import Image

    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="a"\r\n\r\n'
    text = {"Content-Type": "application/json"}
    return {
        "cut off": (lambda: photo[: len(photo) // 2], JPEG),
        "noise": (lambda: os.urandom(100_000), JPEG),
        "bomb": (bomb.getvalue, JPEG),
        "says it is large": (lambda: b"x", JPEG | {"Content-Length": str(10**10)}),
        "is large": (lambda: [bytes(MIB)] * 40, JPEG | {"Transfer-Encoding": "chunked"}),
        "half a form": (lambda: part + photo[:50_000], form),
        "form without end": (lambda: part * 5000, form),
        "too many images": (lambda: (part + b"x\r\n") * 1000 + b"--b--", form),
        "half a JSON": (lambda: b'{"images": ["' + b"A" * 100_000, text),
        "deep JSON": (lambda: b"[" * 100_000, text),
        "no type": (lambda: photo, {}),
    }


def send(connection: http.client.HTTPConnection, body: Any, headers: dict[str, str]) -> str:
    """Send a body; gives the status, or the name of what went wrong."""
    try:
        if "Transfer-Encoding" in headers:
            connection.request("POST", "/v1/predict", iter(body), headers, encode_chunked=True)
        else:
            connection.request("POST", "/v1/predict", body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        is_unreadable = "error" not in told and told["predictions"][0]["reason"] is not None
        return f"{answer.status} with reason" if is_unreadable else str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__


def run_all(work: Callable[[int], None], count: int) -> None:
    """Run some threads to their end."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
