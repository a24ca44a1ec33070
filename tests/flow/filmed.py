"""The clip with sound that the end-to-end tests share (see conftest.py): its length, its rate, when it clicks."""

from fractions import Fraction

FRAMES = 12
NTSC = Fraction(30000, 1001)
CLICK_S = 0.2
