"""The client's half of one request and its answer, without input and output: what to send, what to believe.

Sockets and time-outs stand in `client`, what an answer means for a loan in `remote`.
"""

from __future__ import annotations

from mykey_library.sip2.charset import compose
from mykey_library.sip2.errors import FramingError, LineBroken, MessageError
from mykey_library.sip2.framing import RESEND_BY_CLIENT, Envelope, seal, unseal
from mykey_library.sip2.profiles import SystemProfile
from mykey_library.sip2.requests import RESPONSE_TO
from mykey_library.sip2.table import Message


class Dialogue:
    """Requests and answers of one connection, one at a time. Sequence numbers run 0 to 9 and around."""

    def __init__(self, profile: SystemProfile) -> None:
        self._profile = profile
        self._sequence = 9
        self._request: Message | None = None
        self._sent = b""
        self._tries = 0
        self._asked_again = False
        self._body = b""  # of the answer that was believed last

    def begin(self, request: Message) -> bytes:
        """The bytes to send for a new request."""
        body = self._profile.codec.encode(request)
        if self._profile.error_detection:
            self._sequence = (self._sequence + 1) % 10
            body = seal(body, self._sequence)
        self._request, self._tries, self._asked_again = request, 0, False
        self._sent = body + self._profile.terminator.octets
        return self._sent

    def received(self, frame: bytes) -> Message | bytes | None:
        """One message of the other side: the answer, or bytes to send, or None when it is not for this request.

        `LineBroken` when the tries are used up or the answer makes no sense.
        """
        detection = self._profile.error_detection
        try:
            envelope = unseal(frame, must_be_sealed=detection, sequence_may_miss=self._asked_again)
        except FramingError:
            return self._ask_again()
        if envelope.message_id == "96":
            return self._send_again()
        repeat = self._asked_again and envelope.sequence in {None, 0}
        if detection and envelope.sequence != self._sequence and not repeat:
            return None  # the answer to an earlier request, come late
        if self._asked_again and envelope.body == self._body:
            return None  # the other side repeats what came before this request
        return self._answer(envelope)

    def timed_out(self) -> bytes:
        """What to send when no answer came in time; `LineBroken` when sending again could be executed again."""
        if not (self._profile.replays and self._profile.error_detection):
            raise self._broken()
        return self._send_again()

    @property
    def _waiting(self) -> Message:
        if self._request is None:
            raise ValueError("no request is under way")
        return self._request

    def _answer(self, envelope: Envelope) -> Message | None:
        if envelope.message_id != RESPONSE_TO[self._waiting.message_id]:
            return None
        try:
            message = self._profile.codec.decode(envelope)
        except MessageError:
            raise self._broken() from None
        if not self._same_numbers(message):
            return None
        self._body = envelope.body
        return message

    def _same_numbers(self, answer: Message) -> bool:
        """True when patron and item are those of the request. Other echoed text is not compared."""
        for name in ("patron", "item"):
            asked, told = getattr(self._waiting, name, None), getattr(answer, name, None)
            own_patron = name == "patron" and answer.message_id == "10"  # of a return: whose loan it was
            if asked and told and not own_patron and compose(asked) != compose(told):
                return False
        return True

    def _ask_again(self) -> bytes:
        if not self._profile.repeats_reply:
            return self.timed_out()
        self._count()
        self._asked_again = True
        return RESEND_BY_CLIENT + self._profile.terminator.octets

    def _send_again(self) -> bytes:
        self._count()
        return self._sent

    def _count(self) -> None:
        self._tries += 1
        if self._tries > self._profile.retries:
            raise self._broken()

    def _broken(self) -> LineBroken:
        return LineBroken(self._waiting.message_id)
