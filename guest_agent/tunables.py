"""What the guest's owner may set, while the agent runs too. By hand: a guest pays for every parser."""

from guest_agent.options import UsageError

TYPE_CHECKING = False

STAY = "stay"
ALONE = (STAY, "committed-as", "working-set")
NUMBERS = {
    "alone_after_s": (120, 30, 86_400),
    "interval_s": (5, 1, 3600),
    "up_hysteresis": (1, 1, 1000),
    "down_hysteresis": (8, 1, 1000),
    "reserve_kib": (0, 0, 2**40),
    "least_kib": (0, 0, 2**40),
    "free_for_balloon_kib_s": (0, 0, 2**40),
}
"""Name: default, least, most."""


class Tunables:
    """The settings in force. `alone` is one of ALONE; the rest are whole numbers."""

    __slots__ = ("alone", *NUMBERS)

    if TYPE_CHECKING:
        alone: str
        alone_after_s: int
        interval_s: int
        up_hysteresis: int
        down_hysteresis: int
        reserve_kib: int
        least_kib: int
        free_for_balloon_kib_s: int

    def __init__(self, text: str = "", where: str = "") -> None:
        """Read lines of `name = value`; raise UsageError. What is not set has its default; # begins a comment."""
        self.alone = ALONE[0]
        for name, (default, _, _) in NUMBERS.items():
            setattr(self, name, default)
        seen: set[str] = set()
        for number, line in enumerate(text.split("\n"), 1):
            content = line.partition("#")[0].strip()
            if not content:
                continue
            name, equals, value = [part.strip() for part in content.partition("=")]
            trouble = self._set(name, value) if equals else "name = value expected"
            if name in seen:
                trouble = f"{name} is set twice"
            if trouble:
                raise UsageError(f"{where}:{number}: {trouble}")
            seen.add(name)

    def _set(self, name: str, value: str) -> str:
        """Set one; return what is wrong with it, or ""."""
        if name == "alone":
            self.alone = value
            return "" if value in ALONE else f"alone = {value}: {', '.join(ALONE)} expected"
        if name not in NUMBERS:
            return f"{name or 'a name'} is not known: alone, {', '.join(NUMBERS)} are"
        _, least, most = NUMBERS[name]
        if not (value.isascii() and value.isdecimal() and len(value) <= 13 and least <= int(value) <= most):
            return f"{name} = {value}: a whole number of {least} to {most} expected"
        setattr(self, name, int(value))
        return ""

    def show(self) -> str:
        """Return them as a file says them."""
        return "".join([f"{name} = {getattr(self, name)}\n" for name in self.__slots__])


def read_tunables(path: str, *, must_exist: bool = False) -> Tunables:
    """Read a file; raise UsageError. One that is not there says nothing, unless it must exist."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 1 MB
            text = file.read(65_536)
    except FileNotFoundError:
        if must_exist:
            raise UsageError(f"{path}: no such file") from None
        text = ""
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return Tunables(text, path)
