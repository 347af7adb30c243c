"""Our arbiter beside no Xen: `xl` is its only way there, and its own socket lies where the first argument says."""

import sys
from pathlib import Path
from unittest.mock import patch

from dom0_arbiter.service import main
from dom0_arbiter.xen.xl import XlHypervisor


def run(socket_path: str, *arguments: str) -> int:
    """The command, with the rest of its arguments."""
    with (
        patch.object(main, "find_hypervisor", XlHypervisor),
        patch.object(main, "SOCKET_PATH", Path(socket_path)),
    ):
        return main.main(arguments)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
