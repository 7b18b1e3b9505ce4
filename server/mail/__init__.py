"""Mail: what a message says and looks like, where it is sent through, and how it gets there."""
