"""Dividing an amount by weight, nobody getting more than it can use: weighted max-min fairness."""

from collections.abc import Sequence


def fill(budget_kib: int, caps_kib: Sequence[int], weights: Sequence[int]) -> list[int]:
    """Return a share for each cap, in proportion to the weights (at least 1) but never above the cap.

    All of the budget is handed out, or all caps are reached; what rounding leaves goes to the first that can use it.
    Source: progressive filling, Bertsekas and Gallager, Data Networks (1992), 6.5.2.
    """
    shares_kib = [0] * len(caps_kib)
    left_kib = max(0, budget_kib)
    open_to = [index for index, cap_kib in enumerate(caps_kib) if cap_kib > 0]
    while open_to:
        weight = sum(weights[index] for index in open_to)
        full = [index for index in open_to if caps_kib[index] * weight <= left_kib * weights[index]]
        if not full:
            break
        for index in full:
            shares_kib[index] = caps_kib[index]
            left_kib -= caps_kib[index]
        open_to = [index for index in open_to if index not in full]
    if open_to:
        weight, budget_kib = sum(weights[index] for index in open_to), left_kib
        for index in open_to:
            shares_kib[index] = budget_kib * weights[index] // weight
            left_kib -= shares_kib[index]
        for index in open_to:
            more_kib = min(left_kib, caps_kib[index] - shares_kib[index])
            shares_kib[index] += more_kib
            left_kib -= more_kib
    return shares_kib
