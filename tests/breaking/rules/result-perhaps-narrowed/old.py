from pydantic import BaseModel

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    to: str


@broker.task(name="mail.send")
def send(to: str) -> Letter:
    raise NotImplementedError
