"""The HTML report says what happened: facts of the rendered page, not its pixels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_documents as documents
from report_documents import execution, line, report, stopped

from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.html import render, write_html

VARIANTS = ("float", "fp16", "int8", "int8-dynamic")


class Text(HTMLParser):
    """What a reader sees, and which files are linked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "script")
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(document: Report) -> str:
    return Text(render(document)).text


def test_the_file_to_ship_comes_before_everything_but_the_verdict() -> None:
    page = Text(render(report([line(variant) for variant in VARIANTS])))
    ship, results = page.text.index("Ship this"), page.text.index("Results")
    card = page.text[ship:results]
    for figure in ("int8", "27 kB", "0.11× float", "0.207 ms", "0.69× float", "99.3%", "the fastest of 4 that pass"):
        assert figure in card
    assert page.links[0] == "artifacts/net-int8-onnx/model.onnx"


def test_a_beaten_file_is_named_with_what_beats_it() -> None:
    text = read(report([line("float"), line("int8")]))
    assert "float beaten by int8" in text
    assert "int8 ship" in text


def test_without_a_task_metric_the_card_tells_the_sqnr() -> None:
    text = read(report([line("int8", "onnx", execution("w8a8-static", accuracy=None))]))
    assert "int8 27 kB 0.207 ms 36.0 dB to float" in text
    assert "top1" not in text


def test_a_target_without_a_file_to_ship_says_why() -> None:
    failing = execution("float32", verdict="fail", sqnr_db=3)
    text = read(report([line("float", "litert", failing), stopped("int8", "litert", "failed", "out of memory")]))
    assert "litert nothing 1 fail, 1 could not be made" in text


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        ([line("float")], "good", "1 ✓ pass"),
        ([line("float"), line("int8", "onnx", execution("w8a8-static", verdict="fail"))], "bad", "1 ✗ fail"),
        ([line("float", "onnx", execution("float32", verdict="unverifiable"))], "unproven", "1 ? unverifiable"),
        ([line("float", "onnx", execution("float32", verdict="not-executed"))], "unproven", "1 – not executed"),
        ([stopped("float", "coreai", "unsupported", "it has no such type")], "unproven", "1 · unsupported"),
    ],
)  # fmt: skip
def test_the_banner_counts_every_outcome_and_is_green_only_where_something_passed(lines, kind, said) -> None:  # type: ignore[no-untyped-def]
    page = render(report(lines))
    assert re.search(r'<section class="banner (\w+)', page)[1] == kind  # type: ignore[index]
    assert said in Text(page).text


def test_reasons_hints_and_warnings_stand_in_the_banner() -> None:
    warned = line("int8")
    warned.warnings = ["3 samples of class 7"]
    lines = [line("float"), warned, stopped("int8-dynamic", "onnx", "failed", "no such <operator>")]
    page = render(report(lines, warnings=["net: judged on its own calibration data"]))
    banner = Text(page[page.index("<section") : page.index("</section>")]).text
    for said in (
        "int8-dynamic → onnx : no such <operator> (name another target)",
        "net: judged on its own calibration data",
        "3 samples of class 7 (net int8 → onnx)",
    ):
        assert said in banner


def test_an_unverifiable_line_shows_how_little_its_outputs_vary() -> None:
    unproven = execution("float32", verdict="unverifiable").model_copy(update={"spread": 0.0004})
    text = read(report([line("float", "onnx", unproven)]))
    assert "untrained? outputs vary over the inputs by 0.0004 of their size" in text
    assert "untrained? spread 0.0004" in text


def test_a_run_that_measured_nothing_does_not_speak_of_launches() -> None:
    text = read(report([line("float", "onnx", execution("float32", latency_ns=0))], measured=False))
    assert "Latency and memory were not measured" in text
    assert "launch" not in text
    assert "median ms" not in text


def test_the_launches_told_are_those_that_happened() -> None:
    few = execution("w8a8-static")
    few.measurements[0].launches = 3
    text = read(report([line("float"), line("int8", "onnx", few)], protocol={"launches": 9, "seconds": 2.0}))
    assert "3 to 5 launches per file" in text
    assert "each of 2.0 s" in text


def test_a_metric_of_few_samples_stands_beside_the_float_model_on_the_same_ones() -> None:
    slow = line("float", "coreai", execution("float32", accuracy=1.0, samples=64))
    text = read(report([line("float"), slow]))
    assert "100.0% of 64 (float 99.5%)" in text


def test_the_limits_are_those_that_judged_with_parts_and_the_recipe_s_own() -> None:
    mixed, own = line("int8"), line("int8-dynamic")
    mixed.spec = "w8a8-static{head=float32}"
    judged = own.executions[0].threshold
    assert judged is not None
    own.executions[0].threshold = judged.model_copy(update={"float_db": 22.5})
    pruned = line("fp16")
    pruned.changes_model = True
    text = read(report([mixed, own, pruned]))
    assert "w8a8-static{head=float32} ≥ 25.0 dB fixed ≥ 15.0 dB ≤ 2.0 dB 1 onnx" in text
    assert "w8a8-dynamic ≥ 25.0 dB fixed ≥ 22.5 dB the recipe's" in text
    assert "float16 pruned or trained ≥ 60.0 dB fixed –" in text
    assert "weights" not in text[text.index("How this was measured") : text.index("Environment")]


