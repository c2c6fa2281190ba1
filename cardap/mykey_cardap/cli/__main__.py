"""`python -m mykey_cardap.cli`: the card commands without the rest of the `mykey` program."""

from mykey_cardap.cli import card

if __name__ == "__main__":
    card(prog_name="mykey card")
