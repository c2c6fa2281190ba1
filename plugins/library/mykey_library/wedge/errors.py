"""What can go wrong in wedge mode.

WedgeError
├── NoKeyboardTool   neither xdotool nor ydotool is installed, or the tool failed (.tried)
└── AgentRefused     the agent of this terminal said no (.code)
"""

from __future__ import annotations

from mykey_core.api import MykeyError


class WedgeError(MykeyError):
    """Anything that stops wedge mode."""


class NoKeyboardTool(WedgeError):
    """Nothing on this computer can type for us; `tried` names the programs."""

    def __init__(self, tried: tuple[str, ...], why: str = "not installed") -> None:
        names = " or ".join(tried)
        super().__init__(f"{names}: {why}; install xdotool (X11) or ydotool (Wayland), or use --websocket")
        self.tried = tried


class AgentRefused(WedgeError):
    """The agent or the hub refused; `code` is the machine code of the refusal."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the terminal's agent says {code}")
        self.code = code
