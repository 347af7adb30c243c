"""Files that people hand us: whole, regular, and of a size that somebody could have written."""

from pathlib import Path


class FileRefusedError(Exception):
    """It cannot be used. The text says why and what is allowed, without the file's name."""


def check_file(path: Path, size_max_bytes: int) -> None:
    """Raise FileRefusedError unless it is a regular file of at most that size: a device or a pipe may never end."""
    try:
        is_regular, size_bytes = path.is_file(), path.stat().st_size
    except (OSError, ValueError) as error:
        raise FileRefusedError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not is_regular:
        raise FileRefusedError("cannot be read: a regular file is allowed")
    if size_bytes > size_max_bytes:
        raise FileRefusedError(f"{size_bytes} bytes; at most {size_max_bytes} are allowed")


def read_file(path: Path, size_max_bytes: int) -> bytes:
    """Return the content; raise FileRefusedError."""
    check_file(path, size_max_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileRefusedError(f"cannot be read: {error.strerror}") from error
