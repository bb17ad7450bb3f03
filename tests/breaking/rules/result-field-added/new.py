from pydantic import BaseModel, ConfigDict

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str
    number: int = 0


@broker.task(name="mail.send")
def send(to: str) -> Letter:
    raise NotImplementedError
