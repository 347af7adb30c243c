"""What each event changes. Nothing is planned here."""

from dom0_arbiter.engine.balloon import NUDGE_AFTER_S, REST_S, TOLERANCE_KIB, Balloon, observe
from dom0_arbiter.engine.domain import STARTS_S, Domain
from dom0_arbiter.engine.events import (
    ActionFailed,
    DomainIntroduced,
    DomainReleased,
    DomainSample,
    Event,
    HelloReceived,
    HostSampled,
    MessageRefused,
    ReportReceived,
    ReservationReleased,
    ReservationRequested,
    ResumeRequested,
    ShutdownObserved,
    TargetObserved,
)
from dom0_arbiter.engine.needs import estimate, is_noteworthy, learned_offset_kib
from dom0_arbiter.engine.quiet import quiet_after_report_s
from dom0_arbiter.engine.replace import replace
from dom0_arbiter.engine.reservation import Reservation
from dom0_arbiter.engine.turn import Turn
from dom0_arbiter.policy import DOM0, MARGIN_KIB, observe_report, urgent_kib
from protocol import VERSION_HIGHEST, VERSION_LOWEST, Welcome, choose_version

INCOMING = "--incoming"  # xl's suffix of a domain that migrates here, until it has arrived (xl_migrate.c)
FREEZE_S = 10.0  # from a request to suspend or shut down; longer while Xen shows the domain as shut down
# The guest may write that key too: unless a suspend follows, it does not escape by asking again.
FREEZE_AGAIN_S = 60.0
TARGET_OFFSET_KIB = 2048  # of PVH: 16 pages (measured, Xen 4.17); of HVM libxl's own MiB as well
CHANGE_MIN_KIB = 4096  # agents are told to speak of changes from here on,
CHANGE_DIVISOR = 128  # or from this part of static-max on: dom0 moves memory in larger pieces


def fold(turn: Turn, event: Event) -> None:
    """Take one event into the turn. Events of domains that are gone are ignored."""
    match event:
        case HostSampled():
            _host_sampled(turn, event)
        case DomainIntroduced():
            _introduced(turn, event)
        case DomainReleased():
            if event.domid in turn.domains:
                turn.remove(event.domid)
                turn.stale = True
        case ReservationRequested() | ReservationReleased():
            _reservation(turn, event)
        case MessageRefused():
            refused = dict(turn.state.refused_total)
            refused[event.reason] = refused.get(event.reason, 0) + 1
            turn.state = replace(turn.state, refused_total=refused)
        case _:
            domain = turn.domains.get(event.domid)
            if domain is not None:
                if not isinstance(event, ReportReceived):
                    turn.quiet_until_s = float("-inf")
                _domain_event(turn, domain, event)


def _domain_event(
    turn: Turn,
    domain: Domain,
    event: HelloReceived | ReportReceived | TargetObserved | ShutdownObserved | ResumeRequested | ActionFailed,
) -> None:
    match event:
        case ReportReceived():
            _report(turn, domain, event)
        case HelloReceived():
            _hello(turn, domain, event)
        case TargetObserved():
            _target(turn, domain, event.target_kib)
        case ShutdownObserved():
            if turn.now_s >= domain.frozen_until_s + FREEZE_AGAIN_S:
                turn.change(domain, frozen_until_s=turn.now_s + FREEZE_S)
                turn.stale = True
        case ResumeRequested():
            balloon = domain.balloon
            if balloon is not None:
                target_kib = domain.xenstore_target_kib + domain.target_offset_kib
                balloon = replace(balloon, target_kib=target_kib, asked_s=turn.now_s, failures=0)
            turn.change(domain, is_manual=False, own_maxmem_kib=None, balloon=balloon)
            turn.stale = True
        case ActionFailed():
            turn.change(
                domain,
                own_maxmem_kib=None,
                is_unsure=bool(domain.own_targets_kib),
                is_unanswered=domain.welcome is not None,
                grant_kib=0,
            )
            turn.stale = True


def _reservation(turn: Turn, event: ReservationRequested | ReservationReleased) -> None:
    reservations = {name: r for name, r in turn.state.reservations.items() if name != event.name}
    if isinstance(event, ReservationRequested):
        boot_min_kib = turn.state.settings.of_domain(event.name).boot_min_kib  # it will be asked for next
        reservations[event.name] = Reservation(
            name=event.name,
            size_kib=max(event.size_kib, boot_min_kib),
            min_kib=max(event.min_kib, boot_min_kib),
            asked_s=turn.now_s,
            nearer_s=turn.now_s,
        )
    turn.state = replace(turn.state, reservations=reservations)
    turn.stale = True


