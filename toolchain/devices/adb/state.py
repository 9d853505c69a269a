"""What a phone says of its heat, its battery and its clocks: the texts of dumpsys, of Android 10 and later."""

from __future__ import annotations

import re

from edgeship.toolchain.protocol.machine import Environment
from edgeship.toolchain.sensors import PROBE as SENSORS
from edgeship.toolchain.sensors import read as read_sensors

MARK = "edgeship asks: "
# in one question: each costs some 50 ms on a phone
PROBE = f"""({SENSORS})
for service in thermalservice battery; do echo "{MARK}$service"; dumpsys $service; done 2>/dev/null
echo "{MARK}low_power"; settings get global low_power 2>/dev/null
exit 0
"""
# android.os.Temperature's throttling statuses, in their order
STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
SKIN = 3
"""android.os.Temperature.TYPE_SKIN."""


def read(told: str, t_ns: int = 0) -> Environment:
    """What PROBE printed, as the phone's state `t_ns` nanoseconds after the launch began."""
    head, *parts = told.split(MARK)
    said = dict(part.partition("\n")[::2] for part in parts)
    thermal, battery = said.get("thermalservice", ""), said.get("battery", "")
    sensors = read_sensors(head, t_ns) or Environment(t=t_ns)
    status = re.search(r"^Thermal Status: (\d)$", thermal, re.MULTILINE)
    skins = [
        float(value)
        for value, kind in re.findall(r"Temperature\{mValue=([-\d.]+), mType=(\d+),", thermal)
        if int(kind) == SKIN
    ]
    level, degrees, charge = _number(battery, "level"), _number(battery, "temperature"), _number(battery, "status")
    plugged = re.findall(r"^ *(?:AC|USB|Wireless|Dock) powered: (true|false)$", battery, re.MULTILINE)
    return sensors.model_copy(
        update={
            "thermal": STATUSES[int(status[1])] if status and int(status[1]) < len(STATUSES) else None,
            "skin_c": max(skins, default=None),
            "battery_pct": level,
            "battery_c": None if degrees is None else degrees / 10,
            "charging": "true" in plugged if plugged else None if charge is None else charge == 2,
            "power_save": {"0": False, "1": True}.get(said.get("low_power", "").strip()),
        }
    )


def _number(text: str, name: str) -> float | None:
    found = re.search(rf"^ *{name}: (-?\d+)$", text, re.MULTILINE)
    return float(found[1]) if found else None
