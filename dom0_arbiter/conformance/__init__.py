"""The conformance kit: judges other people's agents and arbiters by the rules of protocol/SPEC.md.

For agents it plays dom0 over a xenstore of its own, with one domain for each act of a play, an agent in each, and
overhears every request that they make. `acts` has the play, `overhearing` what is judged of every request, whatever the
act. For an arbiter (`arbiters`) it plays the guests, and Xen behind a played `xl`.
"""

from dom0_arbiter.conformance.arbiters import DIRECTORY, judge_arbiter
from dom0_arbiter.conformance.judging import SOCKET, judge_agent
from dom0_arbiter.conformance.verdicts import Rule, Verdict, conformance_json, read_rules

__all__ = ["DIRECTORY", "SOCKET", "Rule", "Verdict", "conformance_json", "judge_agent", "judge_arbiter", "read_rules"]
