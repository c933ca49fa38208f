"""`python -m agrivision_kfp`, the same as the command `agrivision`."""

from agrivision_kfp import main

main()
