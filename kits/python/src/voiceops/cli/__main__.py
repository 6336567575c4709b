"""`python -m voiceops.cli`, where the script is not on the path."""

from voiceops.cli import main

main()
