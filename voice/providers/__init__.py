"""The models that listen, think and speak: by name, from providers or on this machine."""
