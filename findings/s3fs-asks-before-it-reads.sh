#!/bin/sh
# s3fs 2026.9.0 with moto 5.2.5.
#
# One would guess that `cat_file` of a small object is one request. It is two: a HEAD for the size, as large
# objects are read in concurrent chunks since then, and a GET. On millions of small photos that is twice the
# requests and their price. With `max_concurrency=1` it is one request, and so it is with `start` and `end`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet s3fs==2026.9.0 "moto[server,s3]==5.2.5"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
import s3fs
from moto.server import ThreadedMotoServer

calls = []


class Recording(s3fs.S3FileSystem):
    async def _call_s3(self, method, *args, **kwargs):
        calls.append(method)
        return await super()._call_s3(method, *args, **kwargs)


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%d" % server.get_host_and_port()
at = {"client_kwargs": {"endpoint_url": url}, "use_listings_cache": False}
files = Recording(**at)
files.mkdir("photos")
files.pipe_file("photos/a.jpg", b"bytes")


def calls_of(files, **span):
    calls.clear()
    assert files.cat_file("photos/a.jpg", **span) == b"bytes"
    return " ".join(calls)


seen = {
    "as it is": calls_of(files),
    "with max_concurrency=1": calls_of(Recording(max_concurrency=1, **at)),
    "with start and end": calls_of(files, start=0, end=5),
}
server.stop()
for how, found in seen.items():
    print(f"{how}: {found}")
expected = ["head_object get_object", "get_object", "get_object"]
sys.exit(0 if list(seen.values()) == expected else "the calls have changed")
PYTHON
