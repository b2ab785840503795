"""What a person asked for and cannot have: said in one line, not a fault of the program."""

from __future__ import annotations

from pipeline.recipe_text import RecipeError


class Refused(RecipeError, ValueError):
    """The model, the settings and the rows do not go together; the message says which, and what would."""
