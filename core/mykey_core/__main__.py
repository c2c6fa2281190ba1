"""`python -m mykey_core` is the `mykey` program, also where its script is not on the path."""

from mykey_core.cli import main

main(prog_name="mykey")
