"""Where the messages stand in xenstore, and who may write there.

The guest writes below its own `data/` (owned by it since libxl made it); dom0 writes below `aerostat/` in the domain's
directory, which dom0 owns and the guest may read. Guests use the relative forms, which xenstored resolves against
/local/domain/N.
"""

HELLO_KEY = "data/aerostat/hello"
REPORT_KEY = "data/aerostat/report"
WELCOME_KEY = "aerostat/welcome"
GRANT_KEY = "aerostat/grant"
PULSE_KEY = "/tool/aerostat/pulse"
"""The arbiter's sign of life, for every guest to read: it is another value at least every PULSE_S."""
PULSE_S = 10.0


def domain_path(domid: int) -> str:
    """The directory of a domain."""
    return f"/local/domain/{domid}"
