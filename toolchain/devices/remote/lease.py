"""A machine is one run's at a time: two that measure there at once measure one another."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import time
from collections.abc import Iterator

from edgeship.toolchain.api import DeviceError
from edgeship.toolchain.devices.remote.shell import Remote

TRY_AGAIN_S = 2.0
CLEAR = 'rm -rf "$1"/job-*.json "$1"/result-*.json* "$1"/outputs-*.bin* "$1"/files/*/*.part'
"""Removes from the folder $1 what a run left that was cut off."""
# a folder is made by one of many at once; whose process is gone, whose lease is gone. The lease ends with its standard
# input: with the connection, whatever becomes of this process.
TAKE = """lease=$1/lease
while ! mkdir "$lease" 2>/dev/null; do
  pid=$(cat "$lease/pid" 2>/dev/null) || { sleep 1; pid=$(cat "$lease/pid" 2>/dev/null); }
  if kill -0 "$pid" 2>/dev/null; then echo "held by $(cat "$lease/who")"; exit; fi
  mv "$lease" "$lease.$$" 2>/dev/null && rm -rf "$lease.$$"
  test -w "$1" || { echo "held by nobody: $1 cannot be written"; exit; }
done
end() {
  for agent in "$lease"/agent-*; do read -r pid <"$agent" && kill -KILL "$pid"; done 2>/dev/null
  rm -rf "$lease"
}
trap end EXIT; trap exit HUP INT TERM
echo "$2" >"$lease/who"; echo $$ >"$lease/pid"
{clear}
echo taken
cat >/dev/null""".replace("{clear}", CLEAR)


@contextlib.contextmanager
def leased(connection: Remote, folder: str, wait_s: float) -> Iterator[None]:
    """Hold the machine's lease, which lies in `folder` there; DeviceError names who holds it after `wait_s` seconds.

    Agents that still run when it ends are ended with it; what a run left that was cut off is removed when it begins.
    """
    who = f"{getpass.getuser()}@{platform.node()}, process {os.getpid()}, since {time.strftime('%H:%M:%S %Z')}"
    deadline = time.monotonic() + wait_s
    while True:
        with connection.begun(TAKE, folder, who) as (answer, holding):
            if answer == "taken":
                connection.lease = f"{folder}/lease"
                yield
                connection.lease = ""
                return
            holding.wait()
        if time.monotonic() >= deadline:
            hint = "wait for it (wait_s), or take another machine" if answer else "see what is there"
            raise DeviceError(f"{connection.host} is in use: {answer or 'it did not answer'}", hint)
        time.sleep(min(TRY_AGAIN_S, max(0.0, deadline - time.monotonic())))
