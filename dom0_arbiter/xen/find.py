"""Which way to Xen this dom0 offers."""

import logging
import os

from dom0_arbiter.xen.hypervisor import Hypervisor, HypervisorError
from dom0_arbiter.xen.xc import XcHypervisor, import_xc
from dom0_arbiter.xen.xl import XlHypervisor

log = logging.getLogger("aerostat.xen")


def find_hypervisor() -> Hypervisor:
    """Return the binding's adapter if it is installed, else xl's; raise HypervisorError naming both if neither is.

    A binding that is there and cannot be used is an error: xl would fail for the same reason, or hide it.
    """
    try:
        xc = import_xc()
    except HypervisorError as no_binding:
        try:
            found = XlHypervisor()
        except HypervisorError as no_xl:
            raise HypervisorError(f"no way to Xen: {no_binding}; {no_xl}") from no_xl
        log.warning("Xen through xl, which is slow and knows no grants: %s", no_binding)
        return found
    try:
        hypervisor = XcHypervisor(xc)
    except HypervisorError as error:
        if os.geteuid() != 0:
            raise HypervisorError(f"{error}; run this as root") from error
        raise
    log.info("Xen through %s", hypervisor.name)
    return hypervisor
