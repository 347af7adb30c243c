"""What the agent has to tell people: on standard error, once, not once a second."""

import os


class Notices:
    """One current trouble per subject: said when it begins or changes, and when it is over."""

    __slots__ = ("_current",)

    def __init__(self) -> None:
        self._current: dict[str, str] = {}

    def trouble(self, subject: str, text: str) -> None:
        """Say it, unless it is what was last said of this subject."""
        if self._current.get(subject) != text:
            self._current[subject] = text
            write_error(text)

    def over(self, subject: str) -> None:
        """Say that the trouble is over, if there was any."""
        if self._current.pop(subject, None) is not None:
            write_error(f"{subject}: in order again")


def write_error(text: str) -> None:
    """Write a line to standard error, unless that cannot be written to."""
    try:  # noqa: SIM105 - contextlib is one more module
        os.write(2, f"aerostat-agent: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # a full disk or a closed pipe: there is nobody to tell, and no reason to stop measuring
