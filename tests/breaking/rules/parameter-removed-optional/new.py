from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(to: str) -> str:
    raise NotImplementedError
