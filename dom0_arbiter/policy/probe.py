"""An amount of memory that shows only when it is missing: it rises with the evidence at once, and is probed downwards.

As senpai does (facebookincubator/senpai): lower a little, watch for pressure, back off at its first sign, and wait
longer before the next try.
"""

from dataclasses import dataclass

PATIENCE_S = 10.0  # without evidence before it is lowered; doubled each time that proves wrong
PATIENCE_MAX_S = 960.0
HALF_LIFE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """KiB; times in seconds of the guest's clock. `lowered`: whether it was, since the last evidence."""

    kib: float = 0.0
    evident_s: float = 0.0
    patience_s: float = PATIENCE_S
    lowered: bool = False


NOTHING = Probe()


def raise_probe(probe: Probe, kib: float, now_s: float) -> Probe:
    """So much is in use, as pressure shows."""
    patience_s = min(probe.patience_s * 2, PATIENCE_MAX_S) if probe.lowered else probe.patience_s
    return Probe(kib=max(kib, probe.kib), evident_s=now_s, patience_s=patience_s)


def lower_probe(probe: Probe, elapsed_s: float, now_s: float) -> Probe:
    """Nothing was seen in this time: after a while, try with less."""
    lowers_s = min(elapsed_s, now_s - probe.evident_s - probe.patience_s)
    if probe.kib == 0.0 or lowers_s <= 0:
        return probe
    kib = probe.kib * 0.5 ** (lowers_s / HALF_LIFE_S)
    if kib < 1024:
        return NOTHING
    return Probe(kib=kib, evident_s=probe.evident_s, patience_s=probe.patience_s, lowered=True)