def _introduced(turn: Turn, event: DomainIntroduced) -> None:
    known = turn.domains.get(event.domid)
    name = event.name.removesuffix(INCOMING)
    settings = turn.state.settings.of_domain(name, uuid=event.uuid)
    if event.domid == DOM0:
        settings = turn.state.settings.dom0 or replace(settings, excluded=True)
    if known is not None and known.uuid == event.uuid:
        if (known.name, known.static_max_kib) != (event.name, event.static_max_kib):
            turn.change(known, name=event.name, static_max_kib=event.static_max_kib, settings=settings)
            turn.stale = True
        return
    turn.put(
        Domain(
            domid=event.domid,
            uuid=event.uuid,
            name=event.name,
            static_max_kib=event.static_max_kib,
            videoram_kib=event.videoram_kib,
            settings=settings,
            xenstore_target_kib=event.target_kib,
            introduced_s=turn.now_s,
        )
    )
    if name in turn.state.reservations:  # it has come, and takes what was set aside for it
        _reservation(turn, ReservationReleased(name=name))
    turn.stale = True


def _host_sampled(turn: Turn, event: HostSampled) -> None:
    foreign_kib = unknown_kib = 0
    for domid, sample in event.domains.items():
        domain = turn.domains.get(domid)
        if domid == DOM0:
            if domain is not None:
                _domain_sampled(turn, domain, _as_asked(domain, sample))
        elif domain is None:
            foreign_kib += max(0, sample.maxmem_kib - sample.actual_kib)
            if not sample.shut_down:  # else it is on its way out, not being built
                unknown_kib += max(sample.maxmem_kib, sample.actual_kib)
        else:
            _domain_sampled(turn, domain, sample)
    for domain in turn.domains.each():
        if domain.domid not in event.domains and not domain.is_shut_down:
            turn.change(domain, is_shut_down=True)  # Xen has let go of it; its release is on the way
    turn.state = replace(
        turn.state,
        looked_s=turn.now_s,
        sample=event,
        total_kib=event.total_kib,
        free_kib=event.free_kib,
        free_at_most_kib=max(event.free_kib, event.free_before_kib or 0),
        foreign_promises_kib=foreign_kib,
        unknown_kib=unknown_kib,
    )
    turn.sampled = True


def _as_asked(dom0: Domain, sample: DomainSample) -> DomainSample:
    """Dom0's limit is its owner's, by default none: it may take what it was last asked to, and no more is promised."""
    asked_kib = dom0.own_maxmem_kib
    if asked_kib is None or dom0.is_manual:
        asked_kib = dom0.xenstore_target_kib + dom0.target_offset_kib + MARGIN_KIB
    return replace(sample, maxmem_kib=max(sample.actual_kib, asked_kib), is_maxmem_known=False)


def _domain_sampled(turn: Turn, domain: Domain, sample: DomainSample) -> None:
    now_s, balloon, was_shut_down = turn.now_s, domain.balloon, domain.is_shut_down
    if domain.is_paused and now_s >= domain.frozen_until_s > float("-inf"):
        # While paused it could not obey: the next request to suspend is not the guest's asking again.
        domain = turn.change(domain, frozen_until_s=float("-inf"))
    if balloon is None:
        seen = Balloon(
            target_kib=domain.xenstore_target_kib,
            actual_kib=sample.actual_kib,
            maxmem_kib=sample.maxmem_kib,
            asked_s=now_s,
            progressed_s=now_s,
            changed_s=now_s,
            shrink_asked=domain.xenstore_target_kib + TOLERANCE_KIB < sample.actual_kib,
        )
    else:
        seen = observe(
            balloon,
            actual_kib=sample.actual_kib,
            maxmem_kib=sample.maxmem_kib,
            now_s=now_s,
            looked_s=turn.state.looked_s,
        )
    if sample.is_hvm and (not domain.is_settled or seen.is_nudge_due(now_s)):
        seen = _settle(turn, domain, seen)
        domain = turn.domains[domain.domid]
    resized = sample.is_maxmem_known and domain.own_maxmem_kib not in (None, sample.maxmem_kib)
    is_manual = domain.is_manual or resized
    own_maxmem_kib = domain.own_maxmem_kib
    is_built = domain.report is not None or not sample.is_hvm  # QEMU may raise an HVM guest's before it runs
    if own_maxmem_kib is None and sample.is_maxmem_known and is_built and not (is_manual or domain.is_unsure):
        own_maxmem_kib = sample.maxmem_kib
    if (
        seen is not balloon
        or is_manual != domain.is_manual
        or own_maxmem_kib != domain.own_maxmem_kib
        or (sample.paused, sample.shut_down, sample.is_hvm) != (domain.is_paused, domain.is_shut_down, domain.is_hvm)
    ):
        turn.change(
            domain,
            balloon=seen,
            is_paused=sample.paused,
            is_shut_down=sample.shut_down,
            is_hvm=sample.is_hvm,
            is_manual=is_manual,
            own_maxmem_kib=own_maxmem_kib,
        )
    domain = turn.domains[domain.domid]
    if sample.shut_down and not was_shut_down:
        domain = turn.change(domain, frozen_until_s=float("-inf"))  # what it was frozen for has come
    if domain.is_provisional:
        _confirm(turn, domain)
    elif domain.history is not None and domain.history.arrived_s > seen.unchanged_s:
        offset_kib = learned_offset_kib(domain, domain.history.report, now_s)
        if offset_kib != domain.memory_offset_kib and seen.at_rest(now_s):
            # The report of this size came before it was sure to stay.
            demand = estimate(domain, domain.history, offset_kib, now_s)
            turn.change(domain, memory_offset_kib=offset_kib, demand=demand)


