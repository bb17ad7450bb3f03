from pydantic import BaseModel, ConfigDict

from typedtasks import Broker

broker = Broker("memory://")


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str
    copies: int = 1


@broker.task(name="mail.send")
def send(letter: Letter) -> str:
    raise NotImplementedError
