"""The conformance kit: judges other people's agents by the rules of protocol/SPEC.md.

It plays dom0 over a xenstore of its own, with one domain for each act of a play, an agent in each, and overhears every
request that they make. `acts` has the play, `overhearing` what is judged of every request, whatever the act.
"""

from dom0_arbiter.conformance.judging import SOCKET, judge_agent
from dom0_arbiter.conformance.verdicts import Rule, Verdict, conformance_json, read_rules

__all__ = ["SOCKET", "Rule", "Verdict", "conformance_json", "judge_agent", "read_rules"]
