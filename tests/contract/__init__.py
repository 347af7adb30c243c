"""What a xenstore does, held against two: the embedded one, and Xen's own daemon.

Every test here runs against both, as dom0 and as guests, through a raw client that shares no code with either server.
Where they differ the real one is right. It needs xen-utils-4.17 and gcc; elsewhere its half is skipped, and says so.
"""
