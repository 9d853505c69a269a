"""What a user downloads: file and runtime together, and nothing invented where a figure is not known."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from bundles import Sound, ring
from report_documents import line, report

from edgeship.apps.board.tree import tree
from edgeship.toolchain import registry
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.measure.deflate import deflated_bytes, of_artifact
from edgeship.toolchain.report.downloads import downloads, downloads_of, libraries
from edgeship.toolchain.report.html import render
from edgeship.toolchain.report.terminal.bundle import downloads_view
from edgeship.toolchain.report.terminal.table import FittedTable


def test_every_runtime_of_ours_is_told_of_and_no_other() -> None:
    assert {library.runtime for library in libraries()} == set(registry.runtimes())


def test_a_figure_has_a_source_and_a_date_and_what_has_none_says_why() -> None:
    for library in libraries():
        place = f"{library.runtime} {library.platform}"
        if library.size_bytes is None:
            assert (library.compressed_bytes, library.archive, library.files) == (None, "", ()), place
            assert library.note, place
        elif library.size_bytes:
            assert library.compressed_bytes, place
            assert library.compressed_bytes < library.size_bytes, place
            assert re.fullmatch(r"(npm|pypi|maven):\S+\d", library.archive.removesuffix(":aar")), place
            assert library.measured_at, place
        assert not library.stand_in or library.note, place


def test_files_and_folders_shrink_as_a_store_s_zip_does(tmp_path: Path) -> None:
    folder = tmp_path / "model.mlpackage"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(100_000))
    (folder / "spec").write_bytes(bytes(range(256)) * 40)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in folder.iterdir():
            packed.write(file)
        expected = sum(entry.compress_size for entry in packed.infolist())
    assert deflated_bytes([folder]) == pytest.approx(expected, abs=4)
    assert 0 < deflated_bytes([folder]) < 2000


def test_a_file_is_deflated_once(tmp_path: Path) -> None:
    artifact, store = line("float").artifact, Store(tmp_path / "cache")
    assert artifact is not None
    file = tmp_path / artifact.file
    file.write_bytes(bytes(100_000))
    size_bytes = of_artifact(artifact, tmp_path, store)
    assert size_bytes == deflated_bytes([file])
    file.unlink()
    assert of_artifact(artifact, tmp_path, store) == size_bytes


def test_the_page_adds_up_what_is_known_for_the_files_to_ship() -> None:
    lines = [line("float"), line("int8"), line("int8", "litert")]
    for one in lines:
        if one.artifact:
            runtime = one.artifact.runtime.model_copy(
                update={"name": {"onnx": "onnxruntime"}.get(one.target, one.target)}
            )
            one.artifact = one.artifact.model_copy(update={"runtime": runtime})
    document = report(lines)
    for one in document.lines:
        one.compressed_bytes = 20_000 if one.recommended else None
    found = downloads(document)
    assert {one.name for one in found} == {"net int8 → onnx", "net int8 → litert"}
    told = {(one.name, one.library.platform): one.together_bytes for one in found}
    assert told["net int8 → onnx", "Android"] is None
    browser = next(each for each in libraries() if (each.runtime, each.platform) == ("onnxruntime", "browser"))
    assert told["net int8 → onnx", "browser"] == 20_000 + (browser.compressed_bytes or 0)
    page = render(document)
    section = page[page.index('id="downloads"') :]
    section = section[: section.index("</section>")]
    assert section.count("<tr") == len(found) + 1
    assert "not known" in section
    assert "3.70 MB" in section


def test_a_run_without_a_file_to_ship_has_no_such_table() -> None:
    assert 'id="downloads"' not in render(report([]))


def test_a_bundle_s_artifacts_are_told_with_their_runtimes(tmp_path: Path) -> None:
    sound = Sound.make(ring(tmp_path / "keys"))
    place = sound.write(tmp_path / "b.zip")
    found = downloads_of(sound.manifest, tree(place).open)
    assert {one.name for one in found} == {"int8-onnx", "int8-executorch"}
    assert {one.compressed_bytes for one in found if one.name == "int8-onnx"} == {len(b"an ONNX file") + 2}
    tables = [part for part in downloads_view(found) if isinstance(part, FittedTable)]
    assert [len(table.rows) for table in tables] == [len(found)]
    assert any(cell == "not known" for row in tables[0].rows for cell in row)
