"""The two builds of apps/android, Gradle's for users and Maven's check build, are of the same versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ANDROID = Path(__file__).parents[2] / "apps" / "android"
GRADLE = "\n".join(file.read_text() for file in sorted(ANDROID.rglob("*.gradle.kts")))
MAVEN = dict(re.findall(r"<([\w.]+)\.version>([^<]+)</", (ANDROID / "pom.xml").read_text()))


@pytest.mark.parametrize(
    ("property_name", "pattern"),
    [
        ("kotlin", r'kotlin\("[\w.]+"\) version "([^"]+)"'),
        ("bouncycastle", r"org\.bouncycastle:bcprov-jdk18on:([^\"]+)"),
        ("serialization", r"kotlinx-serialization-json:([^\"]+)"),
        ("onnxruntime", r"com\.microsoft\.onnxruntime:onnxruntime(?:-android)?:([^\"]+)"),
    ],
)
def test_gradle_takes_what_the_check_build_compiles_against(property_name: str, pattern: str) -> None:
    assert set(re.findall(pattern, GRADLE)) == {MAVEN[property_name]}


def test_gradle_s_modules_are_the_check_build_s() -> None:
    (included,) = re.findall(r"include\((.*)\)", (ANDROID / "settings.gradle.kts").read_text())
    modules = re.findall(r"<module>(.*)</module>", (ANDROID / "pom.xml").read_text())
    assert re.findall(r'":([\w-]+)"', included) == modules


def test_the_page_s_table_of_runtimes_is_what_gradle_takes() -> None:
    page = (ANDROID.parents[1] / "docs/integrate-android.md").read_text()
    told = re.findall(r"^\| `engine-\w+` \| `([\w.:-]+)`", page, re.MULTILINE)
    assert len(told) == 3
    assert [archive for archive in told if f'"{archive}"' not in GRADLE] == []
