"""The typed boundary of a task: what its signature means on the wire."""

from typedtasks.contract.boundary import Boundary, Misfit
from typedtasks.contract.roundtrip import obstacle
from typedtasks.contract.signature import default_task_name

__all__ = ["Boundary", "Misfit", "default_task_name", "obstacle"]
