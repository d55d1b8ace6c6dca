"""What lifted or blocked limits elsewhere: each a story that fails if it works
here. The end of the notes on peers' bypasses names where it was seen."""
import time

import case
import peers
from limits_help import (HEAD, accepted, clear, crowd, door, fill, finish, told)
from talk import Talk, listener, on_all_threads, plain, story

gate = door()
THREE = "limit person { per credential; all-recipients 3/h; over reject; }\n"


def counts(talk, rcpts, sender="a@example.com"):
    """How many of them are let through."""
    talk.expect("MAIL FROM:<%s>" % sender, 250)
    codes = [talk.say("RCPT TO:<%s>" % r)[0] for r in rcpts]
    assert set(codes) <= {250, 550}, codes
    good = codes.count(250)
    if good:
        talk.data(HEAD)
    else:
        talk.expect("RSET", 250)
    return good


@story
def postmaster_lifts_nothing(work):
    for i, master in enumerate(("postmaster", "postmaster@example.com",
                                "Postmaster@example.net", "POSTMASTER")):
        for place in (0, 2, 4):
            sluice = gate(work, conf=THREE, name="g%d%d" % (i, place))
            rcpts = ["r%d@example.net" % j for j in range(5)]
            rcpts.insert(place, master)
            case.equal(counts(clear(sluice), rcpts), 3, (master, place))
            case.equal(counts(clear(sluice), [master]), 0, master)
            sluice.stop()


@story
def a_tag_is_no_key(work):
    sluice = gate(work, conf=THREE)
    talk = clear(sluice)
    # neither in the recipients, nor in the sender, nor in the login
    case.equal(counts(talk, ["r+%d@example.net" % i for i in range(2)]), 2)
    case.equal(counts(talk, ["r@example.net", "r+9@example.net"],
                      "alice+x@example.com"), 1)
    case.equal(counts(talk, ["r@example.net"], "alice+y@example.com"), 0)
    for name in ("alice+x", "alice+x@example.com", "+alice"):
        other = Talk(sluice.clear)
        other.ehlo()
        other.expect("AUTH PLAIN " + plain(name, "secret-a"), 535)


@story
def the_null_sender_is_counted(work):
    sluice = gate(work, conf=THREE)
    talk = clear(sluice)
    for _ in range(3):
        case.equal(counts(talk, ["r@example.net"], ""), 1)
    case.equal(counts(talk, ["r@example.net"], ""), 0)
    case.equal(counts(talk, ["r@example.net"]), 0)


@story
def another_sender_is_no_other_key(work):
    sluice = gate(work, conf=THREE)
    talk = clear(sluice)
    case.equal(sum(counts(talk, ["r@example.net"], "a%d@d%d.example" % (i, i))
                   for i in range(10)), 3)


@story
def no_empty_key_is_shared(work):
    sluice = gate(work, conf=THREE + "limit guess { per credential-ip; "
                  "recipients 3/h; over reject; }\n",
                  users={"alice": "secret-a", "bob": "secret-b"})
    stranger = Talk(sluice.clear)
    stranger.ehlo()
    for name in ("", " ", "\t", "@example.com"):
        stranger.expect("AUTH PLAIN " + plain(name, "secret-a"), 535)
    stranger.expect("MAIL FROM:<a@example.com>", 530)
    case.equal(counts(clear(sluice), ["r%d@example.net" % i for i in range(5)]), 3)
    case.equal(counts(clear(sluice, "bob", "secret-b"),
                      ["r%d@example.net" % i for i in range(5)]), 3)


@story
def parallel_sessions_share_one_count(work):
    """20 of 203 let through at once by a check that records later."""
    sluice = gate(work, conf="limit person { per credential; recipients 20/h; "
                  "over reject; }\n")
    talks = [clear(sluice, source="127.0.0.%d" % (2 + i % 16)) for i in range(64)]
    for talk in talks:  # all of them are in the middle at the same time
        talk.send("MAIL FROM:<a@example.com>\r\n" +
                  "RCPT TO:<r@example.net>\r\nRCPT TO:<q@example.net>\r\n")
    good = []
    for talk in talks:
        talk.next(250)
        good.append([talk.reply()[0] for _ in range(2)].count(250))
    case.equal(sum(good), 20)
    for talk, n in zip(talks, good):
        if n:
            talk.data(HEAD)
    case.equal(accepted(sluice), 20)


@story
def knocking_burns_nothing(work):
    """Refused, and tried again and again: what else it has is not used up, and
    when the window moves it is let in, knocking or not."""
    sluice = gate(work, conf="internal example.com;\n"
                  "limit short { per credential; recipients 2/4s; over defer; }\n"
                  "limit long { per credential; all-recipients 9/h; over reject; }\n")
    talk = clear(sluice)
    began = time.monotonic()
    case.equal(counts_soft(talk, 2), 2)
    got = 0
    while time.monotonic() - began < peers.HANG_S and got < 2:
        t = clear(sluice)  # a new session each time: it is not slowed
        got += counts_soft(t, 2 - got)
        t.close()
    assert got == 2, "its time has come"
    assert time.monotonic() - began > 2
    # 4 of the 9 are used, whatever was refused in between
    case.equal(counts(talk, ["i%d@example.com" % i for i in range(9)]), 5)


