"""The Xen lab: real Xen, xenstored, xl, dom0 and guests in one emulated machine, to judge the whole path of a page.

`python -m tests.xenlab` on the host builds what boots (`images`, `app_disk`), runs QEMU (`machine`, `boots`) and
judges what comes back (`timeline`, `figures`, `invariants`, `verdict`). `driver/` is what runs inside, in dom0: it
boots guests, plays the scenarios of `catalogue` and records Xen's own figures; it judges nothing. `guest/` runs in
guests, `recipe/` makes the images. Nothing that ships imports this room; of ours it imports `protocol` alone, to read
what agents said.
"""
