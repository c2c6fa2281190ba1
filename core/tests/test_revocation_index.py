"""The index of revoked serials is exact, whatever the serials are; judged by a dict and by cryptography's iteration."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_core.trust.revocation import index, lookup
from mykey_core.trust.revocation.crl import entries, verify_crl
from mykey_core.trust.revocation.index import KEY_MASK, Layout, build_index
from mykey_core.trust.revocation.lookup import SerialIndex
from mykey_core.trust.revocation.reasons import CODE_OF, HOLD
from mykey_testkit.revocation import issuers, make_crl

CODES = st.sampled_from(sorted(CODE_OF.values()))
SHORT = st.integers(0, 2**32 - 1)
LONG = st.one_of(SHORT, st.integers(0, 2**160 - 1), st.integers(0, 200).map(lambda step: 7 + step * (KEY_MASK + 1)))


def index_of(pairs: list[tuple[int, int]]) -> SerialIndex:
    """Build, and open what was built."""
    layout, data = build_index(pairs)
    assert layout.length == len(data)
    return SerialIndex(Layout.from_json(layout.to_json()), memoryview(data))


@pytest.mark.parametrize("serials", [SHORT, LONG], ids=["short", "long"])
def test_lookup_equals_a_dict(serials: st.SearchStrategy[int]) -> None:
    """Every entry is found with its reason, and nothing else is."""

    @given(st.dictionaries(serials, CODES, max_size=60), st.lists(serials, max_size=30))
    @settings(max_examples=120, deadline=None)
    def check(listed: dict[int, int], others: list[int]) -> None:
        found = index_of(list(listed.items()))
        for serial in [*listed, *others]:
            assert found.find(serial) == listed.get(serial)
            assert found.is_revoked(serial) is (serial in listed)

    check()


@pytest.mark.parametrize("width", [17, 31, 32, 64, 159])
def test_many_slices_equal_a_dict(width: int) -> None:
    """The same with enough entries for several slices, at every boundary between them."""
    chance = random.Random(width)  # noqa: S311 - test data
    listed = {chance.getrandbits(width): chance.choice((0, 1, 4, 5, HOLD)) for _ in range(60_000)}
    found = index_of(list(listed.items()))
    assert len(found._parts) > 3
    for serial in chance.sample(sorted(listed), 2_000):
        for near in (serial - 1, serial, serial + 1):
            assert found.find(near) == listed.get(near)


@pytest.mark.parametrize("serial", [-1, -(2**40), 2**31, 2**32, 2**32 + 5, 2**160, 2**160 + 5, 2**300])
@pytest.mark.parametrize("listed", [[], [(5, 1)], [(5, 1), (2**159, 4)]], ids=["empty", "short", "long"])
def test_a_serial_outside_of_everything_is_not_revoked(serial: int, listed: list[tuple[int, int]]) -> None:
    """Nothing is truncated: 2^32 + 5 and 2^160 + 5 are not 5."""
    found = index_of(listed)
    assert not found.is_revoked(serial)
    assert found.find(serial) is None


def test_long_serials_that_share_a_key_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact above 32 bits: without the comparison of whole serials a stranger would be refused."""
    listed = [(9 + step * (KEY_MASK + 1), code) for step, code in ((0, 1), (1, 4), (2, HOLD), (50, 5))]
    found = index_of(listed)
    assert [found.find(serial) for serial, _ in listed] == [1, 4, HOLD, 5]
    stranger = 9 + 3 * (KEY_MASK + 1)
    assert not found.is_revoked(stranger)
    monkeypatch.setattr(lookup.SerialIndex, "_find_collision", lambda *_arguments: 0)
    assert found.is_revoked(stranger)


@pytest.mark.parametrize("wide", [False, True])
def test_the_graver_entry_of_a_serial_counts(wide: bool) -> None:  # noqa: FBT001 - a parameter
    """Hold and revocation of one serial, in any order, are a revocation."""
    more = [(2**159, 1)] if wide else []
    assert index_of([(7, HOLD), (7, 4), *more]).find(7) == 4
    assert index_of([(7, 4), (7, HOLD), *more]).find(7) == 4
    assert index_of([(7, HOLD), (7, HOLD), *more]).find(7) == HOLD


def test_all_reason_codes_in_one_crl_survive_packing() -> None:
    """Ten distinct codes need four bits; each comes back."""
    pairs = [(serial, code) for serial, code in enumerate(sorted(CODE_OF.values()) * 30)]
    found = index_of(pairs)
    assert [found.find(serial) for serial, _ in pairs] == [code for _, code in pairs]


def test_a_shortened_index_is_refused() -> None:
    """A buffer that ends early is noticed on opening."""
    layout, data = build_index([(serial, 1) for serial in range(100)])
    with pytest.raises(ValueError, match="truncated"):
        SerialIndex(layout, memoryview(data)[:-1])


def test_indexes_are_the_same_bytes_whatever_the_order() -> None:
    """The order of a CRL is not guaranteed and does not matter (§12)."""
    pairs = [(serial * 7919, serial % 6) for serial in range(500)]
    assert build_index(pairs) == build_index(reversed(pairs))
    assert index.KEY_BITS == 32


def test_entries_equal_cryptographys_own_look_up() -> None:
    """Cryptography's linear search agrees about every serial of a CRL and its neighbours."""
    listed = [5, 6, 900, 0x7FFFFFFF, 0x80000000, 2**64, 2**159 - 1]
    verified = verify_crl(make_crl(*[(serial, None) for serial in listed]), issuers())
    found = index_of(list(entries(verified.crl)))
    for serial in {near for one in listed for near in (one - 1, one, one + 1)}:
        entry = verified.crl.get_revoked_certificate_by_serial_number(serial)
        assert found.is_revoked(serial) is (entry is not None)
