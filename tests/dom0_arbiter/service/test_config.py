"""A configuration is right, or one line says what is wrong with it and what would be right."""

from pathlib import Path

import pytest

from dom0_arbiter.engine import DomainIntroduced, State, step
from dom0_arbiter.policy import ESTIMATORS, DomainSettings, Settings, Surplus
from dom0_arbiter.service import ConfigError, parse_settings, read_settings
from dom0_arbiter.service.main import main

UUID = "c0ffee00-0000-4000-8000-000000000001"
DEFAULT_FILE = Path(__file__).parents[3] / "packaging" / "etc" / "aerostatd.toml"


def test_the_default_file_says_what_the_defaults_are() -> None:
    assert read_settings(DEFAULT_FILE) == Settings()
    every_line = "\n".join(line.removeprefix("#") for line in DEFAULT_FILE.read_text().splitlines() if "# " not in line)
    shown = parse_settings(every_line.encode(), name="default")
    assert shown.slack_kib == Settings().slack_kib
    assert shown.surplus == Settings().surplus
    assert shown.default.estimator == Settings().default.estimator
    assert shown.default.grant_kib == Settings().default.grant_kib
    assert shown.default.reserved_burst_kib == Settings().default.reserved_burst_kib
    assert shown.default.boot_min_kib == Settings().default.boot_min_kib
    assert shown.of_domain("web-1").weight == 512
    assert shown.of_domain("web-1", uuid=UUID).excluded


def test_the_default_file_says_what_each_estimator_does() -> None:
    shown = [line for line in DEFAULT_FILE.read_text().splitlines() if line.startswith('#   "')]
    assert set(ESTIMATORS) <= {line.split('"')[1] for line in shown}


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


def test_room_for_bursts_and_for_starts_is_off_unless_asked_for() -> None:
    content = b"""
        [default]
        boot_min_kib = 524288
        [[domain]]
        match = "web-*"
        reserved_burst_kib = 131072
    """
    web = parse_settings(content, name="f").of_domain("web-1")
    assert (web.boot_min_kib, web.reserved_burst_kib) == (524_288, 131_072)
    plain = parse_settings(b"", name="f").default
    assert (plain.boot_min_kib, plain.reserved_burst_kib) == (0, 0)


def test_a_domain_may_have_an_estimator_of_its_own() -> None:
    content = b"""
        [default]
        estimator = "available"
        [[domain]]
        match = "qubes-*"
        estimator = "used-margin"
        [[domain]]
        match = "*"
        weight = 7
    """
    settings = parse_settings(content, name="f")
    assert settings.of_domain("qubes-1").estimator == "used-margin"
    assert settings.of_domain("db").estimator == "available"
    assert parse_settings(b"", name="f").of_domain("db").estimator == "working-set"


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_estimator_can_be_named(name: str) -> None:
    settings = parse_settings(f'[default]\nestimator = "{name}"'.encode(), name="f")
    assert settings.default.estimator == name


def test_a_uuid_beats_every_pattern() -> None:
    content = f"""
        [default]
        dynamic_min_kib = 131072
        [[domain]]
        match = "*"
        weight = 100
        group = "all"
        [[domain]]
        uuid = "{UUID.upper()}"
        weight = 300
    """
    settings = parse_settings(content.encode(), name="f")
    chosen = settings.of_domain("db", uuid=UUID)
    assert (chosen.weight, chosen.group, chosen.dynamic_min_kib) == (300, "", 131_072)
    assert settings.of_domain("db", uuid=UUID.upper()) == chosen
    assert settings.of_domain("db", uuid=UUID.replace("1", "2")).weight == 100
    assert settings.of_domain("db").weight == 100


def test_a_domain_keeps_the_settings_of_its_uuid_while_it_migrates_and_is_renamed() -> None:
    settings = parse_settings(f'[[domain]]\nuuid = "{UUID}"\nweight = 300'.encode(), name="f")
    state = State(settings=settings)
    for name in ("db--incoming", "db", "web"):
        introduced = DomainIntroduced(domid=1, uuid=UUID, name=name, static_max_kib=2**20, target_kib=2**19)
        state, _, _ = step(state, [introduced], 1.0)
        assert state.domains[1].settings.weight == 300


def test_dom0_is_managed_only_if_that_is_said() -> None:
    assert parse_settings(b"[dom0]\ndynamic_max_kib = 4194304", name="f").dom0 is None
    managed = parse_settings(b"[dom0]\nmanaged = true\ndynamic_max_kib = 4194304\nweight = 512", name="f").dom0
    assert managed == DomainSettings(weight=512, dynamic_min_kib=1048576, dynamic_max_kib=4194304)


