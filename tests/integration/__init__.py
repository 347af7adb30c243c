"""Tests against the real xenstored, on a machine without Xen.

Xen's own C daemon runs unmodified; `xs_shim.c` plays the hypervisor to it, `guest_bridge` the guests' kernels, and
`real_xenstored` starts, stops and kills it and makes guests as `xl` would. `plain_client` speaks the wire protocol
without our code, to judge ours by. Fixtures are in `conftest.py`. Needs xen-utils-4.17 and gcc (Debian 12); elsewhere
the tests are skipped, and say so. Anything of the project may be imported here.
"""
