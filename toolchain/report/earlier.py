"""Reads the reports of earlier versions: edgeship-report/1 becomes a /2."""

from __future__ import annotations

from typing import Any

from edgeship.toolchain.report.document import SCHEMA

FIRST_ONLY = "edgeship-report/1 judged on the first device only"
OF_THE_VERDICT = ("executed_by", "parity", "parity_float", "threshold", "metric", "not_measured", "latency_ratio")
ARTIFACT = ("format", "size_bytes", "sha256", "dtypes", "weight_bytes", "reproducible", "notes")


def current(document: dict[str, Any]) -> dict[str, Any]:
    """The document in today's schema; one that is neither /1 nor /2 is answered as it is."""
    if document.get("schema") != "edgeship-report/1":
        return document
    devices = list(dict.fromkeys(m["device"] for line in document["lines"] for m in line.get("measurements", [])))
    host = document["host"]
    return {
        **document,
        "schema": SCHEMA,
        "models": [{"name": name} for name in document["models"]],
        "devices": {name: host if name == "local" else {} for name in devices or ["local"]},
        "lines": [_line(line, devices or ["local"]) for line in document["lines"]],
    }


def _line(line: dict[str, Any], devices: list[str]) -> dict[str, Any]:
    kept = ("model", "variant", "passes", "target", "spec", "status", "stage", "hint", "warnings", "size_ratio")
    new = {key: line[key] for key in kept if key in line}
    flags = line.get("flags", [])
    new["flags"] = [flag for flag in flags if flag != "slower-than-float"]
    if "artifact" in line:
        new |= _artifact(line["artifact"], line["spec"])
    if "verdict" not in line:
        return new | ({"reason": line["reason"]} if "reason" in line else {})
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in devices}
    for measurement in line.get("measurements", []):
        rest = {key: value for key, value in measurement.items() if key != "device"}
        measured[measurement["device"]].append(rest)
    judge, *others = devices
    first: dict[str, Any] = {"device": judge, "verdict": line["verdict"], "measurements": measured[judge]}
    first["reasons"] = [line["reason"]] if line.get("reason") else []
    first["flags"] = [flag for flag in flags if flag == "slower-than-float"]
    first |= {key: line[key] for key in OF_THE_VERDICT if key in line}
    new["verdict"] = line["verdict"]
    new["executions"] = [first, *(_measured_only(name, measured[name]) for name in others)]
    return new


def _measured_only(device: str, measurements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"device": device, "verdict": "not-executed", "reasons": [FIRST_ONLY], "measurements": measurements}


def _artifact(facts: dict[str, Any], spec: str) -> dict[str, Any]:
    artifact = {key: facts[key] for key in ARTIFACT if key in facts}
    artifact |= {"file": facts["path"].rpartition("/")[2], "spec": spec, "inputs": [], "outputs": []}
    artifact["runtime"] = {"name": facts["runtime"], "minimum_version": facts["minimum_version"]}
    return {"path": facts["path"], "artifact": artifact}
