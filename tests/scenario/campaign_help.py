"""Mass mailings, as a mail client sends them, and what is known of them."""
import collections
import csv
import email
import io
import re
import time

import case
import hops
import sink
import talk

USERS = {"alice": "secret-a", "bob": "secret-b"}
# what bounces stops nothing, a campaign goes as fast as it can: each story says
# what it is about
BULK = "when recipients 20; when same-body 10/h; "
SETTLED = {"preflight": "off", "stop": "bounces 0% complaints 0%",
           "warn": "bounces 0%", "site-rate": "1000000/m",
           "site-connections": "4", "retry": "1s", "guard": "0"}
TEXT = (b"this year was a good one for all of us. The harbour was dredged, two\r\n"
        b"cranes were bought, and the old warehouse at the north quay became a\r\n"
        b"school for pilots. Our annual report tells you about the ships that\r\n"
        b"called, the people who work here, and what all of it has cost.\r\n"
        b"You find it on our pages, and in print at the gate.\r\n\r\n"
        b"With kind regards, the harbour office\r\n")
OTHER_TEXT = (b"the canteen has a new cook. She came from the lighthouse, where she\r\n"
              b"fried herring for eleven years, and asks what you would like to eat\r\n"
              b"on Fridays. Soup is served from noon; bread is baked every morning,\r\n"
              b"and whoever brings a cup of his own pays ten cents less for tea.\r\n")
QUEUED = re.compile(r"2\.0\.0 Queued as campaign C(\d+), ([\d,]+) recipients?"
                    r"(?:, (finishes about .*|waits for confirmation|which is paused)"
                    r")?$")


def bulk(text="", **more):
    """The `bulk` block; its settings as of SETTLED but for `more`."""
    lines = dict(SETTLED, **{k.replace("_", "-"): v for k, v in more.items()})
    return "bulk { %s%s%s}\n" % (BULK, text, "".join(
        "%s %s; " % line for line in lines.items() if line[1] is not None))


def gateway(work, hub, conf="", relay="", **more):
    if "bulk {" not in conf:
        conf += bulk()
    if "\nretry {" not in "\n" + conf:
        conf += "retry { after 1s; expire 1h; }\n"
    more.setdefault("users", dict(USERS))
    return hops.gateway(work, {"hub": (hub, relay)}, conf, **more)


def people(count, domain="people.example", name="p"):
    return ["%s%d@%s" % (name, n, domain) for n in range(count)]


def letter(number, salutation=b"Dear all,", text=TEXT, fields=b""):
    whole = hops.message(number, salutation + b"\r\n\r\n" + text)
    return whole.replace(b"X-Number:", fields + b"X-Number:", 1)


def post(session, rcpts, content, sender="alice@example.com"):
    """The text behind the 250. Recipients are pipelined, some at a time."""
    session.expect("MAIL FROM:<%s>" % sender, 250)
    for at in range(0, len(rcpts), 200):
        some = rcpts[at:at + 200]
        session.send("".join("RCPT TO:<%s>\r\n" % r for r in some))
        for _ in some:
            session.next(250)
    return session.data(hops.stuffed(content), 250, "2.0.0")


def launch(sluice, rcpts, content=None, user="alice", login=None, **more):
    """Sends it to all of them in one message: the campaign's id."""
    session = talk.session(sluice, login or user, "secret-" + user[0],
                           **more)
    text = post(session, rcpts, content or letter(1), user + "@example.com")
    session.quit()
    return number_of(text)


def number_of(text):
    found = QUEUED.match(text)
    assert found, text
    return "C" + found.group(1)


# --- what the daemon says of it ------------------------------------------------

FINAL = ("sent", "bounced", "dead_domain", "suppressed", "duplicate", "canceled",
         "other")


def campaigns(sluice):
    """{id: row}, the newest first"""
    return {"C%d" % row["id"]: row for row in hops.js(sluice, "campaign", "list")}


