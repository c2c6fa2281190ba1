"""Services on cards without the hub: one transaction on a card, with a debit key and a journal of the terminal's own.

What a transaction is for (a ride, its price and rules) is the business of the program that asks.
"""

from mykey_terminal.offline_cards.desk import OfflineCardDesk, OfflineOrder
from mykey_terminal.offline_cards.journal import TapJournal
from mykey_terminal.offline_cards.keys import DebitKeys, FileDebitKeys

__all__ = ["DebitKeys", "FileDebitKeys", "OfflineCardDesk", "OfflineOrder", "TapJournal"]
