"""No space, a full index, a disk that fails: clients are told to come again, what
was accepted goes on its way, and it ends by itself."""
import errno
import os
import subprocess
import time

import case
import hops
import sink
import talk

MIB = 1024 * 1024
DISK = 128 * MIB  # the spool keeps 64 MiB of it free


def spool_on_tmpfs(work, relays, conf=""):
    sluice = hops.gateway(work, relays, conf, start=False)
    os.mkdir(sluice.spool, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % DISK, "none",
                    sluice.spool], check=True)
    sluice.start()
    return sluice


def fill(sluice, leave):
    """Leaves so many bytes; the whole disk when none."""
    stat = os.statvfs(sluice.spool)
    n = stat.f_bavail * stat.f_frsize - leave
    with open(sluice.spool + "/filler", "wb", buffering=0) as f:
        try:
            while n > 0:
                n -= f.write(bytes(min(n, MIB)))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error


def refused(session, number, body=b"x\r\n", code=452, part="4.3.1"):
    """At the dot; the session stays."""
    session.expect("MAIL FROM:<alice@example.com>", 250)
    session.expect("RCPT TO:<r%d@hub.example>" % number, 250)
    session.data(hops.message(number, body), code, part)


def at_mail(session):
    session.expect("MAIL FROM:<alice@example.com>", 452, "4.3.1")


def accepted_again(sluice, session, number):
    """Some seconds after there is space, without anybody's doing."""
    def tried():
        time.sleep(0.3)  # who asks without end is turned away
        code, text = session.say("MAIL FROM:<alice@example.com>")
        if code != 250:
            case.equal((code, text[:5]), (452, "4.3.1"))
            return False
        session.expect("RCPT TO:<r%d@hub.example>" % number, 250)
        session.expect("DATA", 354)
        session.send(hops.message(number) + b".\r\n")
        code, text = session.reply()
        assert code in (250, 451, 452), (code, text)
        return code == 250
    hops.wait(tried, "mail to be taken again")


def no_leftovers(sluice, expected):
    """No record, no segment is left of what was refused: after a restart the
    sums are the same."""
    sluice.stop()
    sluice.start()
    hops.ledger(sluice, **expected)


@case.case
def disk_full(work):
    if not PRIVATE:
        print("skip disk_full: no mount name space")
        return
    hub, home = sink.Sink(start=False), sink.Sink()
    hub.faults["RCPT"] = lambda s, line: sink.reply("550 5.1.1 no such user") \
        if "<no" in line else None
    page = work.write("page", "#!/bin/sh\necho \"$1: $2\" >> %s\n" %
                      (work / "paged"), 0o755)
    sluice = spool_on_tmpfs(work, {"home": (home, ""), "hub": (hub, "")},
                            "retry { after 1h; expire 1d; }\n"
                            "alert { exec %s; }\n" % page)
    session = talk.session(sluice)
    for n in range(30):
        hops.submit(session, hops.message(n), ["r%d@hub.example" % n])
    hops.submit(session, hops.message(30), ["no@hub.example"])
    case.equal(hops.health(sluice), (200, "ok\n"))
    fill(sluice, 60 * MIB)
    time.sleep(0.2)  # it looks ten times a second
    refused(session, 100)
    at_mail(session)
    time.sleep(1.1)
    refused(session, 101, b"large %d\r\n" % 1 * 60000)  # a segment of its own
    case.equal(hops.health(sluice), (503, "spool full\n"))
    case.equal(hops.js(sluice, "status")["disk"]["full"], True)
    case.contains(sluice.ctl("status").stdout, "FULL: answering 452")
    # told once; the certificate of these tests is good for 30 days
    hops.wait(lambda: os.path.exists(work / "paged") and
              os.path.getsize(work / "paged") > 0, "the page")
    with open(work / "paged") as f:
        case.equal(f.read(),
                   "disk: the spool is full: mail is refused with 452\n")
    # others' sessions too, and who is an administrator may still change things
    other = talk.session(sluice)
    sluice.ctl("user", "add", "bob", stdin="secret-b\n")
    other.quit()
    talk.session(sluice, "bob", "secret-b").quit()
    hops.ledger(sluice, accepted=31, queued=31)
    # deliveries and their outcomes go on, and so do bounces
    hub.open()
    hops.drained(sluice)
    hops.taken(hub, 30)
    hops.taken(home, 1)
    hops.report(home.mails[0])
    hops.ledger(sluice, accepted=31, delivered=31, bounced=1, generated=1)
    case.equal(hops.health(sluice)[0], 503)
    os.unlink(sluice.spool + "/filler")
    accepted_again(sluice, session, 102)
    hops.becomes(lambda: hops.health(sluice), (200, "ok\n"), "health")
    hops.taken(hub, 31)
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcome")
    for event in ("spool-full", "spool-space-back"):
        sluice.lines(event)
    session.quit()
    no_leftovers(sluice, dict(accepted=32, delivered=32, bounced=1, generated=1))
    sluice.stop()


@case.case
def not_a_byte_left(work):
    """Somebody else filled the disk to the brim: outcomes live on the reserve."""
    if not PRIVATE:
        print("skip not_a_byte_left: no mount name space")
        return
    hub = sink.Sink(start=False)
    sluice = spool_on_tmpfs(work, {"hub": (hub, "")}, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    for n in range(200):
        hops.submit(session, hops.message(n, b"y" * 70 + b"\r\n"), ["r%d@hub.example" % n])
    hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
              "an attempt each")
    fill(sluice, 0)
    refused(session, 1000)
    hub.open()
    sluice.ctl("queue", "flush")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the queue to empty")
    hops.taken(hub, 200)
    hops.ledger(sluice, accepted=200, delivered=200)
    os.unlink(sluice.spool + "/filler")
    accepted_again(sluice, session, 1001)
    hops.taken(hub, 201)
    session.quit()
    sluice.stop()


