"""Numbers on the command line, with the range that is allowed in the error."""

import argparse
from collections.abc import Callable


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of integers from low to high."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 20 else None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: an integer from {low} to {high} allowed")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a parser of numbers from low to high."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: a number from {low:g} to {high:g} allowed")
        return value

    return parse
