"""Two gateways of one site that tell each other of their scans: what one found
clean the other does not scan again, nobody outside hears of it, and a message's
bytes stay as they are however often it passes."""
import base64
import os
import re

import case
import hops
import scan_help
import sink
from icap_recorder import Recorder
from icaplab import EICAR
from scan_help import CLEAN, distinct, send, session, with_file

FIELD = b"X-Sluice-Scan:"
TOKEN = re.compile(rb"(?m)^X-Sluice-Scan: [^\r\n]*\r\n")
RECEIVED = re.compile(rb"\AReceived: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
PASSES = 12


def secret(work, name="site"):
    """The file of a new key."""
    return work.write(name + ".key", base64.b64encode(os.urandom(32)).decode() + "\n",
                      0o600)


def gateway(work, icap, name, keys, sign="token-sign site; "):
    """.inside is another gateway's place, .edge is not; m.example is a maildir."""
    inside, edge = sink.Sink(), sink.Sink()
    mail = work / ("mail-" + name)
    sluice = hops.gateway(
        work, {"inside": (inside, "scan-token keep;"), "edge": (edge, "")},
        "scan { server %s; wait 20s; %s%s}\n"
        "route m { domain m.example; via maildir:%s; }\nresubmission off;\n" % (
            icap.url, keys, sign, mail),
        users=dict(scan_help.USERS), name=name)
    sluice.inside, sluice.edge, sluice.mail = inside, edge, mail
    return scan_help.up(sluice)


def pair(work, icap):
    keys = "token-key site %s; " % secret(work)
    return [gateway(work, icap, name, keys) for name in "ab"]


def through(sluice, content, to="b@inside.net", code=250):
    """What comes out for the next hop."""
    hub = sluice.edge if to.endswith("edge.example") else sluice.inside
    before = len(hub.mails)
    talking = session(sluice)
    got = send(talking, content, [to])
    case.equal(got[0], code, repr(got))
    talking.quit()
    if code != 250:
        return got[1]
    hops.wait(lambda: len(hub.mails) > before, "that it goes out")
    return hub.mails[-1]["body"]


def told(sluice):
    """Messages that another's token stood for."""
    return scan_help.scanner(sluice)["by_token"]


def new_lines(got, old):
    """What stands above the old bytes, which must be there unchanged."""
    assert got.endswith(old), (got[:3000], old[:3000])
    return got[:-len(old)]


@case.case
def there_and_back(work):
    icap = Recorder()
    a, b = pair(work, icap)
    content = distinct(1)
    sent = with_file(1, content)
    now = through(a, sent)
    token = TOKEN.search(now).group()
    case.equal(new_lines(now, sent).count(FIELD), 1, "the first")
    for number in range(1, PASSES):
        before, now = now, through((a, b)[number % 2], now)
        added = new_lines(now, before)
        assert RECEIVED.fullmatch(added), added
        case.equal(TOKEN.findall(now), [token], "token")
    case.equal(icap.seen()[content], 1, "scans in all")
    case.equal(told(a) + told(b), PASSES - 1, "told")
    # the last hop
    last = through(b, now, "b@edge.example")
    case.equal(last.count(FIELD), 0, "at the edge")
    lines = new_lines(last, now.replace(token, b""))
    assert RECEIVED.fullmatch(lines), lines
    assert last.endswith(sent)
    # files are no gateway
    talking = session(a)
    case.equal(send(talking, now, ["c@m.example"])[0], 250)
    talking.quit()
    new = os.path.join(a.mail, "new")
    hops.wait(lambda: os.path.isdir(new) and os.listdir(new), "the file")
    with open(os.path.join(new, os.listdir(new)[0]), "rb") as f:
        stored = f.read()
    case.equal(stored.count(FIELD), 0, "in the maildir")
    assert stored.endswith(now.replace(token, b"")), stored[:2000]
    case.equal(icap.seen()[content], 1, "scans in all")
    a.stop()
    b.stop()


@case.case
def at_once_to_the_edge(work):
    """Our own token does not leave either, and what has no attachment has none."""
    icap = Recorder()
    a = gateway(work, icap, "a", "token-key site %s; " % secret(work))
    sent = with_file(1, CLEAN)
    got = through(a, sent, "b@edge.example")
    assert RECEIVED.fullmatch(new_lines(got, sent)), got[:2000]
    plain = hops.message(2)
    got = through(a, plain)
    assert RECEIVED.fullmatch(new_lines(got, plain)), got[:2000]
    a.stop()


@case.case
def what_is_not_believed(work):
    """It is scanned as if it had none, and gets one in its place."""
    icap = Recorder()
    a, b = pair(work, icap)
    content = distinct(1)
    good = through(a, with_file(1, content))
    token = TOKEN.search(good).group()
    wrong = token[:-4] + (b"A" if token[-4:-3] != b"A" else b"B") + token[-3:]
    case.equal(icap.seen()[content], 1)
    got = through(b, good.replace(token, wrong))
    case.equal(icap.seen()[content], 2, "a forged one")
    case.equal((told(b), got.count(FIELD), got.count(wrong)), (0, 1, 0), "forged")
    case.equal(through(a, got).count(FIELD), 1)
    case.equal(told(a), 1, "what b wrote instead")
    # twice, and in other words
    for odd in (token + token, token.replace(b"v=1", b"v=01")):
        got = through(b, good.replace(token, odd))
        case.equal((told(b), got.count(token) < 2, got.count(FIELD)), (0, True, 1), odd)
    # folded on its way it is the same, and stays folded
    folded = token.replace(b"; s=", b";\r\n s=")
    got = through(b, good.replace(token, folded))
    case.equal((told(b), got.count(folded), got.count(FIELD)), (1, 1, 1), "folded")
    case.equal(through(b, got, "b@edge.example").count(b" s="), 0, "folded, at the edge")
    # good in itself, but another's
    virus = token + with_file(2, EICAR)
    case.contains(through(b, virus, code=550), "Lab.Eicar")
    other = through(b, token + with_file(3, distinct(3)))
    case.equal((told(b), other.count(token), other.count(FIELD)), (2, 0, 1), "another's")
    # the scanner knows more by now
    icap.istag = "recorder-2"
    through(b, with_file(4, distinct(4)))
    count = icap.seen()[content]
    hops.wait(lambda: TOKEN.search(through(b, good)).group() != token,
              "that b scans it afresh")
    case.equal(told(b), 2, "an old ISTag")
    case.equal(icap.seen()[content], count + 1, "an old ISTag")
    a.stop()
    b.stop()


@case.case
def who_knows_no_key(work):
    """Another site's field is a field like others, to whoever has no keys; and
    with a key of its own it is none that counts."""
    icap = Recorder()
    a = gateway(work, icap, "a", "token-key site %s; " % secret(work))
    content = distinct(1)
    good = through(a, with_file(1, content))
    b = gateway(work, icap, "b", "", sign="")
    got = through(b, good, "b@edge.example")
    assert RECEIVED.fullmatch(new_lines(got, good)), got[:3000]
    case.equal(icap.seen()[content], 2)
    c = gateway(work, icap, "c", "token-key site %s; " % secret(work, "other"), sign="")
    got = through(c, good)
    case.equal((told(c), icap.seen()[content]), (0, 3), "another secret")
    for one in (a, b, c):
        one.stop()


@case.case
def keys_change(work):
    """By a reload: the new one is believed before it is signed with."""
    icap = Recorder()
    old, new = secret(work, "old"), secret(work, "new")
    both = "token-key site %s; token-key next %s; " % (old, new)
    a = gateway(work, icap, "a", both, sign="token-sign next; ")
    b = gateway(work, icap, "b", "token-key site %s; " % old)
    got = through(a, with_file(1, distinct(1)))
    assert b"k=next;" in got, got[:2000]
    through(b, got)
    case.equal(told(b), 0, "before")
    with open(b.conf_path) as f:
        text = f.read()
    with open(b.conf_path, "w") as f:
        f.write(text.replace("token-key site %s; " % old, both))
    b.ctl("reload")
    through(b, got)
    case.equal(told(b), 1, "after")
    shown = b.ctl("config", "show").stdout
    case.contains(shown, "token-key next")
    with open(new) as f:
        assert f.read().strip() not in shown
    a.stop()
    b.stop()


if __name__ == "__main__":
    case.main()
