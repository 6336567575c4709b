"""Pages of docs/reference that are written from the code, by `manage.py document_reference`."""
