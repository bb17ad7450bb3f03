from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(number: float) -> str:
    raise NotImplementedError
