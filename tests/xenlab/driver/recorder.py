"""Records what happens to memory on the host: Xen's own figures at a steady beat, and writes to xenstore as they come.

It shares one pCPU with everything it watches, so it does little: a sample is three hypercalls, an
event one read. Nothing is computed here.
"""

import contextlib
import threading
import time
from typing import Any

from xen.lowlevel import xc, xs

SAMPLE_EVERY_S = 0.05
WATCHED = (
    "memory/target",
    "memory/static-max",
    "control/shutdown",
    "data/aerostat/report",
    "data/aerostat/hello",
    "aerostat/welcome",
    "aerostat/grant",
)
# [at_s, free_before_kib, free_after_kib, [[domid, mem_kib, maxmem_kib, live], ...]]
Sample = list[Any]
# [at_s, domid, key, value, maxmem_kib]: maxmem is Xen's at the time of the event, for writes to memory/target
Event = list[Any]


class Recorder:
    """Two threads that outlive every scenario; `cut` hands out a stretch of what they saw."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._events: list[Event] = []
        threading.Thread(target=self._sample, name="sampler", daemon=True).start()
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def cut(self, from_s: float, until_s: float) -> dict[str, Any]:
        """Samples and events of a stretch of time; what is older is forgotten."""
        samples = [sample for sample in self._samples if from_s <= sample[0] <= until_s]
        events = [event for event in self._events if from_s <= event[0] <= until_s]
        self._samples = [sample for sample in self._samples if sample[0] > until_s]
        self._events = [event for event in self._events if event[0] > until_s]
        return {"samples": samples, "events": events}

    def last(self) -> Sample:
        """The newest sample."""
        while not self._samples:
            time.sleep(SAMPLE_EVERY_S)
        return self._samples[-1]

    def target_at_suspend_kib(self, domid: int) -> int:
        """What was last written to a domain's memory/target before it was asked to suspend; 0 if nothing was."""
        target_kib = 0
        for _, of_domid, key, text, _ in self._events:
            if of_domid == domid and key == "memory/target" and text:
                target_kib = int(text)
            elif of_domid == domid and key == "control/shutdown" and text == "suspend":
                break
        return target_kib

    def _sample(self) -> None:
        hypervisor = xc.xc()
        while True:
            at_s = time.time()
            # Free memory on both sides of the list: what moves in between must not look like a broken promise.
            before_kib = hypervisor.physinfo()["free_memory"]
            infos = hypervisor.domain_getinfo(0, 64)[1:]  # from 1 on it fails while there is only dom0
            after_kib = hypervisor.physinfo()["free_memory"]
            domains = [
                [info["domid"], info["mem_kb"], info["maxmem_kb"], int(not (info["dying"] or info["shutdown"]))]
                for info in infos
            ]
            self._samples.append([round(at_s, 4), before_kib, after_kib, domains])
            time.sleep(max(0.0, SAMPLE_EVERY_S - (time.time() - at_s)))

    def _listen(self) -> None:
        hypervisor = xc.xc()
        store = xs.xs()
        store.watch("/local/domain", "lab")
        while True:
            path = store.read_watch()[0]
            at_s = time.time()
            words = path.split("/", 4)  # "", "local", "domain", N, the rest
            if len(words) < 5 or words[4] not in WATCHED or not words[3].isdecimal():
                continue
            domid, key = int(words[3]), words[4]
            maxmem_kib = None
            if key == "memory/target":
                found = [info for info in hypervisor.domain_getinfo(0, 64) if info["domid"] == domid]
                maxmem_kib = found[0]["maxmem_kb"] if found else None
            value = None
            with contextlib.suppress(xs.Error):  # the node went away in the meantime: recorded as None
                value = store.read("", path)
            text = None if value is None else value.decode("latin-1")
            self._events.append([round(at_s, 4), domid, key, text, maxmem_kib])
