"""Dead letters: looking at them, sending them round again, dropping them.

The queue is the truth. Nothing here keeps a copy of it: every look reads `<group>.dead` itself, and gives back what it
read.
"""

from broker.letters.drop import NothingNamed, drop
from broker.letters.letter import Letter
from broker.letters.reading import HELD_MAX, LettersBusy, LettersUnavailable
from broker.letters.replay import replay
from broker.letters.result import Result
from broker.letters.seen import Mark, Seen
from broker.letters.selection import Selection, UnknownGroup
from broker.letters.standing import Standing
from broker.letters.survey import Cause, Found, Survey, find, survey

__all__ = [
    "HELD_MAX",
    "Cause",
    "Found",
    "Letter",
    "LettersBusy",
    "LettersUnavailable",
    "Mark",
    "NothingNamed",
    "Result",
    "Seen",
    "Selection",
    "Standing",
    "Survey",
    "UnknownGroup",
    "drop",
    "find",
    "replay",
    "survey",
]
