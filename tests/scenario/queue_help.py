"""A gateway whose queue waits, for the stories about blocks and holds."""
import hops
import sink

USERS = {"alice": "secret-a", "bob": "secret-b"}


def ctl(sluice, words, check=True, **more):
    return sluice.ctl(*words.split(), check=check, **more)


class Closing(sink.Sink):
    """A hub that puts everything off until it is opened."""

    def __init__(self):
        self.is_open = False
        super().__init__({"RCPT": lambda _s, _a: None if self.is_open else
                          sink.reply("451 4.3.0 later")})


def waiting(work, **more):
    """(hub that puts off, gateway whose queue waits for a flush)"""
    hub = Closing()
    return hub, hops.gateway(work, {"hub": (hub, "")},
                             "retry { after 1h; expire 1d; }\n" +
                             more.pop("conf", ""), users=USERS, **more)


def deferred(sluice, count):
    """So many recipients were tried once."""
    hops.wait(lambda: sum(e["attempts"] > 0 for e in hops.js(
        sluice, "queue", "list")) == count, "%d deferred" % count)
