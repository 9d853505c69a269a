"""Does one output agree with what was expected, or can nobody tell: outputs that hardly depend on their inputs.

An output whose spread over the samples lies below the limit's own noise would let a constant pass. There the part that
depends on the input is compared, with the mean over the samples removed from both sides. Where even that part is
smaller than the numbers' rounding, nothing is proven either way: that is `undecided`, never an agreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgeship.toolchain.floor import Floor
from edgeship.toolchain.judge.limits import MARGIN_DB, WORST_SAMPLE_DB, WORST_SAMPLE_MARGIN_DB
from edgeship.toolchain.judge.parity import OutputParity, Parity
from edgeship.toolchain.stats import MAX_SQNR_DB

PROGRAM, MODEL = "its own program", "the float model"
FLOAT32_STEP = 1e-6
"""The finest spread that counts in float32, relative to the magnitude: 8 units in the last place."""
FLOAT32_NOISE_DB = 100.0
"""What rounding alone leaves of a sound float32 file: 105 dB is the worst measured (ExecuTorch, MobileNetV2)."""
LEAST_DB = 10.0
"""Below this a spread and its rounding cannot be told apart."""
INTEGER_STEPS = 255
TINY = 1e-6
"""Values below it have no magnitude in int8 or half: an untrained MobileNetV2 answers 1e-9, its int8 file exactly 0."""
DEAD = 0.1
"""An answer with less than this share of the expected spread does not follow its input."""


@dataclass(frozen=True)
class Agreement:
    """What was found for one output; `reason` says why it differs, or why nobody can tell."""

    output: str
    outcome: Literal["agrees", "differs", "undecided"]
    reason: str = ""
    constant: bool = False
    """Undecided only because the expected output never changes, and the answer is the same value."""


@dataclass(frozen=True)
class Question:
    """What the outputs of an artifact are asked: to reach `limit_db` against `what` they are compared with."""

    what: str
    """'its own program'."""
    limit_db: float
    spec: str
    exact: bool
    """Whether only float32 rounding lies between the two sides."""
    outputs: Mapping[str, float] = field(default_factory=dict)
    """The limit of an output that has one of its own."""
    floor: Floor | None = None
    """Where the limits come from, if they are not fixed."""

    def least_db(self, output: str) -> float:
        """The limit for one output."""
        return self.outputs.get(output, self.limit_db)

    def least_varying_db(self, output: str) -> float:
        """The same for what of it depends on the input."""
        known = self.floor.outputs.get(output) if self.floor else None
        limit_db = self.least_db(output)
        return limit_db if known is None or known.varying_db is None else min(limit_db, known.varying_db - MARGIN_DB)


def agreements(found: Parity, asked: Question, decisive: Sequence[Question] = ()) -> list[Agreement]:
    """One per output: whether it reaches its limit.

    `decisive` are all questions that the artifact is asked: of an output that is steadier than the highest limit among
    them, a constant would pass too, so it is compared without its mean.
    """
    several = len(found.outputs) > 1
    return [_agreement(output, asked, [asked, *decisive], several) for output in found.outputs]


def _agreement(output: OutputParity, asked: Question, decisive: Sequence[Question], several: bool) -> Agreement:
    name = f"output {output.name!r}"
    place = f" in {name}" if several else ""
    what, spec, exact, limit_db = asked.what, asked.spec, asked.exact, asked.least_db(output.name)
    decisive_db = max(question.least_db(output.name) for question in decisive)
    step = FLOAT32_STEP * output.value_range if exact else max(output.value_range / INTEGER_STEPS, TINY)
    if output.magnitude == 0 and output.max_abs == 0:
        return Agreement(output.name, "undecided", f"the expected {name} is zero everywhere: it proves nothing")
    if not exact and output.sqnr_db < limit_db and output.value_range < TINY and output.max_abs < TINY:
        reason = f"{name} never exceeds {output.value_range:.1g}, which {spec} cannot tell from zero"
        return Agreement(output.name, "undecided", reason)
    if output.answer_magnitude == 0:
        return Agreement(output.name, "differs", f"{name} is zero everywhere")
    if output.variation is not None and output.variation < DEAD and output.spread and output.spread > step:
        same = "the same" if output.variation == 0 else "nearly the same"
        return Agreement(output.name, "differs", f"{name} is {same} for every input, where {what} varies")
    if output.sqnr_db < limit_db:
        reason = f"SQNR against {what} is {output.sqnr_db:.1f} dB{place}, less than {limit_db:.3g} dB for {spec}"
        return Agreement(output.name, "differs", reason)
    if output.constancy_db is None or output.constancy_db < decisive_db:
        return Agreement(output.name, "agrees")
    return _without_mean(output, asked, name)


def _without_mean(output: OutputParity, asked: Question, name: str) -> Agreement:
    """Of an output that hardly depends on its input: what is left when the means are removed."""
    assert output.spread is not None
    assert output.constancy_db is not None
    what, exact, limit_db = asked.what, asked.exact, asked.least_varying_db(output.name)
    if output.spread == 0:
        steady = output.varying_sqnr_db == MAX_SQNR_DB
        return Agreement(output.name, "undecided", f"{name} is the same for every input", constant=steady)
    hardly = f"{name} hardly depends on the input (it varies by {output.spread / output.magnitude:.1g} of its size)"
    if output.varying_sqnr_db is None:
        return Agreement(output.name, "undecided", f"{hardly}, and one sample shows nothing of that")
    if exact and output.spread <= FLOAT32_STEP * output.value_range:
        return Agreement(output.name, "undecided", f"{hardly}: no more than float32 rounds")
    resolved_db = FLOAT32_NOISE_DB - output.constancy_db if exact else limit_db
    if output.varying_sqnr_db >= min(limit_db, max(resolved_db, LEAST_DB)):
        return Agreement(output.name, "agrees")
    reason = f"{hardly}; without its mean the SQNR against {what} is {output.varying_sqnr_db:.1f} dB"
    if exact and resolved_db >= LEAST_DB:
        return Agreement(output.name, "differs", f"{reason}, where rounding leaves {min(limit_db, resolved_db):.0f} dB")
    return Agreement(output.name, "undecided", f"{reason}, which the numbers' own rounding may explain")


def bad_samples(found: Parity, judged: Sequence[Agreement], asked: Question) -> list[str]:
    """Single samples far below the others, in outputs that agree all together."""
    agreeing = {one.output for one in judged if one.outcome == "agrees"}

    def least_db(output: str) -> float:
        least = asked.least_db(output) - WORST_SAMPLE_DB
        known = asked.floor.outputs.get(output) if asked.floor else None
        return least if known is None else min(asked.least_db(output), known.worst_sample_db - WORST_SAMPLE_MARGIN_DB)

    return [
        f"one sample lies at {output.worst_sample_sqnr_db:.1f} dB against its own program, all together at "
        f"{output.sqnr_db:.1f} dB"
        for output in found.outputs
        if output.name in agreeing and output.worst_sample_sqnr_db < least_db(output.name)
    ]


def open_questions(judged: Sequence[Agreement]) -> tuple[list[str], list[str]]:
    """(why nobody can tell, what is worth a note) of outputs that are undecided.

    Of each output what was said last: against the float model, where it was compared with it. One that is constant by
    design (anchors) is only noted, where another output shows that the model is alive.
    """
    alive = any(one.outcome == "agrees" for one in judged)
    undecided = [one for one in judged if one.outcome == "undecided"]
    reasons = {one.output: one.reason for one in undecided if not (alive and one.constant)}
    notes = {one.output: one.reason for one in undecided if alive and one.constant}
    return list(reasons.values()), list(notes.values())
