"""The guest's agent: its pure parts on texts and in virtual time, and the real process over real sockets.

`kernels` has texts as kernels print them, `processes` starts agents. May import guest_agent, protocol, the servers of
tests/contract and tests/integration to talk to, and the simulator's played /proc to read.
"""
