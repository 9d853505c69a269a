"""Fetches the Android archives that can be had here, as data: their classes are compiled against, their libraries read.

`python tests/android_archives.py FOLDER`: archives lie in FOLDER/archives, their classes in FOLDER/repository, which
Maven reads. Nothing that is there already is fetched again. None of it is committed, shipped or run.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

EXECUTORCH = "react-native-executorch@0.6.0"  # MIT; has the classes of ExecuTorch's own archive, about 1.0
EXECUTORCH_CLASSES = "package/android/libs/classes.jar"
LITERT = {  # 2.17.0 only leads to Google's Maven
    "tensorflow-lite": "2.16.1",
    "tensorflow-lite-api": "2.16.1",
    "tensorflow-lite-gpu": "2.16.1",
    "tensorflow-lite-gpu-api": "2.14.0",  # later ones are not there; it has the options alone
}
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>edgeship.fetched</groupId>
  <artifactId>{name}</artifactId>
  <version>1</version>
</project>
"""


def main(folder: Path) -> None:
    """Everything that is missing."""
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    tarball = archives / f"{EXECUTORCH.replace('@', '-')}.tgz"
    if not tarball.exists():
        _fetch(["npm", "pack", "--silent", EXECUTORCH], tarball)
    with tarfile.open(tarball) as opened:
        stream = opened.extractfile(EXECUTORCH_CLASSES)
        assert stream is not None
        _provide(folder, "executorch", stream.read())
    for name, version in LITERT.items():
        archive = archives / f"{name}-{version}.aar"
        if not archive.exists():
            artifact = f"-Dartifact=org.tensorflow:{name}:{version}:aar"
            _fetch(["mvn", "--quiet", COPY, artifact, "-DoutputDirectory=."], archive)
        with zipfile.ZipFile(archive) as opened_zip:
            _provide(folder, name, opened_zip.read("classes.jar"))


def _fetch(command: list[str], archive: Path) -> None:
    """Run a package manager that leaves `archive` in its working folder."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
        (Path(work) / archive.name).rename(archive)


def _provide(folder: Path, name: str, classes: bytes) -> None:
    """Put a jar where Maven finds it as edgeship.fetched:NAME:1."""
    place = folder / "repository/edgeship/fetched" / name / "1"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for suffix, content in (("jar", classes), ("pom", POM.format(name=name).encode())):
        file = place / f"{name}-1.{suffix}"
        file.write_bytes(content)
        file.with_name(f"{file.name}.sha1").write_text(hashlib.sha1(content).hexdigest())  # Maven warns without


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
