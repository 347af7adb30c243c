"""What the settings of the guest's owner make of its agent. Loaded for guests whose owner sets something."""

from guest_agent.alone import Alone
from guest_agent.options import UsageError
from guest_agent.shrinking import Shrinking
from guest_agent.tunables import STAY
from protocol import TAKES_GRANTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.agent import Agent
    from guest_agent.sources import Source
    from guest_agent.tunables import Tunables
    from guest_agent.xenstore_link import XenstoreLink


def follow(tunables: "Tunables", agent: "Agent", link: "XenstoreLink", source: "Source", now_ms: int) -> None:
    """Put settings into force; raise UsageError, with those of before in force, where this guest cannot do that."""
    if tunables.alone != STAY and not source.capabilities & TAKES_GRANTS:
        raise UsageError(f"alone = {tunables.alone}: this guest has no balloon that the agent may set")
    budget_kib_s = tunables.free_for_balloon_kib_s
    if budget_kib_s and not source.can_free:
        raise UsageError(f"free_for_balloon_kib_s = {budget_kib_s}: memory.reclaim and a balloon are needed")
    if agent.alone:
        agent.alone.tunables = tunables
    elif tunables.alone != STAY:
        agent.alone = link.alone = Alone(tunables, now_ms)
    if not budget_kib_s:
        agent.shrinking = None
    elif agent.shrinking:
        agent.shrinking.budget_kib_s = budget_kib_s
    else:
        agent.shrinking = Shrinking(budget_kib_s)