def test_surplus_is_a_word_or_shares() -> None:
    shares = b"[policy]\nsurplus = {spread = 50, keep-free = 20, dom0 = 30}"
    assert parse_settings(shares, name="f").surplus == Surplus(spread=50, dom0=30, keep_free=20)
    assert parse_settings(b'[policy]\nsurplus = "dom0"', name="f").surplus == Surplus(dom0=100)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[host]\nslack_kib = 1", "f.toml: host.slack_kib: .*allowed: an integer from 65536 to"),
        ("[host]\nslak_kib = 1", "f.toml: host: .*unknown field `slak_kib`; allowed: the keys slack_kib"),
        ('[policy]\nsurplus = "all"', 'f.toml: policy.surplus: .*allowed: "dom0", "keep-free", "spread"'),
        ("[policy]\nsurplus = {spread = 50}", "f.toml: policy.surplus: 50 percent; allowed: shares that add up to 100"),
        ("[policy]\nsurplus = {spread = 101}", "f.toml: policy.surplus.spread: .*allowed: an integer from 0 to 100"),
        (
            "[policy]\nsurplus = {none = 100}",
            "f.toml: policy.surplus: .*`none`; allowed: .*keys spread, dom0, keep-free",
        ),
        ("[dom0]\nmanaged = true", r"f.toml: \[dom0\]: managed without dynamic_max_kib; allowed: .*dom0_mem"),
        ("[dom0]\ndynamic_min_kib = 1000", "f.toml: dom0.dynamic_min_kib: .*allowed: an integer from 1048576 to"),
        (
            "[dom0]\nmanaged = true\ndynamic_min_kib = 2097152\ndynamic_max_kib = 1048576",
            r"f.toml: \[dom0\]: dynamic_min_kib = 2097152: at most dynamic_max_kib \(1048576\) allowed",
        ),
        ("[[domain]]\nweight = 3", r"f.toml: domain\[0\]: neither match nor uuid; allowed: one of match, uuid$"),
        (
            f'[[domain]]\nmatch = "a"\n[[domain]]\nmatch = "b"\nuuid = "{UUID}"',
            r"f.toml: domain\[1\]: match and uuid; allowed: one of match, uuid$",
        ),
        (
            '[[domain]]\nuuid = "coffee"',
            "f.toml: .*uuid = 'coffee': not a uuid; allowed: hexadecimal digits as in 0000",
        ),
        (f'[[domain]]\nuuid = "{UUID}\\n"', "f.toml: domain.0..uuid: .*allowed: text of 1 to 36 characters"),
        (f'[[domain]]\nuuid = "{UUID[:-1]}\\n"', "f.toml: .*uuid = 'c0ffee.*0.n': not a uuid"),
        ("[[domain]]\nuuid = 3", "f.toml: domain.0..uuid: .*allowed: text"),
        (
            f'[[domain]]\nuuid = "{UUID}"\n[[domain]]\nuuid = "{UUID.upper()}"',
            "f.toml: .*uuid = 'C0FF.*': given twice; allowed: one table for each",
        ),
        (
            f'[[domain]]\nuuid = "{UUID}"\ndynamic_min_kib = 10\ndynamic_max_kib = 5',
            f"f.toml: .*uuid = '{UUID}': dynamic_min_kib = 10: at most",
        ),
        (
            '[default]\nestimator = "magic"',
            'f.toml: default.estimator: .*allowed: "available", "committed-as", .*"work',
        ),
        ('[[domain]]\nmatch = "a"\nestimator = 1', 'f.toml: domain.0..estimator: .*allowed: "available", '),
        ('[[domain]]\nmatch = "a"\nweight = 70000', "f.toml: domain.0..weight: .*an integer from 1 to 65535"),
        ("[default]\nexcluded = 1", "f.toml: default.excluded: .*allowed: true or false"),
        ("domain = 3", "f.toml: domain: .*allowed: one table for each"),
        ("typo = 1", "f.toml: top level: .*allowed: the keys host, policy, dom0, default, domain"),
        ("[default]\ndynamic_min_kib = 10\ndynamic_max_kib = 5", "f.toml: .default.: dynamic_min_kib = 10: at most"),
        (
            "[default]\nboot_min_kib = 70000\ndynamic_max_kib = 65536",
            "f.toml: .default.: boot_min_kib = 70000: at most dy",
        ),
        (
            '[default]\nreserved_burst_kib = 70000\n[[domain]]\nmatch = "a"\ndynamic_max_kib = 65536',
            r"f.toml: .*match = 'a': reserved_burst_kib = 70000: at most dynamic_max_kib \(65536\) allowed",
        ),
        ("[default]\nboot_min_kib = -1", "f.toml: default.boot_min_kib: .*allowed: an integer from 0 to"),
        ("[default]\nreserved_burst_kib = 0.5", "f.toml: default.reserved_burst_kib: .*allowed: an integer from 0 to"),
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


@pytest.mark.parametrize("path", ["/dev/zero", "a\0b"])
def test_what_is_no_file_of_ours_is_an_error_like_any_other(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(Path(path))
