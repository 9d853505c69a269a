"""What was found of a program's noise floor: the record that builds keep, limits follow and reports print."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OutputFloor(BaseModel):
    """One output's figures, the worst of all runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sqnr_db: float = Field(description="over all samples")
    worst_sample_db: float = Field(description="of the worst single sample")
    varying_db: float | None = Field(None, description="of what depends on the input; absent for a single sample")


class Floor(BaseModel):
    """What noise does to a program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outputs: dict[str, OutputFloor]
    loss_db: float = Field(0, description="how much farther from the float model a run was than the program, at most")
    half: bool = Field(description="whether every result was rounded to half precision, as the file computes")
    runs: int
    samples: int

    @property
    def sqnr_db(self) -> float:
        """The worst output's."""
        return min(output.sqnr_db for output in self.outputs.values())
