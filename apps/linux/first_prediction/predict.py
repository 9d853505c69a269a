"""A first prediction on a board: `python3 predict.py BUNDLE`, the folder that `python3 -m board start` names.

The bundle was verified when it was installed. Its golden samples go through ONNX Runtime, and the answers must be as near
to those of the machine that made it as the manifest asks; then the exit code is 0 and the caller says `board good`.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime


def open_model(bundle, artifact):
    """The artifact's file in a session, under the names that its files have in use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for key, value in artifact["runtime"]["options"].get("config", {}).items():
        options.add_session_config_entry(key, value)
    with tempfile.TemporaryDirectory() as folder:
        for file in artifact["files"]:
            place = Path(folder, file["path"])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(bundle.resolve() / "files" / file["sha256"])
        return onnxruntime.InferenceSession(str(Path(folder, artifact["entry"])), options)


def numbers(bundle, tensor):
    """A golden tensor, little-endian: [samples, *shape of one call]."""
    dtype = np.dtype(tensor["dtype"]).newbyteorder("<")
    return np.frombuffer((bundle / "files" / tensor["sha256"]).read_bytes(), dtype).reshape(tensor["shape"])


def main(bundle):
    """Print the first answer and how near all are; 1 where they are too far."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    [artifact] = [each for each in manifest["artifacts"] if each["runtime"]["name"] == "onnxruntime"]
    session = open_model(bundle, artifact)
    golden = manifest["golden"]
    inputs = {name: numbers(bundle, tensor) for name, tensor in golden["inputs"].items()}
    expected = {name: numbers(bundle, tensor) for name, tensor in golden["outputs"][artifact["name"]].items()}
    names = list(expected)
    calls = range(golden["samples"])
    answers = [session.run(names, {name: array[call] for name, array in inputs.items()}) for call in calls]
    signal = noise = 0.0
    for index, name in enumerate(names):
        answered = np.stack([answer[index] for answer in answers]).astype(np.float64)
        signal += float(np.square(expected[name].astype(np.float64)).sum())
        noise += float(np.square(answered - expected[name]).sum())
    reached = 10 * math.log10(signal / noise) if noise else math.inf
    print(f"{artifact['name']}: {names[0]} of the first sample: class {int(np.argmax(answers[0][0]))}")
    print(f"{len(answers)} golden samples, SQNR {reached:.1f} dB, at least {artifact['min_sqnr_db']:.1f}")
    return 0 if reached >= artifact["min_sqnr_db"] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
