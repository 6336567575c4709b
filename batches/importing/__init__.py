"""From an uploaded list to rows: reading files, judging numbers, storing recipients.

The modules up to `judge` know neither Django's ORM nor HTTP; `store` and `preview` stand on top of
them.
"""
