#!/bin/sh
# ray 2.60.0 with its extra client, on Linux (x86-64).
#
# One would guess that `ray start --head` opens a cluster that `ray.init("ray://HOST:PORT")` joins, whatever ran before.
# But a `ray.init()` that starts a cluster of its own writes ~/.ray/auth_token, and leaves it there. From then on,
# `ray start` finds that file and asks for the token; whoever joins by an address does not look for it, and the client
# ends after half a minute with "ray client connection timeout", which says nothing of a token.
# RAY_AUTH_MODE=token makes it join.
set -eu
folder=$(mktemp -d)
head=
trap '[ -z "$head" ] || kill "$head" || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "ray[client]==2.60.0"
export HOME="$folder" RAY_USAGE_STATS_ENABLED=0
python="$folder/venv/bin/python"

join() { # prints what came of joining as a client
    "$python" - <<'PYTHON' 2>&1 | tail -n 1
import ray

ray.init("ray://127.0.0.1:23456", logging_level="ERROR")
print("joined")
PYTHON
}
start() {
    "$folder/venv/bin/ray" start --head --block --num-cpus=1 --port=23455 --include-dashboard=false \
        --ray-client-server-port=23456 > "$folder/head.log" 2>&1 &
    head=$!
    sleep 20
}

start
before=$(join)
kill "$head" && wait "$head" || true
"$python" -c 'import ray; ray.init(address="local", num_cpus=1, include_dashboard=False)' 2> "$folder/own.log"
start
after=$(join)
told=$(RAY_AUTH_MODE=token join)
echo "in a new home: $before; after a ray.init() of its own: $after; with RAY_AUTH_MODE=token: $told"
[ "$before/$told" = joined/joined ] && [ "$after" = "ConnectionError: ray client connection timeout" ] ||
    { echo "it changed"; exit 1; }
