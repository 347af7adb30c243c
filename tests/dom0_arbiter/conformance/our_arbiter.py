"""Our arbiter where `xl` is the only way to Xen: on a machine with Xen's binding and no Xen it would end with that."""

import sys
from unittest.mock import patch

from dom0_arbiter.service import main
from dom0_arbiter.xen.xl import XlHypervisor

if __name__ == "__main__":
    with patch.object(main, "find_hypervisor", XlHypervisor):
        sys.exit(main.main(sys.argv[1:]))
