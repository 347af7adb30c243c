"""Who says hello is answered, until the answer has arrived; and what an arbiter of before granted is over."""

from dom0_arbiter.engine import (
    Action,
    ActionFailed,
    DomainIntroduced,
    DomainSample,
    Event,
    HelloReceived,
    HostSampled,
    SendGrant,
    SendWelcome,
    State,
    step,
)
from dom0_arbiter.policy import Settings
from guest_agent.report import build_hello
from protocol import TAKES_GRANTS

MIB = 1024
SIZE_KIB = 256 * MIB


class Arbiter:
    """The engine alone, on a host of one domain, which nobody moves."""

    def __init__(self) -> None:
        self._state, self._now_s = State(settings=Settings(free_pool_kib=0)), 0.0

    def hears(self, *events: Event) -> list[Action]:
        """What it does about welcomes and grants."""
        self._now_s += 1.0
        self._state, plan, _ = step(self._state, [*events, self._look()], self._now_s)
        return [action for action in plan.actions if isinstance(action, SendWelcome | SendGrant)]

    @staticmethod
    def _look() -> HostSampled:
        sample = DomainSample(actual_kib=SIZE_KIB, maxmem_kib=SIZE_KIB + MIB)
        return HostSampled(total_kib=4 * SIZE_KIB, free_kib=128 * MIB, domains={1: sample})


def hello(capabilities: int) -> HelloReceived:
    return HelloReceived(
        domid=1, hello=build_hello(os_name="Linux", os_version="6.1", boot_id="b", capabilities=capabilities)
    )


def introduced() -> DomainIntroduced:
    return DomainIntroduced(domid=1, uuid="u", name="n", static_max_kib=2 * SIZE_KIB, target_kib=SIZE_KIB)


def test_an_answer_that_did_not_arrive_is_written_again_until_it_does() -> None:
    arbiter = Arbiter()
    (answer,) = arbiter.hears(introduced(), hello(0))
    assert arbiter.hears() == []
    for _ in range(2):
        assert arbiter.hears(ActionFailed(domid=1, reason="xenstore stalled")) == [answer]
    assert arbiter.hears() == []


def test_a_hello_that_repeats_the_last_is_answered_again() -> None:
    arbiter = Arbiter()
    answer = arbiter.hears(introduced(), hello(0))
    assert arbiter.hears(hello(0)) == answer


def test_what_was_granted_before_is_over_for_those_who_take_grants() -> None:
    welcome, grant = Arbiter().hears(introduced(), hello(TAKES_GRANTS))
    assert isinstance(welcome, SendWelcome) and isinstance(grant, SendGrant)
    assert grant.grant.extra_kib == 0
