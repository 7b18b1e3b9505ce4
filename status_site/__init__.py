"""Herald over HTTP: the public status page and the endpoints beside it. A Litestar app."""
