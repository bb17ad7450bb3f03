from pydantic import BaseModel, create_model

from typedtasks import Broker

broker = Broker("memory://")

Draft = create_model("Letter", __module__="drafts", title=(str, ...))
"""As if it came from another module, which sorts before this one."""


class Letter(BaseModel):
    to: str


@broker.task(name="mail.send")
def send(letter: Letter) -> str:
    raise NotImplementedError


@broker.task(name="mail.keep")
def keep(draft: Draft) -> str:
    raise NotImplementedError
