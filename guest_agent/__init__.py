"""The DomU side: measures what a guest's memory needs, and tells dom0 while it is news. Synchronous and small.

`sources/` is the one place that opens files, `xenstore` the one that talks to xenstore, `waiting` the one that waits;
between them everything is pure: `sample` (text to numbers), `cadence` (when to look, what is news), `report` and
`session`. Every module imported here is resident in every guest: the standard library's light parts, msgpack through
protocol, and two modules of pyxs. Not dataclasses, typing, logging, argparse, socket, signal or re; psutil only when
asked for. What others may use, to play guests, are the pure parts below.
"""

from guest_agent.cadence import Cadence
from guest_agent.report import build_hello, build_report
from guest_agent.sample import Counters, Sample
from guest_agent.session import DEFAULTS, Session

__all__ = ["DEFAULTS", "Cadence", "Counters", "Sample", "Session", "build_hello", "build_report"]
