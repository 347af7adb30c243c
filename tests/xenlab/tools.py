"""The host's own tools: what the lab needs, from which Debian package, and whether this machine can have it."""

import os
import shutil
import subprocess
from pathlib import Path

# Executable (or file) that must exist -> the Debian 12 package that brings it.
RUN_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "/usr/share/seabios/bios-256k.bin": "seabios",
    "/usr/lib/ipxe/qemu/efi-virtio.rom": "ipxe-qemu",
    "mke2fs": "e2fsprogs",
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
}
BUILD_TOOLS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mmdebstrap": "mmdebstrap",
    "cpio": "cpio",
    "depmod": "kmod",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Unavailable(Exception):
    """This machine cannot run the lab; the message says what is missing."""


class LabError(Exception):
    """A step of the lab's own preparation failed; the message says which, with the end of its output."""


def system_environment() -> dict[str, str]:
    """The environment for system tools: sbin is on the path, and questions are not asked."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "DEBIAN_FRONTEND": "noninteractive"}


def run(*command: str | Path, cwd: Path | None = None, timeout_s: float = 600, stdin: bytes = b"") -> bytes:
    """Standard output of a command that must succeed, else LabError."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=system_environment(), input=stdin, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{words[0]}: {error}") from error
    if done.returncode:
        tail = (done.stderr or done.stdout).decode(errors="replace")[-2000:]
        raise LabError(f"{' '.join(words)[:200]}: exit status {done.returncode}\n{tail}")
    return done.stdout


def missing_packages(tools: dict[str, str]) -> list[str]:
    """The packages whose tools are not on this machine."""
    path = system_environment()["PATH"]
    return sorted(
        {
            package
            for tool, package in tools.items()
            if shutil.which(tool, path=path) is None and not Path(tool).exists()
        }
    )


def ensure_tools(tools: dict[str, str]) -> None:
    """Install what is missing, where we may; raise Unavailable where we may not or cannot."""
    missing = missing_packages(tools)
    if not missing:
        return
    if "apt" in missing or shutil.which("apt-get") is None:
        raise Unavailable(f"needs Debian's {' '.join(missing)}, and there is no apt-get here")
    if os.geteuid() != 0:
        raise Unavailable(f"as root, first: apt-get install --no-install-recommends {' '.join(missing)}")
    try:
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, timeout_s=1200)
    except LabError as error:
        raise Unavailable(f"could not install {' '.join(missing)}: {error}") from error
    if still := missing_packages(tools):
        raise Unavailable(f"installing {' '.join(still)} did not bring the tools it should")
