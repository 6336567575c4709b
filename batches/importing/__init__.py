"""From an uploaded list to rows: reading files, validating numbers, storing recipients.

The modules up to `row_validation` know neither Django's ORM nor HTTP; `import_job` and
`services.preview` build on them.
"""
