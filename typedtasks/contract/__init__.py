"""The typed boundary of a task: what its signature means on the wire."""

from typedtasks.contract.boundary import Boundary
from typedtasks.contract.codec import Misfit
from typedtasks.contract.failures import as_declared, built_fields, check_failure, read_fields, write_fields
from typedtasks.contract.fingerprint import fingerprint
from typedtasks.contract.schemas import Node
from typedtasks.contract.signature import default_task_name

__all__ = [
    "Boundary",
    "Misfit",
    "Node",
    "as_declared",
    "built_fields",
    "check_failure",
    "default_task_name",
    "fingerprint",
    "read_fields",
    "write_fields",
]
