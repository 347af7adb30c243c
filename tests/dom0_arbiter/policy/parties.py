"""Parties for tests: what is not said is comfortable."""

from dom0_arbiter.policy import Party

MIB = 1024


def party(
    domid: int,
    *,
    target: int,
    actual: int | None = None,
    working_set: int,
    floor: int = 64,
    headroom: int = 32,
    reserved: int = 0,
    surge: int = 0,
    ceiling: int = 4096,
    least: int = 0,
    weight: int = 256,
    may_grow: bool = True,
) -> Party:
    """All amounts in MiB."""
    actual = target if actual is None else actual
    secured = min(working_set + reserved, ceiling)
    need = max(secured, min(working_set + headroom, ceiling))
    pressing = max(secured, (working_set + need) // 2)
    return Party(
        domid=domid,
        weight=weight,
        target_kib=target * MIB,
        actual_kib=actual * MIB,
        held_kib=max(target, actual) * MIB if actual <= target else (actual - 1) * MIB,
        dynamic_min_kib=64 * MIB,
        floor_kib=floor * MIB,
        working_set_kib=working_set * MIB,
        secured_kib=secured * MIB,
        pressing_kib=pressing * MIB,
        need_kib=need * MIB,
        surge_kib=min(need + surge, ceiling) * MIB,
        comfort_kib=min(need + max(surge, headroom), ceiling) * MIB,
        ceiling_kib=ceiling * MIB,
        least_kib=least * MIB,
        may_grow=may_grow,
    )
