"""What runs in dom0 of the emulated host: boots guests, plays scenarios, records Xen's own figures. It judges nothing.

Debian's Python and Xen's own bindings (xen.lowlevel), nothing of what is under test: the arbiter and the agents are
programs it starts. It reads /lab/plan.json and appends one JSON object per run to /lab/records.jsonl.
"""