def show(sluice, cid):
    """One campaign, `bounced` as a sum; what became of its recipients is all of
    them."""
    got = hops.js(sluice, "campaign", "show", cid)
    got["classes"] = {c: n for c, n in got["bounced"].items() if n}
    got["bounced"] = sum(got["bounced"].values())
    case.equal(sum(got[k] for k in FINAL) + got["left"], got["recipients"],
               "the sum of %s" % got)
    return got


def until(sluice, cid, seconds=60, **wanted):
    """Once it is as wanted."""
    def there():
        got = show(sluice, cid)
        return got if all(got[k] == v for k, v in wanted.items()) else None
    try:
        return hops.wait(there, "%s to be %r" % (cid, wanted), seconds)
    except AssertionError as error:
        raise AssertionError("%s; it is %r" % (error, show(sluice, cid))) from None


def counted(sluice, cid, **wanted):
    """Soon these counts, and all others 0."""
    def figures():
        got = show(sluice, cid)
        return {n: got[n] for n in ("recipients", "left") + FINAL if got[n]}
    hops.becomes(figures, {n: v for n, v in wanted.items() if v}, cid)


# --- what came ------------------------------------------------------------------

def copies(hub):
    """{recipient: how often}"""
    with hub.lock:
        return collections.Counter(to for m in hub.mails for to in m["to"])


def arrived(hub, rcpts):
    got = copies(hub)
    return sum(got[r] for r in rcpts)


def once_each(hub, rcpts, what=""):
    """Each of them, once."""
    got = copies(hub)
    wrong = {r: got[r] for r in rcpts if got[r] != 1}
    assert not wrong, "%s: %d of %d did not get one: %r" % (
        what, len(wrong), len(rcpts), dict(list(wrong.items())[:10]))


def settled(hub, rcpts):
    """What was under way has come, and no more does: how many had it."""
    had, since = -1, 0

    def no_more():
        nonlocal had, since
        now = arrived(hub, rcpts)
        if now != had:
            had, since = now, time.monotonic()
        return time.monotonic() - since > 2 * hops.PATIENCE
    hops.wait(no_more, "no more to come")
    return had


def quiet(hub, rcpts, seconds):
    """Nothing comes to any of them; how many had it."""
    before = arrived(hub, rcpts)
    time.sleep(seconds)
    case.equal(arrived(hub, rcpts), before, "while nothing may come")
    return before


def reports(hub, owner="alice@example.com"):
    """What the daemon wrote to the owner."""
    with hub.lock:
        return [m for m in hub.mails if m["from"] == "" and owner in m["to"]]


def one_report(hub, owner="alice@example.com"):
    """(text, rows of the table): there is one, and nothing else from us."""
    hops.wait(lambda: reports(hub, owner), "the report")
    settled(hub, [owner])
    with hub.lock:
        ours = [m for m in hub.mails if m["from"] == ""]
    case.equal([m["to"] for m in ours], [[owner]], "what the daemon wrote")
    return table_of(ours[0])


def table_of(mail):
    parsed = email.message_from_bytes(mail["body"])
    case.equal(parsed.get_content_type(), "multipart/mixed")
    case.equal(parsed["Auto-Submitted"], "auto-generated")
    text, table = parsed.get_payload()
    case.equal((text.get_content_type(), table.get_content_type()),
               ("text/plain", "text/csv"))
    lines = table.get_payload(decode=True).decode()
    return text.get_payload(decode=True).decode(), list(
        csv.DictReader(io.StringIO(lines)))


class Refusing(sink.Sink):
    """A hub where `bad` mailboxes do not exist; each message takes it some
    time."""

    def __init__(self, bad=(), seconds=0.0, **more):
        self.bad = set(bad)
        self.asked = collections.Counter()
        faults = {"RCPT": self.rcpt}
        if seconds:
            faults["dot"] = sink.late(seconds)
        super().__init__(faults, **more)

    def quick(self):
        """From now on it takes none."""
        self.faults.pop("dot", None)

    def rcpt(self, _session, line):
        to = sink.address(line)
        self.asked[to] += 1
        return sink.reply("550 5.1.1 nobody of that name") if to in self.bad \
            else None
