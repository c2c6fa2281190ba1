"""`mykey auth`: the authentication commands. Verification itself is in `batch.py` and `verifier.py`."""

from __future__ import annotations

import sys

import click

from mykey_core.authentication.batch import BatchVerifier
from mykey_core.authentication.reasons import ALL_REASONS


@click.group()
def auth() -> None:
    """Challenge and token: what the hub accepts from a card, and why it refuses."""


@auth.command("verify-batch")
def verify_batch() -> None:
    """Verify tokens from standard input with the hub's own verifier; no network, no database.

    Each line is a JSON object {id, token, origin, nonce, nonce_issued_at, now, ca_pem[], crl_der_b64[]}: `token` is
    the text as posted, `nonce` what the hub had issued (null: none), times are RFC 3339. Each is answered at once
    with {id, accepted, reason}. A nonce is good once in the stream. The exit status is 0 whatever the answers are.
    """
    verifier = BatchVerifier()
    output = sys.stdout
    for line in sys.stdin.buffer:
        output.write(verifier.answer(line.rstrip(b"\r\n")).to_json() + "\n")
        output.flush()


@auth.command()
def reasons() -> None:
    """Print every code with which a token or a certificate can be refused, one a line."""
    for reason in ALL_REASONS:
        click.echo(reason)