def test_model_data_and_device_facts_are_told() -> None:
    text = read(report([line("float")]))
    for fact in (
        "61.7 k parameters, 3.4 M MACs, takes image batch×1×32×32 float32",
        "calibrated on 128 samples of 10 classes; judged on 200 samples of 10 classes",
        "python ./data.py:evaluation",
        "a board, aarch64",
        "4.0 GB",
        "image 1×1×32×32 onnxruntime 1.32.0",
    ):
        assert fact in text


def test_each_device_has_rows_a_plot_and_facts() -> None:
    ran = [execution("float32"), execution("float32", "phone", latency_ns=2.7e6)]
    page = render(report([line("float", "onnx", *ran)]))
    text = Text(page).text
    assert "latency on local" in text
    assert "latency on phone" in text
    assert text.count("✓ pass") >= 3  # the count and two rows
    assert len(re.findall(r'<td data-label="device">(local|phone)</td>', page)) == 2


def test_links_are_relative_and_nothing_is_fetched() -> None:
    odd = line("int8")
    odd.path = "artifacts/net int8#2/a b.onnx"
    page = Text(render(report([line("float"), odd])))
    assert page.links.count("artifacts/net%20int8%232/a%20b.onnx") == 3  # the card, the table, the details
    assert not [link for link in page.links if re.match(r"(\w+:|/)", link)]
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("script") == 1


def test_every_table_can_be_sorted_and_names_its_columns() -> None:
    page = render(report([line(variant, target) for variant in VARIANTS for target in ("onnx", "litert")]))
    tables = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    assert len(tables) == 6
    for table in tables:
        assert "sortable" in table
        assert len(re.findall('<th scope="col"', table)) == len(re.findall("<th[ >]", table))
    results = tables[0]
    widths = {len(re.findall("<t[dh]", row)) for row in re.findall(r"<tr.*?</tr>", results, flags=re.DOTALL)}
    assert len(widths) == 1  # a shifted cell would sort wrongly
    assert 'data-value="27000"' in results


def test_one_line_and_many_long_ones_are_drawn() -> None:
    render(report([line("int8")]))
    render(report([]))
    names = [f"{variant}-with-a-long-name-{i}" for i in range(10) for variant in VARIANTS]
    page = render(report([line(name, size_bytes=20_000 + 999 * i) for i, name in enumerate(names)]))
    assert page.count('<tr class="') >= 40


def long_report() -> Report:
    """24 lines with long names."""
    return report(
        [
            line(f"{variant}-{'long-' * 8}{i}", target, model=f"model_{'x' * 30}{i}", size_bytes=90_000 - 999 * i)
            for variant in VARIANTS
            for target in ("onnx", "executorch")
            for i in range(3)
        ]
    )


def chromium(folder: Path, *arguments: str) -> str:
    """What headless Chromium says to a page of `folder`."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-pdf-header-footer",
               f"--user-data-dir={folder / 'profile'}", *arguments]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_no_wider_than_its_window_and_a_head_sorts(tmp_path: Path, width: int) -> None:
    page = write_html(long_report(), tmp_path / "report.html")
    acts = """<script>
      document.title = document.documentElement.scrollWidth - innerWidth;
      const head = [...document.querySelectorAll('.results th')].find(cell => cell.textContent === 'size');
      head.firstChild.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
    </script></body>"""
    page.write_text(page.read_text().replace("</body>", acts))
    dom = chromium(tmp_path, f"--window-size={width},900", "--dump-dom", page.as_uri())
    assert "<title>0</title>" in dom
    sizes = [int(value) for value in re.findall(r'data-label="size" data-value="(\d+)"', dom)]
    assert len(sizes) == 24
    assert sizes == sorted(sizes)
    assert dom.count('aria-sort="ascending"') == 1


@pytest.mark.slow
@needs_chromium
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_every_printed_page_of_the_table_has_its_head_and_no_column_is_cut(tmp_path: Path) -> None:
    page = write_html(long_report(), tmp_path / "report.html")
    chromium(tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}", page.as_uri())
    text = subprocess.run(["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True)
    table = [sheet for sheet in text.stdout.split("\f") if re.search(r"dB +\d+ kB", sheet)]
    assert len(table) > 1
    for sheet in table:
        heads = re.findall(r"^ *model +variant.*", sheet, flags=re.MULTILINE)
        assert heads, sheet
        assert heads[0].rstrip().endswith("file")


def test_the_page_needs_no_torch() -> None:
    code = "import sys, edgeship.toolchain.report.html; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_documents_of_this_file_are_valid_reports() -> None:
    made = report([line("float"), stopped("int8", "onnx", "unsupported", "no")])
    assert Report.model_validate_json(made.model_dump_json(by_alias=True)) == made
    assert documents.MACHINE["cpu"]
