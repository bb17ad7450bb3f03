from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError


@broker.task(name="mail.post")
def post(to: str) -> str:
    raise NotImplementedError
