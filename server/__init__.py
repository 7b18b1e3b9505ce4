"""What Herald does. `tools/` and `status_site/` show it; `embeddings/` reads texts for it.

Operations (one noun a file) use `store/`, which returns `models`. Two files are the shell that assembles the
process and are imported by nobody: `asgi.py` and `cli.py`.
"""
