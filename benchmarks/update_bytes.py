"""What a board receives for a model that was trained on: digits (61 k parameters) and MiniLM (22.6 M, 90 MB).

Each is finetuned for a moment, once its last layer alone and once whole; all three become bundles of one file each, a
site has the first, a board installs it, and updates to what is then published: bytes by the server's loopback address.
The last layer of digits is its head; MiniLM has none, it is the last projection of its last encoder layer.

About 20 minutes on one core; --quick takes digits only. `make weights` first.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

from benchmarks.lines import EDGESHIP, bounded
from benchmarks.results import ROOT, Goal, Results, at_most, say
from edgeship.apps.board import delta, trust
from edgeship.apps.board.download import connected
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.updates import Updated, update
from edgeship.apps.board.verify import ENVELOPE, Device, digests, verify
from edgeship.toolchain.bundle.publish import publish

if TYPE_CHECKING:
    import torch
    from torch import nn

LAST_LAYER = {"digits": "head.", "minilm": "encoder.layer.5.output.dense."}
LINES = {
    "digits": (("float", "onnx"), ("int8", "onnx"), ("int8", "executorch")),
    "minilm": (("float", "onnx"), ("int8-dynamic", "onnx"), ("int8-dynamic", "executorch")),
}
WEIGHTS = {"digits": "digits.safetensors", "minilm": "weights/model.safetensors"}
MINUTES = 30
LARGEST_OF_HEAD = 0.1
"""Of a 90-MB file, for its last layer."""


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """A new last layer costs a tenth of the file; a board writes no more than the bundle."""
    for model, row in rows.items():
        for line, found in row["lines"].items():
            if model == "minilm":
                part = found["last_layer"]["bytes"] / found["file_bytes"]
                yield at_most(f"last-layer-to-file/{line}", round(part, 4), LARGEST_OF_HEAD)


def main() -> None:
    """Measure the models that were named, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LINES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="digits only, results not kept for the pages")
    options = parser.parse_args()
    results = Results("update_bytes", options.quick)
    for model in options.names or (["digits"] if options.quick else LINES):
        with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as folder:
            results.put(model, measured(model, Path(folder)), goals)
    results.finish(goals)


def measured(model: str, folder: Path) -> dict[str, Any]:
    """A model's three runs, and what a board receives from one to the others."""
    trained: dict[str, Callable[[Path], None]] = {
        "before": lambda file: None,
        "last_layer": partial(finetune, model, LAST_LAYER[model]),
        "all_layers": partial(finetune, model, ""),
    }
    for version, (name, train) in enumerate(trained.items(), 1):
        example = folder / name / "example"
        shutil.copytree(ROOT / "examples" / model, example)
        shorten(example)
        train(example / WEIGHTS[model])
        run(folder / name, model, version)
    found = {f"{variant} {target}": line(folder, f"{variant}-{target}") for variant, target in LINES[model]}
    return {"weights_bytes": (ROOT / "examples" / model / WEIGHTS[model]).stat().st_size, "lines": found}


def shorten(example: Path) -> None:
    """Bytes are all that is looked at: MiniLM's verdict is by few sentences, and its limit wide."""
    recipe, sentences = example / "recipe.toml", example / "retrieval.jsonl"
    recipe.write_text(recipe.read_text().replace("max_metric_drop = 0.06", "max_metric_drop = 0.5"))
    if sentences.exists():
        sentences.write_text("".join(sentences.read_text().splitlines(keepends=True)[:40]))


