from typing import Annotated

from pydantic import Field

from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(to: str) -> Annotated[int, Field(le=10)]:
    raise NotImplementedError
