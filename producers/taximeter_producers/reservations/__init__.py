"""The strict guard: room in a budget is reserved before a call is made.

from taximeter_producers.reservations import Reservations
"""

from taximeter_producers.reservations.covering import Whom
from taximeter_producers.reservations.desk import WhenUnknown
from taximeter_producers.reservations.reservations import Reservations
from taximeter_producers.reservations.reserving import Reservation, Reserving

__all__ = ["Reservation", "Reservations", "Reserving", "WhenUnknown", "Whom"]
