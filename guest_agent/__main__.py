"""`python3 -m guest_agent`."""

import sys

from guest_agent.main import main

sys.exit(main())
