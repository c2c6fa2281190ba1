"""An emulated My Number Card and the public key infrastructure behind it. Everything in it is synthetic.

The keys are shipped with the package and therefore public: nothing that trusts them can be secure. A hub
that is not a test installation must not pin the CA certificates made here (their organisation is `JPKI-EMU`).
"""

from mykey_cardap.emulator.card import Behaviour, VirtualCard
from mykey_cardap.emulator.in_process import InProcessTransport

__all__ = ["Behaviour", "InProcessTransport", "VirtualCard"]
