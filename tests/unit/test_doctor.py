"""What `doctor` finds out by itself."""

from __future__ import annotations

import py_compile
from pathlib import Path

from edgeship.toolchain.commands.doctor import bytecode


def test_packages_that_every_process_would_compile_anew_are_told_with_the_command_that_helps(tmp_path: Path) -> None:
    source = tmp_path / "package" / "__init__.py"
    source.parent.mkdir()
    source.write_text("")
    assert bytecode(source, writes=True)["found"] == "comes with the first use"
    assert bytecode(source, writes=False)["remedy"] == f"python -m compileall -q {tmp_path}"
    py_compile.compile(str(source))
    assert bytecode(source, writes=False)["found"] == "on disk"
