"""The commands of `herald`, a module per noun. Part of the shell; a command imports what is heavy itself."""
