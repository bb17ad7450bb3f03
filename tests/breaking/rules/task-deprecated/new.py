from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send", deprecated="Use mail.post.")
def send(to: str) -> str:
    raise NotImplementedError
