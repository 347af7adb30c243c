"""Which version two peers speak."""

from protocol.messages import VERSION_HIGHEST, VERSION_LOWEST, Hello


def choose_version(hello: Hello, *, lowest: int = VERSION_LOWEST, highest: int = VERSION_HIGHEST) -> int | None:
    """Return the highest version that both sides speak, or None if there is none."""
    version = min(hello.version_highest, highest)
    return version if version >= max(hello.version_lowest, lowest) else None
