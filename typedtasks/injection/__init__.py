"""Injected parameters: what the worker fills in, where it comes from, and how it is made for one execution."""

from typedtasks.injection.hints import names_around, unwrapped
from typedtasks.injection.marks import INJECT, Depends, Injected, Need, Provided, need_of
from typedtasks.injection.providers import Providers
from typedtasks.injection.recipes import Recipe, recipe_of, shown
from typedtasks.injection.scope import Place, Scope

__all__ = [
    "INJECT",
    "Depends",
    "Injected",
    "Need",
    "Place",
    "Provided",
    "Providers",
    "Recipe",
    "Scope",
    "names_around",
    "need_of",
    "recipe_of",
    "shown",
    "unwrapped",
]
