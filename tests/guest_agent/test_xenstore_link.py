"""A session and its grants over a real connection to a xenstore."""

from guest_agent import Sample
from guest_agent.notices import Notices
from guest_agent.report import build_hello, build_report
from guest_agent.sample import Counters
from guest_agent.xenstore import Xenstore
from guest_agent.xenstore_link import XenstoreLink
from protocol import GRANT_KEY, TAKES_GRANTS, WELCOME_KEY, Grant, Report, Welcome, encode_grant, encode_welcome
from tests.contract.servers import Server
from tests.contract.wire_client import WireClient
from tests.guest_agent.test_xenstore import connect

MIB = 1024
DOMID = 7


def link_of(store: Xenstore, capabilities: int) -> XenstoreLink:
    hello = build_hello(os_name="Linux", os_version="6.1", boot_id="b", capabilities=capabilities)
    return XenstoreLink(store, hello, Notices())


def sample(uptime_ms: int, available_mib: int) -> Sample:
    return Sample(uptime_ms=uptime_ms, total_kib=200 * MIB, free_kib=0, available_kib=available_mib * MIB)


def report(uptime_ms: int) -> Report:
    counters = Counters(balloon_target_kib=256 * MIB)
    return build_report(sample(uptime_ms, 100), counters, sequence=0, urgent=False)


def test_a_grant_is_read_with_the_welcome_and_outlives_a_stalled_xenstore(server: Server) -> None:
    server.add(DOMID)
    link = link_of(connect(server.guest_path(DOMID)), TAKES_GRANTS)
    dom0 = WireClient(server.dom0_path())
    for key, value in (
        (WELCOME_KEY, encode_welcome(Welcome(version=1, reason=""))),
        (GRANT_KEY, encode_grant(Grant(version=1, extra_kib=64 * MIB, echo_uptime_ms=1000, duration_ms=60_000))),
    ):
        dom0.write(f"/local/domain/{DOMID}/{key}", value)
        dom0.set_perms(f"/local/domain/{DOMID}/{key}", "n0", f"r{DOMID}")
    assert link.exchange(report(1000), "first", 1000)
    assert not link.is_granted(1500), "a welcome is looked for a second after hello"
    assert link.exchange(report(2100), "used", 2100)
    assert link.is_granted(2200)
    assert link.grown_target_kib(sample(2200, 20), 256 * MIB) == (256 + 44) * MIB
    dom0.close()
    server.remove(DOMID)
    assert not link.exchange(report(2300), "used", 2300)
    assert link.is_granted(2400), "what was granted is there, whether xenstore answers or not"
    link.start_over()
    assert not link.is_granted(2400), "but not after a resume"


def test_an_agent_that_cannot_grow_its_guest_looks_for_no_grant(server: Server) -> None:
    server.add(DOMID)
    link = link_of(connect(server.guest_path(DOMID)), 0)
    assert link.exchange(report(1000), "first", 1000)
    assert not link.is_granted(1000)
    assert link.grown_target_kib(sample(1000, 0), 256 * MIB) == 0
