"""What a distribution installs in guests says what the code does."""

import re
from pathlib import Path

from guest_agent.tunables import Tunables, read_tunables

PACKAGING = Path(__file__).parents[2] / "packaging"
CONFIGURATION = PACKAGING / "etc/agent.conf"


def test_the_packaged_settings_are_the_defaults_each_named_with_its_own() -> None:
    assert read_tunables(str(CONFIGURATION), must_exist=True).show() == Tunables().show()
    uncommented = re.sub(r"^#(?=\w+ = )", "", CONFIGURATION.read_text(), flags=re.MULTILINE)
    assert Tunables(uncommented).show() == Tunables().show()
    named = re.findall(r"^(\w+) = ", uncommented, flags=re.MULTILINE)
    assert named == [line.partition(" = ")[0] for line in Tunables().show().splitlines()]