def run(folder: Path, model: str, version: int) -> None:
    """`edgeship run` of the example in a folder, and a bundle of each of its lines; all folders share their keys."""
    say(f"{model}: {folder.name}: edgeship run")
    environment = {"EDGESHIP_HISTORY": "", "EDGESHIP_KEYS": str(folder.parent / "keys")}
    chosen = [word for variant, target in LINES[model] for word in ("--variant", variant, "--target", target)]
    command = [str(EDGESHIP), "run", str(folder / "example" / "recipe.toml"), "--runs", str(folder / "runs"), *chosen]
    bounded([*command, "--no-measure"], MINUTES, folder / "log.txt", environment)
    for variant, target in LINES[model]:
        out = folder / f"{variant}-{target}.zip"
        bundle = [str(EDGESHIP), "bundle", str(folder / "runs"), "--variant", variant, "--target", target]
        numbered = [*bundle, "--bundle-version", str(version), "--out", str(out)]
        subprocess.run(numbered, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def line(folder: Path, name: str) -> dict[str, Any]:
    """What a board receives for one file: at first, and for each of the trainings after it."""
    root = trust.anchor((folder / "keys" / "roots" / "1.json").read_bytes())
    row: dict[str, Any] = {}
    for later in ("last_layer", "all_layers"):
        site, slots = folder / f"{name}-{later}-site", Slots(folder / f"{name}-{later}-store")
        for version in ("before", later):
            verified = verify(folder / version / f"{name}.zip", root, Device(trust.now()))
            publish(verified, site, keep=1)
            row[version] = received(site, slots, root)
        row["file_bytes"] = verified.manifest["artifacts"][0]["size_bytes"]
        row["bundle_bytes"] = sum(digests(verified.manifest).values())
        row[later]["manifest_bytes"] = (site / ENVELOPE).stat().st_size
    say(f"{name}: {row}")
    return row


def received(site: Path, slots: Slots, root: trust.Root) -> dict[str, int]:
    """One update of a board, which finds it good; without what the manifest takes."""
    with serving(site) as url, connected(url, None) as server:
        updated: Updated = update(server, slots, root, Device(trust.now()), delta.library())
        slots.start()
        slots.found_good()
        own = (site / ENVELOPE).stat().st_size
        return {"bytes": server.received - own, "whole": updated.whole, "deltas": updated.deltas}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The folder's address."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def finetune(model: str, layers: str, file: Path) -> None:
    """Train the parameters whose names begin like this for a moment, and write them back."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    tensors = load_file(str(file))
    network, losses, rate = (digits if model == "digits" else minilm)()
    network.load_state_dict(tensors, strict=False)
    chosen = [parameter for name, parameter in network.named_parameters() if name.startswith(layers)]
    network.train(mode=not layers)  # what is frozen keeps its batch norm's statistics
    optimizer = torch.optim.AdamW(chosen, lr=rate)
    for loss in losses(network):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = network.state_dict()
    save_file({name: trained.get(name, tensor).contiguous() for name, tensor in tensors.items()}, str(file))


def digits() -> tuple[nn.Module, Callable[[nn.Module], Iterator[torch.Tensor]], float]:
    """Two epochs of freshly distorted pictures."""
    import torch
    from torch.nn.functional import cross_entropy

    data = run_path(str(ROOT / "examples" / "digits" / "data.py"))
    distort, train_split = data["distort"], data["train_split"]

    def losses(network: nn.Module) -> Iterator[torch.Tensor]:
        images, labels = train_split()
        for seed in (2001, 2002):
            distorted, targets = torch.from_numpy(distort(images, seed)), torch.from_numpy(labels)
            for rows in torch.randperm(len(labels)).split(64):
                yield cross_entropy(network(distorted[rows]), targets[rows], label_smoothing=0.05)

    return built("digits"), losses, 5e-4


def minilm() -> tuple[nn.Module, Callable[[nn.Module], Iterator[torch.Tensor]], float]:
    """One epoch of contrastive learning: a sentence in two forms of dropout is nearer to itself than to the others."""
    import torch
    from torch.nn.functional import cross_entropy, dropout
    from transformers import AutoTokenizer

    def losses(network: nn.Module) -> Iterator[torch.Tensor]:
        example = ROOT / "examples" / "minilm"
        sentences = (example / "calibration.txt").read_text().splitlines()
        tokenizer = AutoTokenizer.from_pretrained(example / "weights")
        for start in range(0, len(sentences), 16):
            batch = sentences[start : start + 16]
            taken = tokenizer(batch, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
            answers = network(taken["input_ids"], taken["attention_mask"])
            similarity = dropout(answers, 0.1) @ dropout(answers, 0.1).T / 0.05
            yield cross_entropy(similarity, torch.arange(len(batch)))

    return built("minilm"), losses, 2e-5


def built(model: str) -> nn.Module:
    """An example's network, untrained."""
    network: nn.Module = run_path(str(ROOT / "examples" / model / "model.py"))["build"]()
    return network


if __name__ == "__main__":
    main()
