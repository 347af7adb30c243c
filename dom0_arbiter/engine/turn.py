"""The workbench of one step: the state under change, and what has been decided so far."""

from dataclasses import dataclass, field
from typing import Any

from dom0_arbiter.engine.actions import Action, SendGrant, SendWelcome, SetMaxmem, WriteTarget
from dom0_arbiter.engine.balloon import PAGE_KIB, Balloon, ask
from dom0_arbiter.engine.domain import Decision, Domain
from dom0_arbiter.engine.domains import Domains
from dom0_arbiter.engine.replace import replace
from dom0_arbiter.engine.state import State
from dom0_arbiter.policy import MARGIN_KIB
from protocol import TAKES_GRANTS, Grant, Welcome

OWN_TARGETS = 8  # a watch may still bring one of our earlier writes


@dataclass(slots=True)
class Turn:
    """Mutable, and seen by nobody outside `step`."""

    state: State
    now_s: float
    domains: Domains = field(init=False)
    actions: list[Action] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    sampled: bool = False
    sees_the_same: bool = False
    stale: bool = False
    quiet_until_s: float = float("-inf")
    _own_promises_kib: int | None = None  # while none of the domains changes

    def __post_init__(self) -> None:
        known = self.state.domains
        self.domains = known.fork() if isinstance(known, Domains) else Domains(known.values())
        self.stale = self.state.stale
        self.quiet_until_s = self.state.quiet_until_s

    @property
    def is_quiet(self) -> bool:
        """Whether a look that shows the same as before needs no second thought now."""
        return self.sees_the_same and not self.stale and self.now_s < self.quiet_until_s

    def change(self, domain: Domain, **changes: Any) -> Domain:
        """Replace fields of a domain."""
        changed = replace(domain, **changes)
        self.put(changed)
        return changed

    def put(self, domain: Domain) -> None:
        """Take one in, new or changed."""
        self.domains.put(domain)
        self._own_promises_kib = None

    def remove(self, domid: int) -> None:
        """Forget one; KeyError if there is none."""
        self.domains.remove(domid)
        self._own_promises_kib = None

    def welcome(self, domain: Domain, welcome: Welcome) -> Domain:
        """Answer, and end a grant that is not known here: an arbiter of before gave it, or the last one failed."""
        self.actions.append(SendWelcome(domid=domain.domid, welcome=welcome))
        takes_grants = domain.hello is not None and domain.hello.capabilities & TAKES_GRANTS
        domain = self.change(domain, welcome=welcome, is_unanswered=False)
        if takes_grants and not domain.grant_kib:
            self.actions.append(_no_grant(domain))
        return domain

    def retarget(self, domain: Domain, balloon: Balloon, to_kib: int, reason: str) -> Domain:
        """Ask a domain for a size (Xen's view), with the margin above it: maxmem first to grow, last to shrink.

        Where the domain has that size already, the margin is not worth promising memory that nobody has reckoned with.
        """
        write = WriteTarget(domid=domain.domid, target_kib=to_kib - domain.target_offset_kib)
        maxmem_kib = to_kib + MARGIN_KIB
        if to_kib <= -(-balloon.actual_kib // PAGE_KIB) * PAGE_KIB:
            maxmem_kib = min(maxmem_kib, max(to_kib, balloon.maxmem_kib))
        limit = SetMaxmem(domid=domain.domid, maxmem_kib=maxmem_kib)
        grows = to_kib > balloon.target_kib
        if domain.grant_kib:
            self.actions.append(_no_grant(domain))
        if limit.maxmem_kib == balloon.maxmem_kib:
            self.actions.append(write)
        else:
            self.actions.extend((limit, write) if grows else (write, limit))
        decision = Decision(
            domid=domain.domid, at_s=self.now_s, from_kib=balloon.target_kib, to_kib=to_kib, reason=reason
        )
        self.decisions.append(decision)
        return self.change(
            domain,
            balloon=ask(balloon, target_kib=to_kib, maxmem_kib=limit.maxmem_kib, now_s=self.now_s),
            decision=decision,
            own_maxmem_kib=limit.maxmem_kib,
            is_unsure=False,
            grant_kib=0,
            own_targets_kib=(write.target_kib, *domain.own_targets_kib[: OWN_TARGETS - 1]),
            xenstore_target_kib=write.target_kib,
        )

    def limit(self, domain: Domain, balloon: Balloon, maxmem_kib: int) -> Domain:
        """Set maxmem alone; in whole pages, as Xen will show it."""
        maxmem_kib -= maxmem_kib % PAGE_KIB
        self.actions.append(SetMaxmem(domid=domain.domid, maxmem_kib=maxmem_kib))
        return self.change(domain, balloon=replace(balloon, maxmem_kib=maxmem_kib), own_maxmem_kib=maxmem_kib)

    def take_grant(self, domain: Domain) -> Domain:
        """Take back what the domain may take by itself: it is told before it is stopped.

        The maxmem of one that is pinned is somebody else's by now.
        """
        self.actions.append(_no_grant(domain))
        if domain.is_in_hand(self.now_s):
            balloon = self.balloon(domain)
            self.limit(domain, balloon, max(balloon.target_kib, balloon.actual_kib) + MARGIN_KIB)
        return self.change(self.domains[domain.domid], grant_kib=0)

    def balloon(self, domain: Domain) -> Balloon:
        """The balloon of a managed domain, as it stands now."""
        balloon = self.domains[domain.domid].balloon
        if balloon is None:
            raise ValueError(f"domain {domain.domid} has not been sampled")
        return balloon

    def claimed_kib(self) -> int:
        """The part of `promised_kib` that is in others' hands: of guests being built, pinned, excluded, not heard.

        Not the margin that libxl leaves above every target: that is backed, whoever set the target.
        """
        claimed_kib = self.state.foreign_promises_kib
        for domain in self.domains.each():
            beyond_kib = 0 if domain.balloon is None else domain.balloon.promised_kib - MARGIN_KIB
            if beyond_kib > 0 and not domain.is_in_hand(self.now_s):
                claimed_kib += beyond_kib
        return claimed_kib

    def promised_kib(self) -> int:
        """Sum of max(0, maxmem − actual) over all guests: what may still be taken without asking."""
        if self._own_promises_kib is None:
            balloons = [b for d in self.domains.each() if (b := d.balloon) is not None]
            self._own_promises_kib = sum([balloon.promised_kib for balloon in balloons])
        return self.state.foreign_promises_kib + self._own_promises_kib


def _no_grant(domain: Domain) -> SendGrant:
    version = 1 if domain.welcome is None else max(1, domain.welcome.version)
    return SendGrant(domid=domain.domid, grant=Grant(version=version, extra_kib=0, echo_uptime_ms=0, duration_ms=0))
