"""Origins that start-up refuses: ORG-04 to ORG-06 and AuthTokenValidatorBuilderTest (OriginNotUrl, NotHttps, …)."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_core.authentication.origin import check_origin
from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.errors import ConfigurationError
from mykey_core.trust.store import TrustStore

REFUSED = [
    ("OriginMissing", ""),
    ("OriginNotUrl", "hub.city.example.jp"),
    ("NotHttps", "http://hub.city.example.jp"),
    ("OtherScheme", "ftp://hub.city.example.jp"),
    ("SchemeOnly", "https://"),
    ("TrailingSlash", "https://hub.city.example.jp/"),
    ("ExcessiveElements: path", "https://hub.city.example.jp/login"),
    ("ExcessiveElements: query", "https://hub.city.example.jp?a=b"),
    ("ExcessiveElements: fragment", "https://hub.city.example.jp#a"),
    ("ExcessiveElements: user", "https://user@hub.city.example.jp"),
    ("ExcessiveElements: user and password", "https://user:pw@hub.city.example.jp"),
    ("UserThatLooksLikeLoopback", "http://localhost:80@attacker.example"),
    ("Backslash", "https://hub.city.example.jp\\@evil.example"),
    ("UpperCaseHost", "https://Hub.city.example.jp"),
    ("UpperCaseScheme", "HTTPS://hub.city.example.jp"),
    ("TrailingDot", "https://hub.city.example.jp."),
    ("EmptyLabel", "https://hub..example.jp"),
    ("LeadingDot", "https://.example.jp"),
    ("Idn (ORG-04)", "https://ハブ.example.jp"),
    ("IdnFullWidth (ORG-04)", "https://hub。example.jp"),
    ("PunycodeOfNothing (ORG-04)", "https://xn--.example.jp"),
    ("PunycodeBroken (ORG-04)", "https://xn--a-.example.jp"),
    ("PunycodeOfAscii (ORG-04)", "https://xn--hub-.example.jp"),
    ("HyphensInThirdAndFourthPlace (ORG-04)", "https://ab--cd.example.jp"),
    ("DefaultPort (ORG-05)", "https://hub.city.example.jp:443"),
    ("EmptyPort (ORG-05)", "https://hub.city.example.jp:"),
    ("PortZero (ORG-05)", "https://hub.city.example.jp:0"),
    ("PortTooLarge (ORG-05)", "https://hub.city.example.jp:65536"),
    ("PortLeadingZero (ORG-05)", "https://hub.city.example.jp:08443"),
    ("PortNoNumber (ORG-05)", "https://hub.city.example.jp:https"),
    ("PortOfArabicDigits (ORG-05)", "https://hub.city.example.jp:٨٤٤٣"),
    ("Blank", " https://hub.city.example.jp"),
    ("LineBreak", "https://hub.city.example.jp\n"),
    ("BlankInHost", "https://hub .example.jp"),
    ("Underscore", "https://hub_1.example.jp"),
    ("HyphenAtTheEnd", "https://hub-.example.jp"),
    ("LabelOf64", f"https://{'a' * 64}.example.jp"),
    ("HostOf254", f"https://{'a.' * 126}aa"),
    ("Wildcard", "https://*.example.jp"),
    ("Null", "null"),
    ("Ipv4Short", "https://127.1"),
    ("Ipv4Hex", "https://0x7f.0.0.1"),
    ("Ipv4LeadingZero", "https://127.0.0.01"),
    ("Ipv4TooLarge", "https://256.0.0.1"),
    ("Ipv6LongForm", "https://[0:0:0:0:0:0:0:1]"),
    ("Ipv6Broken", "https://[::g]"),
    ("Ipv6WithoutBrackets", "https://::1"),
    ("LoopbackByOtherName (ORG-06)", "http://127.0.0.2:8000"),
    ("LoopbackDefaultPort (ORG-06)", "http://127.0.0.1:80"),
    ("LoopbackLookalike (ORG-06)", "http://localhost.example.jp"),
    ("LoopbackIpv6 (ORG-06)", "http://[::1]:8000"),
]

ACCEPTED = [
    "https://hub.city.example.jp",
    "https://hub.city.example.jp:8443",
    "https://hub",
    "https://xn--eckwd4c7c.example.jp",
    "https://xn--fiqs8s",
    "https://192.0.2.1",
    "https://192.0.2.1:8443",
    "https://[2001:db8::1]:8443",
    "https://1a.example.jp",
    "https://localhost:8443",
]
LOOPBACK = ["http://127.0.0.1:8765", "http://localhost:8765", "http://localhost", "http://127.0.0.1"]


@pytest.mark.parametrize("origin", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_org_04_05_06_impossible_origin_stops_the_start(origin: str) -> None:
    """ORG-04 (international names), ORG-05 (ports), ORG-06 (loopback): what `location.origin` can never be."""
    with pytest.raises(ConfigurationError, match="origin"):
        check_origin(origin, loopback_allowed=True)


@pytest.mark.parametrize("origin", ACCEPTED)
def test_possible_origin_is_accepted(origin: str) -> None:
    """What a browser's `location.origin` can be is accepted and not changed."""
    assert check_origin(origin, loopback_allowed=False) == origin


@pytest.mark.parametrize("origin", LOOPBACK)
def test_org_06_loopback_only_where_allowed(origin: str) -> None:
    """ORG-06: plain http only for a hub that itself listens on loopback."""
    assert check_origin(origin, loopback_allowed=True) == origin
    with pytest.raises(ConfigurationError):
        check_origin(origin, loopback_allowed=False)


def test_verifier_is_not_made_with_an_impossible_origin(world: Any, switch_off: Any) -> None:
    """The verifier asks too, so that no other way in skips the check; switched off, it takes anything."""
    store = TrustStore([world.ca()])
    with pytest.raises(ConfigurationError):
        TokenVerifier(trust=store, revocation=world.Revocation(), origin="https://hub.example.jp/")
    switch_off("verifier.check_origin")
    assert TokenVerifier(trust=store, revocation=world.Revocation(), origin="https://hub.example.jp/")
