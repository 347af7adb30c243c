"""Our agent as an older or newer release would be: LOWEST HIGHEST SOCKET. From version 2 on, reports say more."""

import sys
from base64 import b64decode, b64encode
from unittest.mock import patch

import msgpack

from guest_agent import grants, main, report, session, xenstore_link
from protocol import Report, encode_report

LATER = ["of version 2", {"nested": [1.5, None]}]


def say_more(said: Report) -> bytes:
    """The report with fields that version 1 does not know."""
    items = msgpack.unpackb(b64decode(encode_report(said)))
    return b64encode(msgpack.packb([*items, *LATER]))


if __name__ == "__main__":
    lowest, highest = int(sys.argv[1]), int(sys.argv[2])
    for module in (grants, report, session):
        patch.object(module, "VERSION_LOWEST", lowest).start()
        patch.object(module, "VERSION_HIGHEST", highest).start()
    if highest > 1:
        patch.object(xenstore_link, "encode_report", say_more).start()
    sys.argv[1:] = ["--socket", sys.argv[3]]
    sys.exit(main.main())
