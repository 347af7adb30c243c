"""Who else might be moving memory: beside another balancer the arbiter refuses to start."""

import re
from pathlib import Path

XL_CONF = Path("/etc/xen/xl.conf")
RIVALS = {
    Path("/var/run/qubes/qmemman.sock"): "qmemman (Qubes OS)",
    Path("/var/run/xenopsd/squeezed"): "squeezed (XenServer)",
    Path("/var/lib/xcp/memory"): "squeezed (XenServer)",
}
_AUTOBALLOON = re.compile(r"""^\s*autoballoon\s*=\s*["']?(\w+)""", re.MULTILINE)
_LIMITED = re.compile(r"\bdom0_mem=\S*max:")


class ConflictError(Exception):
    """Somebody else balances this host's memory, or would; nothing was changed."""


def check_no_rival(*, xl_conf: Path = XL_CONF, rivals: dict[Path, str] = RIVALS, xen_commandline: str) -> None:
    """Raise ConflictError if a rival's socket exists, or if xl would take memory from dom0 for new domains.

    `autoballoon` (xl.conf(5)) is off, on, or auto, the default: off where Xen's command line has dom0_mem=…,max:….
    """
    for path, name in rivals.items():
        if path.exists():
            raise ConflictError(f"{path}: {name} is running; two balancers on one host undo each other's work")
    text = xl_conf.read_text(errors="replace") if xl_conf.exists() else ""
    found = _AUTOBALLOON.findall(text)
    value = found[-1] if found else "auto"
    if value in ("off", "0"):
        return
    if value in ("on", "1"):
        raise ConflictError(f'{xl_conf}: autoballoon = "{value}": must be "off" beside this arbiter')
    if not _LIMITED.search(xen_commandline):
        raise ConflictError(
            f'{xl_conf}: autoballoon is "auto" and Xen was started without dom0_mem=…,max:…; '
            'set autoballoon = "off", or give dom0 a fixed size'
        )
