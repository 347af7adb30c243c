"""Requests about watches, transactions and domains; see `node_operations` for the form of these functions.

From xenstored_watch.c, xenstored_transaction.c and xenstored_domain.c of Xen 4.17.
"""

from typing import TYPE_CHECKING

from dom0_arbiter.simulator.xenstored.domains import TRANSACTIONS_MAX, WATCHES_MAX
from dom0_arbiter.simulator.xenstored.paths import PATH_BYTES_MAX, absolute, canonical, home_of
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.transactions import Transaction
from dom0_arbiter.simulator.xenstored.tree import View
from dom0_arbiter.simulator.xenstored.wire import OK, Refusal, leading_number, one_string

if TYPE_CHECKING:
    from dom0_arbiter.simulator.xenstored.store import Store

_DOMID_SELF = 0x7FF0
"""DOMID_SELF (xen/include/public/xen.h): introduced, says the daemon."""


def _path_and_token(payload: bytes) -> tuple[bytes, bytes]:
    strings = payload.split(b"\0")
    if len(strings) != 3:
        raise Refusal("EINVAL")
    return strings[0], strings[1]


def watch(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Set a watch on a node, there or not, readable or not, or on any @name; its first event follows this answer."""
    path, token = _path_and_token(payload)
    prefix_bytes = 0
    if path.startswith(b"@"):
        if len(path) > PATH_BYTES_MAX:
            raise Refusal("EINVAL")
    else:
        if not path.startswith(b"/"):
            prefix_bytes = len(session.domain.home) + 1
        path = canonical(path, session.domain.home)
    if (path, token) in session.watches:
        raise Refusal("EEXIST")
    if session.domain.watches_total >= WATCHES_MAX and not session.domain.privileged:
        raise Refusal("E2BIG")
    store.watches.add(session, path, token, prefix_bytes)
    return OK


def unwatch(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Take a watch back. Events of it that wait already are still sent."""
    path, token = _path_and_token(payload)
    store.watches.remove(session, absolute(path, session.domain.home), token)
    return OK


def reset_watches(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Take all the session's watches back, and abort its transactions."""
    store.forget_state(session)
    return OK


def transaction_start(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """A new transaction's id."""
    if isinstance(view, Transaction):
        raise Refusal("EBUSY")
    if session.domain.transactions_total >= TRANSACTIONS_MAX and not session.domain.privileged:
        raise Refusal("ENOSPC")
    return b"%d\0" % store.start_transaction(session)


def transaction_end(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Commit ("T") or abort ("F"). Either way, and also on a conflict, it is over."""
    verdict = one_string(payload)
    if verdict not in {b"T", b"F"}:
        raise Refusal("EINVAL")
    if not isinstance(view, Transaction):
        raise Refusal("ENOENT")
    store.end_transaction(session, view)
    if verdict == b"T":
        view.commit(store.domains)
    return OK


def introduce(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Connect a domain: its id, the frame of its page (not needed any more), its event channel."""
    numbers = payload.split(b"\0")[:-1]
    if len(numbers) < 3 or leading_number(numbers[2]) <= 0:
        raise Refusal("EINVAL")
    store.introduce(leading_number(numbers[0]))
    return OK


def release(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Forget an introduced domain with all that it owned, whether or not it still runs."""
    domid = leading_number(one_string(payload))
    if domid == 0:
        raise Refusal("EINVAL")
    domain = store.introduced(domid)
    if domain is None:
        raise Refusal("ENOENT")
    store.disconnect(domain)
    return OK


def get_domain_path(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Where a domain's relative paths start, whether or not there is such a domain."""
    return home_of(leading_number(one_string(payload)) & 0xFFFFFFFF) + b"\0"


def is_domain_introduced(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """T or F."""
    domid = leading_number(one_string(payload))
    return b"T\0" if domid == _DOMID_SELF or store.introduced(domid) else b"F\0"


def control(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """The daemon's commands for its administrator; there are none here."""
    raise Refusal("EINVAL")
