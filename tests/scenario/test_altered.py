"""Another program writes to the spool: what is not what the client sent never
leaves, and somebody is told, once."""
import json
import os

import case
import hops
import sink
import talk


def gateway(work, hub, conf="", **more):
    """Alerts go to a file: a line each, {"cause", "subject", "text"}."""
    page = work.write("page", """#!/usr/bin/python3
import json, os, sys
with open(%r, "a") as f:
    f.write(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items()
                                       if k.startswith("SLUICE_")}]) + "\\n")
""" % (work / "alerts"), 0o755)
    return hops.gateway(work, {"hub": (hub, "connections 1;")},
                        "retry { after 1h; expire 1d; }\nalert { exec %s; }\n%s" % (
                            page, conf), **more)


def alerts(work, cause):
    try:
        with open(work / "alerts") as f:
            all_ = [json.loads(line) for line in f]
    except FileNotFoundError:
        return []
    return [a for a in all_ if a[0][0] == cause]


def find(sluice, content):
    """(path, offset) of these bytes in the spool."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(sluice.spool)
             for name in names if not name.endswith(".mdb")]
    for path in files:
        with open(path, "rb") as f:
            at = f.read().find(content)
        if at >= 0:
            return path, at
    raise AssertionError("the body is not in the spool")


def flip(path, at):
    fd = os.open(path, os.O_RDWR)
    [byte] = os.pread(fd, 1, at)
    os.pwrite(fd, bytes([byte ^ 0x20]), at)
    os.close(fd)


def body(n, size=400):
    line = b"this is the body of message %d, again and again\r\n" % n
    return line * (size // len(line)) + b"the end of %d\r\n" % n


def is_held(work, sluice, message_id, rcpts, before=()):
    """Held as altered for each of its recipients; in the log, and told once."""
    def held():
        queue = hops.queue(sluice, "--state", "held")
        return queue if set(queue) == set(rcpts) | set(before) else None
    queue = hops.wait(held, "the message to be held")
    for to in rcpts:
        case.equal((queue[to]["id"], queue[to]["holds"]), (message_id, ["altered"]))
        [line] = sluice.lines("held", "msg=" + message_id, "to=" + to, count=1)
        case.contains(line, "level=error")
        case.contains(line, "cred=alice")
    hops.wait(lambda: alerts(work, "altered"), "an alert")
    [[_, env]] = alerts(work, "altered")
    case.equal(env["SLUICE_ALERT_HOST"], "gate.example.com")
    case.contains(env["SLUICE_ALERT_TEXT"], "queue list --state held")


# what is done to the bytes; where (a fraction of the body)
HARM = [
    ("first-byte", lambda path, at, n: flip(path, at)),
    ("middle", lambda path, at, n: flip(path, at + n // 2)),
    ("last-byte", lambda path, at, n: flip(path, at + n - 1)),
]


@case.case
def flipped_while_queued(work):
    """One byte of one message of many in the same segment file."""
    hub = sink.Sink(start=False)
    sluice = gateway(work, hub)
    session = talk.session(sluice)
    contents = {n: hops.message(n, body(n)) for n in range(9)}
    ids = {n: hops.submit(session, contents[n], ["r%d@example.net" % n])
           for n in contents}
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    paths = {find(sluice, contents[n])[0] for n in contents}
    case.equal(len(paths), 1, "segment files")
    for n, (_, harm) in zip((1, 4, 7), HARM):
        path, at = find(sluice, contents[n])
        harm(path, at, len(contents[n]))
    hub.open()
    sluice.ctl("queue", "flush")
    well = [n for n in contents if n not in (1, 4, 7)]
    hops.wait(lambda: len(hub.mails) == len(well), "the others")
    for n in (1, 4, 7):
        is_held(work, sluice, ids[n], ["r%d@example.net" % n],
                ["r%d@example.net" % k for k in (1, 4, 7)])
    case.equal(sorted(m["to"][0] for m in hub.mails),
               ["r%d@example.net" % n for n in well])
    for n in well:
        [mail] = hub.of("r%d@example.net" % n)
        assert mail["body"].endswith(contents[n]), n
    # the dot was withheld: whatever left before it is no message
    case.equal(hub.steps("dot"), len(well))
    hops.ledger(sluice, accepted=9, delivered=6, held=3)
    # nothing brings it out: not a flush, not a restart
    sluice.ctl("queue", "flush")
    session.quit()
    sluice.stop()
    sluice.start()
    sluice.ctl("queue", "flush")
    session = talk.session(sluice)
    hops.submit(session, hops.message(100), ["last@example.net"])
    hops.wait(lambda: hub.of("last@example.net"), "mail after the restart")
    case.equal(len(hub.mails), 7)
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcome")
    hops.ledger(sluice, accepted=10, delivered=7, held=3)
    # a new daemon may say it once more; it does not go on saying it
    assert len(alerts(work, "altered")) <= 2, alerts(work, "altered")
    shown = hops.js(sluice, "queue", "show", ids[1])
    case.equal(shown["recipients"][0]["holds"], ["altered"])
    session.quit()
    sluice.stop()


@case.case
def large_message_of_its_own_segment(work):
    hub = sink.Sink(start=False)
    sluice = gateway(work, hub)
    session = talk.session(sluice)
    content = hops.message(1, body(1, 2000000))
    rcpts = ["a@example.net", "b@example.net", "c@example.net"]
    number = hops.submit(session, content, rcpts)
    other = hops.message(2, body(2, 2000000))
    hops.submit(session, other, ["other@example.net"])
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    path, at = find(sluice, content)
    flip(path, at + 1234567)
    hub.open()
    sluice.ctl("queue", "flush")
    hops.wait(lambda: hub.mails, "the other one")
    is_held(work, sluice, number, rcpts)
    case.equal([m["to"] for m in hub.mails], [["other@example.net"]])
    assert hub.mails[0]["body"].endswith(other)
    hops.ledger(sluice, accepted=4, delivered=1, held=3)
    session.quit()
    sluice.stop()


@case.case
def truncated_and_missing(work):
    hub = sink.Sink(start=False)
    sluice = gateway(work, hub)
    session = talk.session(sluice)
    large = {n: hops.message(n, body(n, 700000)) for n in (1, 2, 3)}
    ids = {n: hops.submit(session, large[n], ["r%d@example.net" % n]) for n in large}
    small = {n: hops.message(n, body(n)) for n in (4, 5)}
    for n in small:
        ids[n] = hops.submit(session, small[n], ["r%d@example.net" % n])
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    path, at = find(sluice, large[1])
    os.truncate(path, at + len(large[1]) // 2)  # half of it
    path, at = find(sluice, large[2])
    os.truncate(path, at + len(large[2]) - 1)  # but one byte
    path, at = find(sluice, large[3])
    os.unlink(path)
    path, at = find(sluice, small[5])
    os.truncate(path, at + 10)  # the small one before it is whole
    hub.open()
    sluice.ctl("queue", "flush")
    held = ["r%d@example.net" % n for n in (1, 2, 3, 5)]
    # a file that the daemon has open lives on after it was unlinked: then
    # nothing is altered
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "an end of each")
    arrived = sorted(m["to"][0] for m in hub.mails)
    if "r3@example.net" in arrived:
        held.remove("r3@example.net")
        arrived.remove("r3@example.net")
        assert hub.of("r3@example.net")[0]["body"].endswith(large[3])
    case.equal(arrived, ["r4@example.net"])
    is_held(work, sluice, ids[1], held[:1], held)
    # after a start without the file it is the same, and mail still flows
    session.quit()
    sluice.kill()
    sluice.start()
    session = talk.session(sluice)
    hops.submit(session, hops.message(10), ["new@example.net"])
    hops.wait(lambda: hub.of("new@example.net"), "new mail")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcome")
    hops.ledger(sluice, accepted=6, delivered=6 - len(held), held=len(held))
    session.quit()
    sluice.stop()


@case.case
def between_accept_and_retry(work):
    """The hop took it once and said 451; then it was altered; then it is up."""
    hub = sink.Sink({"dot": sink.reply("451 4.3.0 later", times=2)})
    sluice = gateway(work, hub)
    session = talk.session(sluice)
    contents = {n: hops.message(n, body(n)) for n in (1, 2)}
    ids = {n: hops.submit(session, contents[n], ["r%d@example.net" % n])
           for n in contents}
    hops.wait(lambda: hub.steps("dot") == 2, "both to be tried")
    hops.wait(lambda: len([e for e in hops.queue(sluice).values() if e["attempts"]])
              == 2, "both to be deferred")
    path, at = find(sluice, contents[1])
    flip(path, at + contents[1].index(b"\r\n"))  # it makes a bare LF
    sluice.ctl("queue", "flush")
    hops.wait(lambda: hub.mails, "the other one")
    is_held(work, sluice, ids[1], ["r1@example.net"])
    case.equal([m["to"] for m in hub.mails], [["r2@example.net"]])
    # sent again by its client it is a new message: the first one is held, and
    # "already accepted" would be a lie that loses it
    again = hops.submit(session, contents[1], ["r1@example.net"])
    assert again != ids[1], again
    hops.wait(lambda: len(hub.mails) == 2, "the good copy")
    session.quit()
    sluice.stop()


@case.case
def into_a_maildir(work):
    """A half-written file is no delivery either."""
    sluice = hops.gateway(work, {"hub": (sink.Sink(start=False), "")},
                          "route mail { domain mail.example; via maildir:%s; }\n"
                          "retry { after 1h; expire 1d; }\n" % (work / "mail"))
    os.makedirs(work / "mail")
    os.chmod(work / "mail", 0o755)
    with open(work / "mail/tmp", "w"):  # in the way: not a directory
        pass
    session = talk.session(sluice)
    content = hops.message(1, body(1))
    number = hops.submit(session, content, ["a@mail.example"])
    hops.wait(lambda: hops.queue(sluice)["a@mail.example"]["attempts"], "an attempt")
    path, at = find(sluice, content)
    flip(path, at + 300)
    os.unlink(work / "mail/tmp")
    sluice.ctl("queue", "flush")
    hops.wait(lambda: hops.queue(sluice, "--state", "held"), "the hold")
    case.equal(hops.queue(sluice)["a@mail.example"]["id"], number)
    case.equal(os.listdir(work / "mail/new"), [])
    case.equal(os.listdir(work / "mail/tmp"), [])
    hops.ledger(sluice, accepted=1, held=1)
    session.quit()
    sluice.stop()


if __name__ == "__main__":
    case.main()
