"""The store: all state, and what happens to domains. No I/O: bytes to send wait in the sessions.

`handle` is one request from the wire. The methods `..._as_dom0` are for a toolstack in the same process. After either,
the sessions in `to_deliver` have something to send; the latter call `deliver`, which whoever does the sending sets.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dom0_arbiter.simulator.xenstored import connection_operations, node_operations
from dom0_arbiter.simulator.xenstored.domains import Domain
from dom0_arbiter.simulator.xenstored.live import Live
from dom0_arbiter.simulator.xenstored.permissions import DOM0_ONLY, OWNER, WRITE, Permissions, access_of, without
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.transactions import Transaction
from dom0_arbiter.simulator.xenstored.tree import View
from dom0_arbiter.simulator.xenstored.watches import Watches
from dom0_arbiter.simulator.xenstored.wire import PAYLOAD_BYTES_MAX, Operation, Refusal

_Answer = Callable[["Store", Session, View, bytes], bytes]

_ANSWERS: dict[int, _Answer] = {
    Operation.CONTROL: connection_operations.control,
    Operation.DIRECTORY: node_operations.directory,
    Operation.READ: node_operations.read,
    Operation.GET_PERMS: node_operations.get_perms,
    Operation.WATCH: connection_operations.watch,
    Operation.UNWATCH: connection_operations.unwatch,
    Operation.TRANSACTION_START: connection_operations.transaction_start,
    Operation.TRANSACTION_END: connection_operations.transaction_end,
    Operation.INTRODUCE: connection_operations.introduce,
    Operation.RELEASE: connection_operations.release,
    Operation.GET_DOMAIN_PATH: connection_operations.get_domain_path,
    Operation.WRITE: node_operations.write,
    Operation.MKDIR: node_operations.mkdir,
    Operation.RM: node_operations.rm,
    Operation.SET_PERMS: node_operations.set_perms,
    Operation.IS_DOMAIN_INTRODUCED: connection_operations.is_domain_introduced,
    Operation.RESET_WATCHES: connection_operations.reset_watches,
    Operation.DIRECTORY_PART: node_operations.directory_part,
}
_DOM0_ONLY = {Operation.CONTROL, Operation.INTRODUCE, Operation.RELEASE, Operation.IS_DOMAIN_INTRODUCED}
_WITHOUT_TRANSACTION = {Operation.WATCH, Operation.UNWATCH}


class Store:
    """All nodes, domains, watches and sessions of one xenstore."""

    def __init__(self) -> None:
        self.domains = {0: Domain(0, introduced=True)}
        """The domains that the hypervisor has."""
        self.watches = Watches()
        self.to_deliver: dict[Session, None] = {}
        """Sessions that have something to send, or have been closed; whoever sends it clears this."""
        self.deliver: Callable[[], None] = lambda: None
        self.overhear: Callable[[Session, int, bytes], None] = lambda _session, _operation, _payload: None
        """Is told of every request from the wire before it is answered."""
        self._live = Live(self.domains, self.watches, self.to_deliver)
        self._special = {b"@introduceDomain": DOM0_ONLY, b"@releaseDomain": DOM0_ONLY}
        self._toolstack = Session(self.domains[0])

    # Requests.

    def handle(self, session: Session, operation: int, request_id: int, transaction_id: int, payload: bytes) -> None:
        """Answer one request."""
        self.overhear(session, operation, payload)
        try:
            reply = self._answer(session, operation, transaction_id, payload)
        except Refusal as refusal:
            error = b"%s\0" % refusal.args[0].encode()
            session.send_reply(Operation.ERROR, request_id, transaction_id, error)
        else:
            session.send_reply(operation, request_id, transaction_id, reply)
            if operation == Operation.WATCH:
                watch = next(reversed(session.watches.values()))
                session.send_event(watch.path[watch.prefix_bytes :], watch.token)
        self.to_deliver[session] = None

    def _answer(self, session: Session, operation: int, transaction_id: int, payload: bytes) -> bytes:
        answer = _ANSWERS.get(operation)
        if answer is None:
            raise Refusal("ENOSYS")
        if operation in _DOM0_ONLY and not session.domain.privileged:
            raise Refusal("EACCES")
        view: View = self._live
        if transaction_id and operation not in _WITHOUT_TRANSACTION:
            transaction = session.transactions.get(transaction_id)
            if transaction is None:
                raise Refusal("ENOENT")
            view = transaction
        reply = answer(self, session, view, payload)
        if len(reply) > PAYLOAD_BYTES_MAX:
            raise Refusal("E2BIG")
        return reply

    def open_session(self, domid: int) -> Session | None:
        """A new connection as that domain; None if it is not introduced."""
        domain = self.introduced(domid)
        if domain is None:
            return None
        session = Session(domain)
        domain.sessions[session] = None
        return session

    def close_session(self, session: Session) -> None:
        """The client has gone."""
        self.forget_state(session)
        session.closed = True
        session.domain.sessions.pop(session, None)
        self.to_deliver.pop(session, None)

    def forget_state(self, session: Session) -> None:
        """Drop its watches and transactions."""
        self.watches.remove_all(session)
        for transaction in tuple(session.transactions):
            self._drop_transaction(session, transaction)

    def start_transaction(self, session: Session) -> int:
        """A new transaction of the session; its id counts from 1."""
        identity = session.next_transaction_id
        session.next_transaction_id += 1
        session.transactions[identity] = Transaction(session.domain, self._live)
        session.domain.transactions_total += 1
        return identity

    def end_transaction(self, session: Session, transaction: Transaction) -> None:
        """It is the session's no more."""
        self._drop_transaction(
            session, next(each for each, held in session.transactions.items() if held is transaction)
        )

    def _drop_transaction(self, session: Session, identity: int) -> None:
        del session.transactions[identity]
        session.domain.transactions_total -= 1

    def known(self, permissions: Permissions) -> Permissions:
        """The same with entries of domains that are not there ignored; Refusal("ENOENT") if the owner is not."""
        if permissions[0].domid not in self.domains:
            raise Refusal("ENOENT")
        return tuple(each if each.domid in self.domains else replace(each, ignored=True) for each in permissions)

    def set_special_permissions(self, session: Session, name: bytes, permissions: Permissions) -> None:
        """Say who may know of @introduceDomain or @releaseDomain."""
        held = self._special.get(name)
        if held is None:
            raise Refusal("EINVAL")
        if not access_of(session.domain.domid, held) & (WRITE | OWNER) == WRITE | OWNER:
            raise Refusal("EACCES")
        self._special[name] = permissions

    # Domains.

    def create_domain(self, domid: int) -> None:
        """The hypervisor has a new domain; xenstore hears of it by `introduce`."""
        self.domains[domid] = Domain(domid)

    def introduced(self, domid: int) -> Domain | None:
        """The domain, if xenstore knows it."""
        domain = self.domains.get(domid)
        return domain if domain is not None and domain.introduced else None

    def introduce(self, domid: int) -> None:
        """Connect a domain, or reset its connections if it is; Refusal("EINVAL") if the hypervisor has none."""
        domain = self.domains.get(domid)
        if domain is None:
            raise Refusal("EINVAL")
        for session in domain.sessions:
            self.forget_state(session)
        if not domain.introduced:
            domain.introduced = True
            self._live.fire_special(b"@introduceDomain", self._special[b"@introduceDomain"])

    def disconnect(self, domain: Domain) -> None:
        """Forget an introduced domain: its connections, all that it owned, and what others allowed it."""
        for session in tuple(domain.sessions):
            self.close_session(session)
            self.to_deliver[session] = None
        domain.introduced = False
        self._live.forget_domain(domain.domid)
        self._special = {name: without(domain.domid, held) for name, held in self._special.items()}
        self._live.fire_special(b"@releaseDomain", self._special[b"@releaseDomain"])

    def destroy_domain(self, domid: int) -> None:
        """The hypervisor has the domain no more. What the toolstack wrote for it stays."""
        domain = self.domains.pop(domid)
        if domain.introduced:
            self.disconnect(domain)
        else:
            self._live.forget_domain(domid)
        self.deliver()

    # Dom0's toolstack in the same process.

    def write_as_dom0(self, path: str, value: str | bytes) -> None:
        """Set a value; Refusal where the daemon would refuse."""
        data = value.encode() if isinstance(value, str) else value
        self._as_dom0(node_operations.write, path.encode() + b"\0" + data)

    def read_as_dom0(self, path: str) -> bytes:
        """A value; Refusal("ENOENT")."""
        return self._as_dom0(node_operations.read, path.encode() + b"\0")

    def directory_as_dom0(self, path: str) -> list[str]:
        """Names of the children; Refusal("ENOENT")."""
        return self._as_dom0(node_operations.directory, path.encode() + b"\0").decode().split("\0")[:-1]

    def mkdir_as_dom0(self, path: str) -> None:
        """Make an empty node."""
        self._as_dom0(node_operations.mkdir, path.encode() + b"\0")

    def remove_as_dom0(self, path: str) -> None:
        """Remove a node and all below it."""
        self._as_dom0(node_operations.rm, path.encode() + b"\0")

    def set_permissions_as_dom0(self, path: str, permissions: Sequence[str]) -> None:
        """Set permissions, such as "n0" and "r5"."""
        self._as_dom0(node_operations.set_perms, "\0".join((path, *permissions, "")).encode())

    def introduce_as_dom0(self, domid: int) -> None:
        """Connect a domain: @introduceDomain."""
        self.introduce(domid)
        self.deliver()

    def _as_dom0(self, answer: _Answer, payload: bytes) -> bytes:
        reply = answer(self, self._toolstack, self._live, payload)
        self.deliver()
        return reply
