"""What every actor's write has in common."""

from datetime import UTC
from typing import ClassVar

from documents.actors import Actor, utc_now


class Lamp(Actor):
    """The smallest actor."""

    kind: ClassVar[str] = "lamp"

    lit: bool = False

    def switch(self) -> None:
        """One effective change."""
        self.lit = not self.lit
        self.touch()


def test_a_new_actor_is_inserted_and_a_loaded_one_updated_where_its_revision_stands() -> None:
    """The compare-and-set fence: an update names the revision that was loaded, not the one that it makes."""
    lamp = Lamp(id="l")
    lamp.switch()
    write = lamp.write()
    assert write == (None, {"_id": "l", "rev": 1, "lit": True})
    lamp = Lamp.loaded({"_id": "l", "rev": 4, "lit": True})
    lamp.switch()
    lamp.switch()
    update = lamp.write()
    assert update == ({"_id": "l", "rev": 4}, {"$set": {"rev": 6, "lit": True}})


def test_only_a_touched_actor_is_written() -> None:
    """Reading is no change, and after `saved` nothing is left to write."""
    lamp = Lamp.loaded({"_id": "l", "rev": 4, "lit": True})
    seen = [lamp.changed]
    lamp.switch()
    seen.append(lamp.changed)
    lamp.saved()
    assert [*seen, lamp.changed] == [False, True, False]
    assert lamp.loaded_rev == 5


def test_unknown_fields_of_a_later_release_do_not_stop_an_earlier_one() -> None:
    """A rolling deploy reads documents that the newer half wrote."""
    assert Lamp.loaded({"_id": "l", "rev": 1, "lit": True, "colour": "red"}).lit


def test_now_is_what_the_database_gives_back() -> None:
    """UTC, and no finer than MongoDB's millisecond, so that a written moment reads as it was."""
    now = utc_now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
