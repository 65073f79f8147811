#!/bin/sh
# ray 2.60.0, on Linux (x86-64).
#
# One would guess that `ray.init(log_to_driver=False, logging_level="ERROR")` keeps what Ray has to say out of a
# program's own output. But where a worker dies and its task is run again, so that nothing went wrong in the end, a
# message "(raylet) … A worker died or was killed" of several hundred characters is printed on *stdout*, amid the rows
# of whatever the program prints there. Nothing public switches it off.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray==2.60.0
cat > "$folder/rows.py" <<'PYTHON'
import os
import signal
import sys
import time
from pathlib import Path

import ray

mark = Path(sys.argv[1])
ray.init(
    address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
)


@ray.remote(max_retries=1)
def square(number):
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does where memory is short
    return number * number


for number in range(6):
    print(f"{number},{ray.get(square.remote(number))}", flush=True)
time.sleep(2)
PYTHON
HOME=$folder RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" "$folder/rows.py" "$folder/mark" \
    > "$folder/rows.csv" 2> "$folder/stderr"
rows=$(grep -c '^[0-9],[0-9]*$' "$folder/rows.csv")
foreign=$(grep -c '(raylet)' "$folder/rows.csv" || true)
echo "on stdout: $rows rows of the program, $foreign lines of Ray"
[ "$rows" = 6 ] && [ "$foreign" -ge 1 ] || { echo "it changed"; exit 1; }
