"""The arbiter's view of the host, as `aerostat status` shows it: the JSON of kind `status`."""

from typing import Any

from dom0_arbiter.engine import Domain, State, set_aside_kib
from dom0_arbiter.xen import Dom0Sample
from protocol import __version__

PAGE_KIB = 4


def describe(state: State, *, now_s: float, started_s: float, dom0: Dom0Sample, hypervisor: str) -> dict[str, Any]:
    """All keys present, None where meaningless; amounts in KiB of Xen's view, ages in seconds."""
    return {
        "format": 1,
        "kind": "status",
        "version": __version__,
        "passed": None,
        "uptime_s": round(now_s - started_s, 3),
        "balancing": any(d.balloon is not None and d.balloon.is_progressing(now_s) for d in state.domains.values()),
        "hypervisor": hypervisor,
        "host": {
            "memory_kib": state.total_kib,
            "free_kib": state.free_kib,
            "reserved_kib": set_aside_kib(state),
            "slack_kib": state.settings.slack_kib,
            "free_pool_kib": state.pool_kib,
            "floors_missing_kib": state.floors_missing_kib,
        },
        "dom0": {"total_kib": dom0.total_kib, "available_kib": dom0.available_kib},
        "arbiter": {"rss_kib": dom0.arbiter_rss_kib, "cpu_s": round(dom0.arbiter_cpu_s, 3)},
        "refused_total": dict(sorted(state.refused_total.items())),
        "domains": [_describe_domain(d, now_s) for _, d in sorted(state.domains.items())],
        "warnings": _warnings(state, now_s),
    }


def _describe_domain(domain: Domain, now_s: float) -> dict[str, Any]:
    balloon, demand, decision, history = domain.balloon, domain.demand, domain.decision, domain.history
    return {
        "domid": domain.domid,
        "name": domain.name,
        "uuid": domain.uuid,
        "state": domain.state(now_s),
        "actual_kib": balloon.actual_kib if balloon else None,
        "target_kib": balloon.target_kib if balloon else domain.xenstore_target_kib,
        "maxmem_kib": balloon.maxmem_kib if balloon else None,
        "grant_kib": max(0, balloon.maxmem_kib - balloon.target_kib) if balloon else None,
        "floor_kib": demand.floor_kib if demand else None,
        "working_set_kib": demand.working_set_kib if demand else None,
        "need_kib": demand.need_kib if demand else None,
        "comfort_kib": demand.comfort_kib if demand else None,
        "short_kib": _short_kib(domain),
        "ceiling_kib": domain.ceiling_kib,
        "weight": domain.settings.weight,
        "group": domain.settings.group,
        "agent": f"{domain.hello.agent_name} {domain.hello.agent_version}" if domain.hello else None,
        "balloon_up_kib_s": balloon and _whole(balloon.up.kib_s),
        "balloon_down_kib_s": balloon and _whole(balloon.down.kib_s),
        "reaction_s": round(domain.reaction_s, 3),
        "report_age_s": round(now_s - history.arrived_s, 3) if history else None,
        "last_decision": decision
        and {
            "age_s": round(now_s - decision.at_s, 3),
            "from_kib": decision.from_kib,
            "to_kib": decision.to_kib,
            "reason": decision.reason,
        },
    }


def _whole(kib_s: float | None) -> int | None:
    """None where a pace is not known."""
    return None if kib_s is None else int(kib_s)


def _short_kib(domain: Domain) -> int | None:
    """How much less than its need it was given; less than a page is nothing."""
    if domain.balloon is None or domain.demand is None:
        return None
    short_kib = domain.demand.need_kib - domain.balloon.target_kib
    return short_kib if short_kib >= PAGE_KIB else 0


def _warnings(state: State, now_s: float) -> list[str]:
    warnings = []
    if state.floors_missing_kib:
        warnings.append(f"the floors do not fit: {state.floors_missing_kib} KiB are missing")
    if state.free_kib < state.settings.slack_kib:
        warnings.append(f"free memory is {state.settings.slack_kib - state.free_kib} KiB below the slack")
    for domid, domain in sorted(state.domains.items()):
        name = f"{domain.name} ({domid})"
        match domain.state(now_s):
            case "silent":
                warnings.append(f"{name} is silent: it keeps what it has until its agent reports again")
            case "stuck":
                warnings.append(f"{name} does not shrink: it is asked again later")
            case "manual":
                warnings.append(f"{name} was resized by somebody else: `aerostat resume {domain.name}` hands it back")
            case "no-agent" if domain.welcome is not None and domain.welcome.version == 0:
                warnings.append(f"{name}: {domain.welcome.reason}")
    return warnings
