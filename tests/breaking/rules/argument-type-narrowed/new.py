from typedtasks import Broker

broker = Broker("memory://")


@broker.task(name="mail.send")
def send(number: int) -> str:
    raise NotImplementedError
