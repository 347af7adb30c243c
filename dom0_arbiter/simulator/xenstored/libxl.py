"""What a toolstack writes for a domain: the part of libxl's directories that memory and agents need.

From libxl_create.c and libxl_dom.c of Xen 4.17: the directory is dom0's and the guest may read it; `data` and a few
more are the guest's own.
"""

from dom0_arbiter.simulator.xenstored.store import Store


def make_directories(store: Store, domid: int, *, name: str, target_kib: int, static_max_kib: int) -> None:
    """Write what `xl create` does before it introduces the domain, which the hypervisor must have."""
    home, vm = f"/local/domain/{domid}", _vm_path(domid)
    readable, owned = ("n0", f"r{domid}"), (f"n{domid}",)
    for path in (home, vm, *(f"{home}/{each}" for each in ("cpu", "memory", "device", "control"))):
        store.mkdir_as_dom0(path)
        store.set_permissions_as_dom0(path, readable)
    for each in ("control/shutdown", "data", "drivers", "feature", "hotplug", "attr", "error"):
        store.mkdir_as_dom0(f"{home}/{each}")
        store.set_permissions_as_dom0(f"{home}/{each}", owned)
    values = {
        f"{vm}/uuid": uuid_of(domid),
        f"{vm}/name": name,
        f"{home}/vm": vm,
        f"{home}/name": name,
        f"{home}/domid": str(domid),
        f"{home}/memory/static-max": str(static_max_kib),
        f"{home}/memory/target": str(target_kib),
    }
    for path, value in values.items():
        store.write_as_dom0(path, value)
        store.set_permissions_as_dom0(path, readable)


def remove_directories(store: Store, domid: int) -> None:
    """Remove them, as `xl destroy` does once the hypervisor has the domain no more."""
    store.remove_as_dom0(f"/local/domain/{domid}")
    store.remove_as_dom0(_vm_path(domid))


def uuid_of(domid: int) -> str:
    """The UUID of a simulated domain."""
    return f"00000000-0000-4000-8000-{domid:012d}"


def _vm_path(domid: int) -> str:
    return f"/vm/{uuid_of(domid)}"
