"""How hot a Linux machine is and how fast its cores run, as its /sys tells; what keeps a launch waiting."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from edgeship.toolchain.protocol.machine import Environment

# a line is a name and a number; what a machine has not is left out. vcgencmd: Raspberry Pi's firmware
PROBE = r"""
for zone in /sys/class/thermal/thermal_zone*; do
    read -r value < "$zone/temp" && echo "millidegrees $value"
done 2>/dev/null
for core in /sys/devices/system/cpu/cpu[0-9]*; do
    read -r value < "$core/cpufreq/scaling_cur_freq" && echo "khz $value"
done 2>/dev/null
command -v vcgencmd > /dev/null && echo "throttled $(vcgencmd get_throttled | sed 's/.*=//')"
exit 0
"""
THROTTLED_NOW = 0b1110
"""Of `vcgencmd get_throttled`: bits 1 to 3, the frequency is capped, throttled, or at its soft temperature limit."""
WARMEST_C = 150.0
"""A sensor that tells more is broken, and so is one that tells nothing above 0."""
LOOK_S = 2.0
LONGEST_WAIT_S = 600.0

Look = Callable[[], Environment | None]


def read(told: str, t_ns: int = 0) -> Environment | None:
    """What PROBE printed as the machine's state, `t_ns` after the launch began; None where it tells nothing."""
    values: dict[str, list[str]] = {}
    for name, _, text in (line.partition(" ") for line in told.splitlines()):
        values.setdefault(name, []).append(text.strip())
    degrees = [int(v) / 1000 for v in values.get("millidegrees", []) if re.fullmatch(r"-?\d+", v)]
    sensible = [each for each in degrees if 0 < each < WARMEST_C]
    clocks = [int(v) for v in values.get("khz", []) if v.isdigit()]
    (throttled,) = values.get("throttled", [""])[:1]
    thermal = None
    if re.fullmatch(r"0x[0-9a-fA-F]+", throttled):
        thermal = "moderate" if int(throttled, 16) & THROTTLED_NOW else "none"
    if not (sensible or clocks or thermal):
        return None
    return Environment(t=t_ns, soc_c=max(sensible, default=None), cpu_khz=clocks or None, thermal=thermal)


def wait_until_cool(
    look: Look, limit_c: float, longest_s: float | None = None, sleep: Callable[[float], None] = time.sleep
) -> tuple[int, bool]:
    """Wait for the hottest sensor to be at most `limit_c`; nanoseconds waited, and whether it is by then.

    A machine without a sensor is taken to be cool: it says nothing else.
    """
    began, slept = time.monotonic_ns(), 0.0
    longest = LONGEST_WAIT_S if longest_s is None else longest_s
    while True:
        seen = look()
        cool = seen is None or seen.soc_c is None or seen.soc_c <= limit_c
        if cool or slept >= longest:
            return (time.monotonic_ns() - began if slept else 0), cool
        sleep(LOOK_S)
        slept += LOOK_S
