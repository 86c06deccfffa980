"""The VAT that prices contain, and the ways to ship."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.terms import Terms, round_half_up


@given(total=st.integers(0, 10**12), percent=st.integers(0, 100))
def test_the_included_vat_is_the_nearest_minor_unit(total: int, percent: int) -> None:
    """Never off by more than half a minor unit from total * p / (100 + p), and never more than the total."""
    vat = Terms(vat_percent=percent).included_vat(total)
    assert abs(vat - Fraction(total * percent, 100 + percent)) <= Fraction(1, 2)
    assert 0 <= vat <= total


@pytest.mark.parametrize(("value", "rounded"), [("1/2", 1), ("3/2", 2), ("5/2", 3), ("49/100", 0), ("0", 0)])
def test_halves_are_rounded_up(value: str, rounded: int) -> None:
    """Half up, not to even: 2.5 is 3."""
    assert round_half_up(Fraction(value)) == rounded


def test_seven_per_cent_of_books() -> None:
    """10.70 including 7 % holds 0.70."""
    assert Terms().included_vat(1070) == 70


def test_shipping_methods_are_told_by_id() -> None:
    """A known one has its price; an unknown one is a KeyError, because the edge has checked it."""
    assert Terms().shipping("express").price == 890
    with pytest.raises(KeyError):
        Terms().shipping("drone")
