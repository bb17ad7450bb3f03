from typedtasks import Broker, Retry

broker = Broker("memory://")


@broker.task(name="mail.send", timeout=30, priority="high", retry=Retry(max_attempts=5))
def send(to: str) -> str:
    raise NotImplementedError
