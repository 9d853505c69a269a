"""The smallest agent: a bench-job/1 of mode verify in, a bench-result/1 out. See apps/protocol."""

import json
import sys
from pathlib import Path

import numpy as np
import torch


def run_cases(job: dict, folder: Path) -> dict:
    """One run of the result; what it answers lies in the job's capture file."""
    with (folder / job["artifact"]["path"]).open("rb") as stream:
        module = torch.export.load(stream).module()
    described, raw = [], b""
    for case in job["cases"]:
        inputs = []
        for tensor in case:
            count = int(np.prod(tensor["shape"], dtype=np.int64))
            array = np.fromfile(folder / tensor["path"], tensor["dtype"], count, offset=tensor["offset"])
            inputs.append(torch.from_numpy(array.reshape(tensor["shape"])))
        with torch.no_grad():
            answer = module(*inputs)
        described.append([])
        for name, value in zip(job["outputs"], answer if isinstance(answer, tuple) else (answer,), strict=True):
            array = value.numpy()
            place = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "offset": len(raw)}
            described[-1].append(place)
            raw += array.tobytes()
    (folder / job["capture"]).write_bytes(raw)
    return {"index": 0, "outputs": described}


def main(job_file: Path, result_file: Path) -> int:
    """Exit code 1 when the result carries an error."""
    job = json.loads(job_file.read_text())
    asked = {"schema": job["schema"], "config.mode": job["config"]["mode"], "requires": job.get("requires", [])}
    if asked == {"schema": "bench-job/1", "config.mode": "verify", "requires": []}:
        try:
            run = run_cases(job, job_file.parent)
        except Exception as error:
            run = {"index": 0, "error": {"phase": "load", "message": f"{type(error).__name__}: {error}"}}
    else:
        run = {"index": 0, "error": {"phase": "start", "code": "UNSUPPORTED_JOB", "message": f"cannot do {asked}"}}
    result = {
        "schema": "bench-result/1",
        "id": job["id"],
        "agent": {"kind": "python", "version": "1", "imports_torch": True},
        "device": {"os": {"name": "linux"}, "cpu": {"arch": "x86_64"}},  # the host knows the machine better
        "artifact": {key: job["artifact"][key] for key in ("format", "sha256", "size")},
        "runtime": {"name": job["runtime"]["name"], "version": torch.__version__, "backend": "cpu"},
        "config": job["config"],
        "runs": [run],
    }
    part = result_file.with_suffix(".part")
    part.write_text(json.dumps(result))
    part.replace(result_file)  # a result that is there is complete
    return 1 if "error" in run else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
