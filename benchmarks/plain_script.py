"""What a user writes without edgeship: the artifacts of examples/digits one after another, in one process.

The same passes and exports, called directly, each program made once and used for all runtimes. Nothing is cached,
verified or reported. `python -m benchmarks.plain_script OUT`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgeship.targets.coreai.target import CoreAI
from edgeship.targets.coreml.target import CoreML
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.onnx.target import Onnx
from edgeship.targets.torchscript.target import TorchScript
from edgeship.toolchain.api import FLOAT32, Context, Samples, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten, load, save
from edgeship.toolchain.passes.cast import CastFp16
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
VARIANTS = {"float": None, "fp16": CastFp16(), "int8": QuantizeStatic(), "int8-dynamic": QuantizeDynamic()}
TARGETS = {
    "executorch": ExecuTorch(),
    "onnx": Onnx(),
    "litert": LiteRT(),
    "coreml": CoreML(),
    "coreai": CoreAI(),
    "torchscript": TorchScript(),
}


def main(out: Path) -> None:
    """Load, export, quantize, convert."""
    sys.path.append(str(DIGITS))
    import data
    import torch
    from model import build
    from safetensors.torch import load_file

    from edgeship.calibration.selection import select

    net = build()
    net.load_state_dict(load_file(DIGITS / "digits.safetensors"))
    images, labels = data.calibration()
    samples = select(Samples({"image": images[:, None]}, labels), 128, "stratified")
    signature = Signature(
        (Tensor(name="image", dtype="float32", shape=("batch", 1, 32, 32)),),
        (Tensor(name="logits", dtype="float32", shape=("batch", 10)),),
        {"batch": (1, 16)},
    )
    example = (torch.from_numpy(np.ascontiguousarray(samples.inputs["image"][0])),)
    out.mkdir(parents=True)
    program = export(flatten(net.eval(), 1).eval(), example, signature)
    made = 0
    for variant, step in VARIANTS.items():
        spec = step.spec(FLOAT32) if step else FLOAT32
        context = Context(signature, FLOAT32, example=example, calibration=samples)
        ready = step.apply(program, context) if step else program
        save(ready, out / f"{variant}.pt2")
        for name, target in TARGETS.items():
            if target.unsupported(spec, signature.is_dynamic):
                continue
            folder = out / f"{variant}-{name}"
            folder.mkdir(parents=True)
            # loaded for each: exporters change the program they are given (its dynamic sizes become fixed)
            target.export(load(out / f"{variant}.pt2"), folder, Context(signature, spec, example=example))
            made += 1
    print(f"{made} artifacts")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
