"""The typed boundary of a task: what its signature means on the wire."""

from typedtasks.contract.boundary import Boundary
from typedtasks.contract.codec import Misfit
from typedtasks.contract.failures import as_declared, check_failure, read_fields, write_fields
from typedtasks.contract.signature import default_task_name

__all__ = [
    "Boundary",
    "Misfit",
    "as_declared",
    "check_failure",
    "default_task_name",
    "read_fields",
    "write_fields",
]
