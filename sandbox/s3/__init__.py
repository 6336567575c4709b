"""S3, from both ends: the server at `/s3`, and the upload that egress makes.

The server is the sandbox's own because it verifies signatures and the expiry of links, which moto
does not, and because it needs nothing installed (docs/reference/protocols.md §7, §8).
"""
