"""``python -m gapless`` is the command ``gapless``."""

from gapless.cli.main import main

main(prog_name="gapless")