def counts_soft(talk, n):
    talk.expect("MAIL FROM:<a@example.com>", 250)
    codes = [talk.say("RCPT TO:<r%d@example.net>" % i)[0] for i in range(n)]
    good = codes.count(250)
    if good:
        talk.data(HEAD)
    else:
        talk.expect("RSET", 250)
    return good


@story
def no_limit_is_for_ever(work):
    """What a lost expiry would make permanent: over a restart and a kill."""
    seconds = 5 * peers.PATIENCE  # longer than a slow machine restarts
    sluice = gate(work, conf="limit person { per credential; recipients 3/%ds; "
                  "messages 1/1s burst 3; over reject; }\n" % seconds)
    case.equal(fill(sluice), 3)
    sluice.kill()
    sluice.start()
    case.equal(fill(sluice), 0)
    time.sleep(seconds + 1)
    case.equal(fill(sluice), 3)
    sluice.stop()
    time.sleep(2 * seconds + 1)  # away, while all of it expires
    sluice.start()
    case.equal(fill(sluice), 3)


@story
def a_limit_of_all_says_who_used_it(work):
    sluice = gate(work, conf="limit everybody { per site; recipients 10/h; "
                  "over defer; }\n",
                  users={"alice": "secret-a", "bob": "secret-b"})
    case.equal(finish(crowd(sluice, 8))[0], 10)
    bob = clear(sluice, "bob", "secret-b")
    bob.expect("MAIL FROM:<b@example.com>", 250)
    text = bob.expect("RCPT TO:<r@example.net>", 450, "10 recipients per hour")
    # it is no secret that it is not bob's own, and whose it is
    [line] = told(sluice, "cred=bob")
    case.contains(line, "rule=everybody")
    case.contains(line, "ref=" + text.rstrip("]").split("[")[-1])
    top = sluice.ctl("--json", "top", "--by", "cred", "--window", "10m").stdout
    assert top.index("alice") < top.index("bob"), top


@story
def every_spelling_is_one_key(work):
    sluice = gate(work, conf=THREE)
    for i, name in enumerate(("alice", "ALICE", " alice ", "Alice@Example.COM",
                              "alice@example.com ")):
        talk = clear(sluice, name)
        case.equal(counts(talk, ["r%d@example.net" % i]), 1 if i < 3 else 0, name)
        talk.close()


@story
def dovecot_says_what_the_key_is(work):
    dovecot = peers.Dovecot(work, {"alice": "secret-a"},
                            extra="auth_failure_delay = 0\n")
    sluice = gate(work, conf=THREE, users={},
                  auth="backend dovecot %s; fail-delay 0s;" % dovecot.socket)

    def ready():
        t = Talk(sluice.clear)
        words = t.ehlo()
        t.close()
        # what is offered without Dovecot has only PLAIN and LOGIN
        return [w for w in words if w.startswith("AUTH ") and "CRAM-MD5" in w]
    on_all_threads(ready, "Dovecot's mechanisms")
    spellings = ["alice", "ALICE", "aLiCe", "Alice"]
    for i, name in enumerate(spellings):
        t = Talk(sluice.clear)
        t.ehlo()
        t.expect("AUTH PLAIN " + plain(name, "secret-a"), 235)
        case.equal(counts(t, ["r%d@example.net" % i]), 1 if i < 3 else 0, name)
        t.close()
    creds = {w for l in sluice.log_lines("login") for w in l.split()
             if w.startswith("cred=")}
    case.equal(creds, {"cred=alice"})


@story
def a_proxy_hides_nobody(work):
    """Behind a proxy it is the client's address that counts."""
    port = peers.free_port()
    sluice = gate(work, conf="limit address { per ip; recipients 3/h; "
                  "connections 2; over reject; }\n" + listener(
                      port, "proxy 127.0.0.1/32; insecure-auth on;", "none"))
    for client, wanted in (("192.0.2.1", 3), ("192.0.2.2", 3), ("192.0.2.1", 0)):
        t = Talk(port, head=b"PROXY TCP4 %s 127.0.0.1 1000 25\r\n"
                 % client.encode())
        t.ehlo()
        t.login()
        case.equal(counts(t, ["r%d@example.net" % i for i in range(5)]), wanted,
                   client)
        t.quit()
    head = b"PROXY TCP4 192.0.2.3 127.0.0.1 1000 25\r\n"
    talks = [Talk(port, head=head, greet=False) for _ in range(3)]
    case.equal(sorted(t.reply()[0] for t in talks), [220, 220, 421])


@story
def a_large_list_pays_for_all(work):
    """One message of many recipients is not one unit."""
    sluice = gate(work, conf="limit person { per credential; all-recipients 50/h; "
                  "over reject; }\n")
    case.equal(counts(clear(sluice), ["r%d@example.net" % i for i in range(55)]),
               50)


@story
def the_size_that_is_told_is_not_believed(work):
    sluice = gate(work, conf="limit person { per credential; bytes 4K/h; "
                  "over reject; }\n")
    talk = clear(sluice)
    for size, code in ((3000, 250), (3000, 550), (900, 250), (900, 550)):
        talk.envelope(params=" SIZE=1")
        talk.data(HEAD + (b"y" * 98 + b"\r\n") * (size // 100), code)


if __name__ == "__main__":
    case.main()
