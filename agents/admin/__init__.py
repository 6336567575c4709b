"""Django looks for this module; importing the other registers its pages."""

from agents.admin import agents

__all__ = ["agents"]
