"""A session and its grants over a real connection to a xenstore."""

from guest_agent import Sample
from guest_agent.alone import Alone
from guest_agent.notices import Notices
from guest_agent.report import build_hello, build_report
from guest_agent.sample import Counters
from guest_agent.tunables import Tunables
from guest_agent.xenstore import Xenstore
from guest_agent.xenstore_link import XenstoreLink
from protocol import (
    GRANT_KEY,
    PULSE_KEY,
    TAKES_GRANTS,
    WELCOME_KEY,
    Grant,
    Report,
    Welcome,
    encode_grant,
    encode_welcome,
)
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
    link.start_over(2400)
    assert not link.is_granted(2400), "but not after a resume"


def test_what_another_domain_was_granted_is_void(server: Server) -> None:
    server.add(DOMID)
    link = link_of(connect(server.guest_path(DOMID)), TAKES_GRANTS)
    link.alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30"), 0)
    with WireClient(server.dom0_path()) as dom0:
        for key, value in (
            (WELCOME_KEY, encode_welcome(Welcome(version=1, reason=""))),
            (GRANT_KEY, encode_grant(Grant(version=1, extra_kib=64 * MIB, echo_uptime_ms=1000, duration_ms=60_000))),
        ):
            dom0.write(f"/local/domain/{DOMID}/{key}", value)
            dom0.set_perms(f"/local/domain/{DOMID}/{key}", "n0", f"r{DOMID}")
        dom0.write(PULSE_KEY, b"of an arbiter that died")
        dom0.set_perms(PULSE_KEY, "r0")
        for now_ms in (1000, 12_000, 23_000, 34_000, 45_000):
            assert link.exchange(report(now_ms), "used", now_ms)
        assert link.is_granted(45_001)
        assert link.alone.is_alone(45_001)
        dom0.write(f"/local/domain/{DOMID}/domid", b"8")
        assert link.exchange(report(47_000), "used", 47_000)
        assert not link.is_granted(47_001)
        assert not link.alone.is_alone(47_001), "nor is it alone where it came to, yet"
        here = Grant(version=1, extra_kib=64 * MIB, echo_uptime_ms=47_000, duration_ms=60_000)
        dom0.write(f"/local/domain/{DOMID}/{GRANT_KEY}", encode_grant(here))
        assert link.exchange(report(49_000), "used", 49_000)
        assert link.is_granted(49_001), "the report that came with the hello is known"
    for now_ms in (50_000, 81_000):
        link.alone.on_pulse(b"of an arbiter that died", now_ms, welcomed=True)
    assert link.alone.is_alone(81_000)
    link.start_over(82_000)
    assert not link.alone.is_alone(82_001)


def test_an_agent_that_cannot_grow_its_guest_looks_for_no_grant(server: Server) -> None:
    server.add(DOMID)
    link = link_of(connect(server.guest_path(DOMID)), 0)
    assert link.exchange(report(1000), "first", 1000)
    assert not link.is_granted(1000)
    assert link.grown_target_kib(sample(1000, 0), 256 * MIB) == 0


def test_the_pulse_of_an_arbiter_that_welcomed_us_is_felt_and_no_other(server: Server) -> None:
    server.add(DOMID)
    alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30"), 0)
    hello = build_hello(os_name="Linux", os_version="6.1", boot_id="b", capabilities=TAKES_GRANTS)
    link = XenstoreLink(connect(server.guest_path(DOMID)), hello, Notices())
    link.alone = alone
    assert link.exchange(report(0), "first", 0)

    def say_at(*times_ms: int) -> None:
        for now_ms in times_ms:
            dom0.write(PULSE_KEY, b"%d" % now_ms)
            dom0.set_perms(PULSE_KEY, "r0")
            assert link.errand_due(now_ms)
            assert link.exchange(None, "", now_ms)

    with WireClient(server.dom0_path()) as dom0:
        say_at(10_000, 20_000, 30_000)
        assert alone.is_alone(30_000), "it has welcomed nobody"
        welcome_key = f"/local/domain/{DOMID}/{WELCOME_KEY}"
        dom0.write(welcome_key, encode_welcome(Welcome(version=1, reason="")))
        dom0.set_perms(welcome_key, "n0", f"r{DOMID}")
        say_at(40_000, 50_000)
        assert not alone.is_alone(50_000)
        for now_ms in (60_000, 70_000, 80_000):  # an arbiter that died leaves its welcome, and its last pulse
            assert link.exchange(report(now_ms), "heartbeat", now_ms)
        assert alone.is_alone(80_000)
