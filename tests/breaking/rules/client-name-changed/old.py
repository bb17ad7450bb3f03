from pydantic import BaseModel

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    to: str


@broker.task(name="mail.send")
def send(letter: Letter) -> str:
    raise NotImplementedError
