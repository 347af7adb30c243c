"""Xen, as dom0 sees it: xenstore over trio, and the hypervisor.

The adapters: the only room of dom0's that talks to the daemon and to the hypervisor, and where each foreign error
becomes one of ours. It knows nothing of policy. pyxs and trio may be imported here, and `protocol`; not the service.

xenstore: `async with open_xenstore() as xs:` gives an `Xenstore`, whose requests are those of `Operations`. All its
failures are `XenstoreError`.
"""

from .dom0 import Dom0Sample, sample_dom0
from .errors import (
    Conflict,
    NoSuchPath,
    PermissionRefused,
    QuotaExceeded,
    XenstoreDisconnected,
    XenstoreError,
    XenstoreGarbled,
    XenstoreLocalError,
    XenstoreRefused,
    XenstoreTimeout,
)
from .find import find_hypervisor
from .hypervisor import Hypervisor, HypervisorError, NoSuchDomainError
from .operations import Operations
from .transaction import Transaction
from .watches import Change, Watches
from .xenstore import Xenstore, default_socket_path, open_xenstore

__all__ = [
    "Change",
    "Conflict",
    "Dom0Sample",
    "Hypervisor",
    "HypervisorError",
    "NoSuchDomainError",
    "NoSuchPath",
    "Operations",
    "PermissionRefused",
    "QuotaExceeded",
    "Transaction",
    "Watches",
    "Xenstore",
    "XenstoreDisconnected",
    "XenstoreError",
    "XenstoreGarbled",
    "XenstoreLocalError",
    "XenstoreRefused",
    "XenstoreTimeout",
    "default_socket_path",
    "find_hypervisor",
    "open_xenstore",
    "sample_dom0",
]
