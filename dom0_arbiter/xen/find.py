"""Which way to Xen this dom0 offers."""

from dom0_arbiter.xen.hypervisor import Hypervisor, HypervisorError
from dom0_arbiter.xen.xc import XcHypervisor, import_xc
from dom0_arbiter.xen.xl import XlHypervisor


def find_hypervisor() -> Hypervisor:
    """Return the binding's adapter if it is installed, else xl's; raise HypervisorError naming both if neither is."""
    try:
        return XcHypervisor(import_xc())
    except HypervisorError as no_binding:
        try:
            return XlHypervisor()
        except HypervisorError as no_xl:
            raise HypervisorError(f"no way to Xen: {no_binding}; {no_xl}") from no_xl
