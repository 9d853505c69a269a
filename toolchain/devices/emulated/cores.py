"""The ARM cores that can be stood in for: what each says of itself, and the nearest CPU that qemu has.

Libraries choose their kernels by what /proc/cpuinfo says, not by the instruction set alone. Part numbers, variants and
revisions are MIDR_EL1's in Arm's technical reference manuals; the features are Linux's names for what the core has.
"""

from __future__ import annotations

from dataclasses import dataclass

_V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """One core; `emulated_as` is qemu's CPU with its instruction set, or the nearest to it."""

    part: int
    variant: int
    revision: int
    features: str
    emulated_as: str

    def cpuinfo(self) -> str:
        """/proc/cpuinfo of a machine with one such core."""
        return (
            "processor\t: 0\n"
            "BogoMIPS\t: 100.00\n"
            f"Features\t: {self.features}\n"
            "CPU implementer\t: 0x41\n"
            "CPU architecture: 8\n"
            f"CPU variant\t: 0x{self.variant:x}\n"
            f"CPU part\t: 0x{self.part:03x}\n"
            f"CPU revision\t: {self.revision}\n\n"
        )


CORES = {
    "cortex-a35": Core(0xD04, 0, 2, _V8_0, "cortex-a35"),
    "cortex-a53": Core(0xD03, 0, 4, _V8_0, "cortex-a53"),
    # r0 has no dot product: the first revision is another core to the libraries
    "cortex-a55": Core(0xD05, 2, 0, _V8_2, "cortex-a76"),
    "cortex-a72": Core(0xD08, 0, 3, _V8_0, "cortex-a72"),
    "cortex-a73": Core(0xD09, 0, 2, _V8_0, "cortex-a72"),
    "cortex-a76": Core(0xD0B, 4, 0, _V8_2, "cortex-a76"),
    "cortex-a78": Core(0xD41, 1, 1, _V8_2, "cortex-a76"),
    "cortex-x1": Core(0xD44, 1, 0, _V8_2, "cortex-a76"),
}