def _settle(turn: Turn, domain: Domain, balloon: Balloon) -> Balloon:
    """Learn what libxl's view of an HVM or PVH guest leaves out, once its balloon stands.

    Populate-on-demand is over when neither Xen's figure nor the guest's moves any more, and the guest believes in no
    more than it has. What it is above its target then is the offset, if that is small; where video RAM may be part of
    it, the balloon could still be on its way, and must stand for longer. A balloon that aims higher than memory/target
    was raised by the guest itself (of its own accord it aims at that, or at a few pages less).
    """
    now_s, report = turn.now_s, domain.report
    offset_kib = balloon.actual_kib - domain.xenstore_target_kib
    is_small = 0 <= offset_kib <= TARGET_OFFSET_KIB
    most_kib = TARGET_OFFSET_KIB + (0 if domain.is_settled else domain.videoram_kib)
    stands_s = now_s - max(balloon.changed_s, domain.resized_s)
    if (
        report is None
        or report.total_kib > balloon.actual_kib
        or report.balloon_target_kib > domain.xenstore_target_kib
        or stands_s < (REST_S if is_small else NUDGE_AFTER_S)
        or not 0 <= offset_kib <= most_kib
    ):
        return balloon
    turn.change(domain, target_offset_kib=offset_kib, is_settled=True)
    return replace(balloon, target_kib=balloon.actual_kib)


def _hello(turn: Turn, domain: Domain, event: HelloReceived) -> None:
    """Answer with the version both speak, or say that there is none. A new boot starts a new history."""
    hello = event.hello
    version = choose_version(hello)
    if version is None:
        theirs = f"{hello.version_lowest} to {hello.version_highest}"
        text = f"the agent speaks versions {theirs}, dom0 {VERSION_LOWEST} to {VERSION_HIGHEST}"
        welcome = Welcome(version=0, reason=text)
    else:
        welcome = Welcome(
            version=version,
            reason="",
            change_kib=max(CHANGE_MIN_KIB, domain.static_max_kib // CHANGE_DIVISOR),
            urgent_kib=urgent_kib(domain.static_max_kib),
        )
    if domain.hello is None or domain.hello.boot_id != hello.boot_id:
        domain = turn.change(domain, history=None, demand=None, planned=None, memory_offset_kib=None)
    turn.welcome(turn.change(domain, hello=hello), welcome)


def _report(turn: Turn, domain: Domain, event: ReportReceived) -> None:
    """Remember the report, and estimate the demand anew. A domain whose report was found has started before."""
    if domain.report == event.report:
        return  # read again after a reconnection: nothing was said
    if domain.starts_until_s is None:
        domain = turn.change(domain, starts_until_s=float("-inf") if event.found else turn.now_s + STARTS_S)
    history = observe_report(domain.history, event.report, turn.now_s)
    is_same_size = domain.report is not None and domain.report.total_kib == event.report.total_kib
    resized_s = domain.resized_s if is_same_size else turn.now_s
    offset_kib = learned_offset_kib(domain, event.report, turn.now_s)
    demand = estimate(domain, history, offset_kib, turn.now_s)
    told = turn.change(
        domain,
        history=history,
        resized_s=resized_s,
        is_provisional=event.found,
        memory_offset_kib=offset_kib,
        demand=demand,
    )
    turn.stale = turn.stale or is_noteworthy(domain, demand)
    if turn.now_s < turn.quiet_until_s:
        turn.quiet_until_s = quiet_after_report_s(turn, domain, told)


def _confirm(turn: Turn, domain: Domain) -> None:
    """Trust a found report once it is seen to be of the present size: the guest's balloon aimed where it aims now."""
    history, balloon = domain.history, domain.balloon
    if history is None or balloon is None or not balloon.at_rest(turn.now_s):
        return
    if abs(history.report.balloon_target_kib - domain.xenstore_target_kib) <= TOLERANCE_KIB:
        offset_kib = learned_offset_kib(domain, history.report, turn.now_s)
        demand = estimate(domain, history, offset_kib, turn.now_s)
        turn.change(domain, is_provisional=False, memory_offset_kib=offset_kib, demand=demand)


def _target(turn: Turn, domain: Domain, target_kib: int) -> None:
    """Tell our own writes, which watches bring back late, from anybody else's, which pin the domain."""
    if target_kib == domain.xenstore_target_kib:
        return
    if target_kib in domain.own_targets_kib:
        turn.change(domain, xenstore_target_kib=target_kib)
        return
    balloon = domain.balloon
    if balloon is not None:
        balloon = replace(balloon, target_kib=target_kib + domain.target_offset_kib, asked_s=turn.now_s)
    turn.change(domain, xenstore_target_kib=target_kib, is_manual=True, balloon=balloon)
    turn.stale = True
