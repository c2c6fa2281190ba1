"""Our own application on the card, seen from the reader: a directory per service with profile, value, rides and log.

The card's side is `mykey_cardap.emulator.service_application`; both share `numbers` and nothing else. The format
is specified in `docs/reference/service-application.md`.
"""

from mykey_cardap.service_application.administration import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.key_tree import card_keys, service_key
from mykey_cardap.service_application.orders import Order, Receipt
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.transaction_mac import verify_receipt

__all__ = [
    "Order",
    "Receipt",
    "ServiceAdministration",
    "ServiceDirectory",
    "ServiceSession",
    "card_keys",
    "service_key",
    "verify_receipt",
]
