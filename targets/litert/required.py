"""The operators that a selective build of LiteRT needs for files: what its interpreter looks up when it loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeship.targets.litert.inspect import read_model
from edgeship.targets.litert.upstream import operator_names

LIST = "required_operators.txt"


def write_required(files: Mapping[str, Path], out: Path) -> list[str]:
    """Write the list for the .tflite files of these names into `out`; answer the operators.

    A line is `builtin NAME FROM TO`, a BuiltinOperator with the versions that are met, or `custom NAME`.
    """
    builtin: dict[str, list[int]] = {}
    custom: set[str] = set()
    for file in files.values():
        for code in read_model(file).operatorCodes:
            name = operator_names()[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name == "CUSTOM" and code.customCode:
                custom.add(code.customCode.decode())
            else:
                builtin.setdefault(name, []).append(code.version)
    lines = [f"# {name}" for name in files]
    lines += [f"builtin {name} {min(versions)} {max(versions)}" for name, versions in sorted(builtin.items())]
    lines += [f"custom {name}" for name in sorted(custom)]
    (out / LIST).write_text("\n".join(lines) + "\n")
    return [*sorted(builtin), *sorted(custom)]
