"""Evaluates a MIL program operator by operator, rounding as its types say: what the file means, not how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from edgeship.targets.coreml.operators import OPERATORS
from edgeship.targets.coreml.upstream import Block, MilProgram, Operation, Value

_TORCH = {
    "float16": torch.float16,
    "float32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,  # torch computes little in uint16, and nothing here wraps around
    "int32": torch.int32,
    "bool": torch.bool,
}
_CONTROL_FLOW = {"cond", "while_loop"}
Input = Tensor | str | list[Tensor]
Given = dict[str, Input]
Environment = dict[str, Tensor]


def _operators(block: Block) -> set[str]:
    return {op.kind for op in block.operations}.union(*(_operators(b) for op in block.operations for b in op.blocks))


@dataclass
class Interpreter:
    """Runs `main`; `overflows` collects operators that made an infinity out of finite numbers.

    `exact` computes in float32 what the file says in float16; `watch` is told of every operator, what it took and made.
    """

    program: MilProgram
    overflows: set[str] = field(default_factory=set)
    exact: bool = False
    watch: Callable[[Operation, Given, list[Tensor]], None] | None = None
    _constants: dict[int, Tensor] = field(default_factory=dict)

    def unknown(self) -> list[str]:
        """Operators of the file that cannot be evaluated here."""
        return sorted(_operators(self.program.main) - set(OPERATORS) - _CONTROL_FLOW)

    @torch.inference_mode()
    def run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name; inputs are converted to the types the file declares."""
        main = self.program.main
        environment = {value.name: inputs[value.name].to(self._type(value)) for value in main.inputs}
        results = self._block(main, environment)
        return {value.name: result for value, result in zip(main.outputs, results, strict=True)}

    def _block(self, block: Block, environment: Environment) -> list[Tensor]:
        for operation in block.operations:
            results = self._operation(operation, environment)
            for value, result in zip(operation.outputs, results, strict=True):
                environment[value.name] = result
        return [self._read(value, environment) for value in block.outputs]

    def _operation(self, operation: Operation, environment: Environment) -> list[Tensor]:
        given = {
            name: [self._read(v, environment) for v in value]
            if isinstance(value, list)
            else value.constant
            if isinstance(value.constant, str)
            else self._read(value, environment)
            for name, value in operation.inputs.items()
        }
        if operation.kind == "cond":
            return self._cond(operation, given, environment)
        if operation.kind == "while_loop":
            return self._while(operation, given, environment)
        result = OPERATORS[operation.kind](**{name: _widened(value) for name, value in given.items()})
        results = result if isinstance(result, list) else [result]
        rounded = [tensor.to(self._type(value)) for tensor, value in zip(results, operation.outputs, strict=True)]
        if any(_infinite(tensor) for tensor in rounded) and not any(_infinite(value) for value in given.values()):
            self.overflows.add(operation.name)
        if self.watch is not None:
            self.watch(operation, given, rounded)
        return rounded

    def _type(self, value: Value) -> torch.dtype:
        return torch.float32 if self.exact and value.dtype == "float16" else _TORCH[value.dtype]

    def _cond(self, operation: Operation, given: dict[str, Input], environment: Environment) -> list[Tensor]:
        predicate = given["pred"]
        assert isinstance(predicate, Tensor)
        branch = operation.blocks[0 if bool(predicate) else 1]
        return self._block(branch, dict(environment))

    def _while(self, operation: Operation, given: dict[str, Input], environment: Environment) -> list[Tensor]:
        state = given["loop_vars"]
        assert isinstance(state, list)
        condition, body = operation.blocks
        while bool(self._block(condition, environment | _bind(condition, state))[0]):
            state = self._block(body, environment | _bind(body, state))
        return state

    def _read(self, value: Value, environment: Environment) -> Tensor:
        if value.constant is None:
            return environment[value.name]
        if id(value) not in self._constants:
            array = np.array(value.constant)
            wide = array.astype(np.int32) if array.dtype == np.uint16 else array
            self._constants[id(value)] = torch.from_numpy(wide).to(_TORCH.get(value.dtype, torch.int32))
        return self._constants[id(value)]


def _bind(block: Block, state: list[Tensor]) -> Environment:
    return {value.name: tensor for value, tensor in zip(block.inputs, state, strict=True)}


def _widened(value: Input) -> Input:
    """Floats as float32, so that sums accumulate there; results are rounded to the declared type afterwards."""
    if isinstance(value, list):
        return [v.float() if v.dtype == torch.float16 else v for v in value]
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.float16 else value


def _infinite(value: Input) -> bool:
    if isinstance(value, list):
        return any(_infinite(v) for v in value)
    return isinstance(value, Tensor) and value.is_floating_point() and bool(torch.isinf(value).any())