@case.case
def index_full(work):
    hub = sink.Sink({"MAIL": sink.never()})
    sluice = hops.gateway(work, {"hub": (hub, "")}, "retry { after 1h; expire 1d; }\n",
                          start=False)
    faults = hops.Faults(work, sluice.spool, MAP_BYTES=str(MIB))
    sluice.start(faults.env)
    session = talk.session(sluice)
    count = 0
    while True:
        session.expect("MAIL FROM:<alice@example.com>", 250)
        session.expect("RCPT TO:<r%d@hub.example>" % count, 250)
        session.expect("DATA", 354)
        session.send(hops.message(count) + b".\r\n")
        code, text = session.reply()
        if code != 250:
            break
        count += 1
        assert count < 5000, "the index does not fill"
    case.equal((code, text[:5]), (452, "4.3.1"))
    assert count > 100, count
    at_mail(session)
    hops.ledger(sluice, accepted=count, queued=count)
    case.equal(hops.health(sluice)[0], 503)
    # after a restart the same, and nothing is lost
    session.close()
    sluice.kill()
    sluice.start(faults.env)
    session = talk.session(sluice)
    hops.ledger(sluice, accepted=count, queued=count)
    refused(session, 10000)
    hub.close()
    hub.faults.clear()
    hub.open()
    hops.drained(sluice, 240)
    hops.taken(hub, count)
    hops.ledger(sluice, accepted=count, delivered=count)
    print("     %d messages in an index of 1 MiB" % count)
    accepted_again(sluice, session, 10001)
    session.quit()
    sluice.stop()


FAILURES = [
    ("segment_write", errno.EIO, 451), ("segment_write", errno.ENOSPC, 452),
    ("segment_sync", errno.EIO, 451), ("segment_sync", errno.ENOSPC, 452),
    ("index_write", errno.EIO, 451), ("index_write", errno.ENOSPC, 452),
    ("index_sync", errno.EIO, 451),
]


@case.case
def disk_that_fails(work):
    hub = sink.Sink()
    sluice = hops.gateway(work, {"hub": (hub, "")}, start=False,
                          auth="backend local; fail-delay 0s;")
    faults = hops.Faults(work, sluice.spool)
    sluice.start(faults.env)
    session = talk.session(sluice)
    number = taken = 0
    large = b"0123456789abcdef0123456789abcdef\r\n" * 10000
    for call, error, code in FAILURES:
        for body in (b"small\r\n", large):
            what = "%s %s" % (call, errno.errorcode[error])
            # before, during and after
            hops.submit(session, hops.message(number, body), ["r@hub.example"])
            taken += 1
            hops.taken(hub, taken)
            hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, what)
            faults.set(call, error)
            for _ in range(2):
                number += 1
                code_, text = session.say("MAIL FROM:<alice@example.com>")
                if code_ == 250:
                    session.expect("RCPT TO:<r@hub.example>", 250)
                    session.expect("DATA", 354)
                    session.send(hops.message(number, body) + b".\r\n")
                    code_, text = session.reply()
                case.equal((what, len(body), code_), (what, len(body), code), text)
            faults.clear()
            # the very same message, sent again: nothing was kept of it
            accepted_again(sluice, session, number)
            taken += 1
            hops.taken(hub, taken)
            number += 1
    hops.wait(lambda: hops.health(sluice) == (200, "ok\n"), "health")
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcomes")
    hops.ledger(sluice, accepted=taken, delivered=taken)
    session.quit()
    sluice.kill()
    sluice.start(faults.env)
    hops.ledger(sluice, accepted=taken, delivered=taken)
    case.equal(len(hub.mails), taken)
    sluice.stop()


@case.case
def outcomes_while_the_disk_fails(work):
    """What was delivered while nothing could be written is delivered once."""
    for call in ("index_write", "index_sync", "segment_sync"):
        hub = sink.Sink(start=False)
        name = call.replace("_", "-")
        sluice = hops.gateway(work, {"hub": (hub, "")},
                              "retry { after 1h; expire 1d; }\n", start=False,
                              name=name)
        faults = hops.Faults(work, sluice.spool)
        sluice.start(faults.env)
        session = talk.session(sluice)
        for n in range(20):
            hops.submit(session, hops.message(n), ["r%d@hub.example" % n])
        hops.wait(lambda: all(e["attempts"] for e in hops.queue(sluice).values()),
                  "an attempt each")
        faults.set(call, errno.EIO)
        hub.open()
        sluice.ctl("queue", "flush")
        hops.taken(hub, 20)
        if call != "segment_sync":
            hops.wait(lambda: hops.health(sluice)[0] == 503, "bad health")
            case.contains(hops.health(sluice)[1], "store failing")
            case.equal(hops.stats(sluice)["ledger_queued"], 20)
        time.sleep(0.3)
        faults.clear()
        hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 0, "the outcomes")
        hops.taken(hub, 20)
        hops.ledger(sluice, accepted=20, delivered=20)
        hops.becomes(lambda: hops.health(sluice), (200, "ok\n"), "health")
        session.quit()
        sluice.stop()
        hub.close()


if __name__ == "__main__":
    PRIVATE = hops.Private("--mount", "--propagation", "private").enter()
    case.main()
