"""A configuration is right, or one line says what is wrong with it and what would be right."""

from pathlib import Path

import pytest

from dom0_arbiter.policy import Settings
from dom0_arbiter.service import ConfigError, parse_settings, read_settings
from dom0_arbiter.service.main import main

DEFAULT_FILE = Path(__file__).parents[3] / "packaging" / "etc" / "aerostatd.toml"


def test_the_default_file_says_what_the_defaults_are() -> None:
    assert read_settings(DEFAULT_FILE) == Settings()
    every_line = "\n".join(line.removeprefix("#") for line in DEFAULT_FILE.read_text().splitlines() if "# " not in line)
    shown = parse_settings(every_line.encode(), name="default")
    assert shown.slack_kib == Settings().slack_kib
    assert shown.surplus == Settings().surplus


def test_the_first_match_overrides_the_default_where_it_says_something() -> None:
    content = b"""
        [default]
        weight = 100
        dynamic_min_kib = 131072
        [[domain]]
        match = "web-*"
        weight = 300
        [[domain]]
        match = "web-1"
        excluded = true
    """
    settings = parse_settings(content, name="f")
    assert (settings.of_domain("web-1").weight, settings.of_domain("web-1").excluded) == (300, False)
    assert settings.of_domain("web-1").dynamic_min_kib == 131_072
    assert settings.of_domain("db").weight == 100


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[host]\nslack_kib = 1", "f.toml: host.slack_kib: .*allowed: an integer from 65536 to"),
        ("[host]\nslak_kib = 1", "f.toml: host: .*unknown field `slak_kib`; allowed: the keys slack_kib"),
        ('[policy]\nsurplus = "all"', 'f.toml: policy.surplus: .*allowed: "dom0", "keep-free", "spread"'),
        ("[[domain]]\nweight = 3", "f.toml: domain.0.: .*missing required field `match`"),
        ('[[domain]]\nmatch = "a"\nweight = 70000', "f.toml: domain.0..weight: .*an integer from 1 to 65535"),
        ("[default]\nexcluded = 1", "f.toml: default.excluded: .*allowed: true or false"),
        ("domain = 3", "f.toml: domain: .*allowed: one table for each"),
        ("typo = 1", "f.toml: top level: .*allowed: the keys host, policy, default, domain"),
        ("[default]\ndynamic_min_kib = 10\ndynamic_max_kib = 5", "f.toml: .default.: dynamic_min_kib = 10: at most"),
        ("a =", "f.toml: not TOML"),
        ('[[domain]]\nmatch = "a"\n[[domain]]\nmatch = "a"', "f.toml: .*match = 'a': given twice"),
        ("a = " + "[" * 5000 + "]" * 5000, "f.toml: not TOML"),
        ('" - at `$" = 1', "f.toml: .*unknown field.*allowed: the keys host"),
    ],
)
def test_an_error_names_the_file_the_key_and_what_is_allowed(content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_settings(content.encode(), name="f.toml")


def test_a_bad_configuration_ends_the_arbiter_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[host]\nslack_kib = 0\n")
    assert main(["--config", str(bad)]) == 2
    assert f"{bad}: host.slack_kib" in capsys.readouterr().err
    assert main(["--config", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
