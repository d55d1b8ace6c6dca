"""Who gets in, who does not, and what each of them is told."""
import contextlib
import http.server
import json
import os
import re
import signal
import smtplib
import threading
import time
import urllib.parse

import case
import peers
from talk import (TLS, Talk, b64, delivered, field, gateway, message,
                  on_all_threads, plain, quick_gateway, session, story)


def knock(sluice, user, password, source=None):
    """The answer to one login, on a connection of its own."""
    talk = Talk(sluice.port, source=source)
    talk.starttls()
    got = talk.say("AUTH PLAIN " + plain(user, password))
    talk.close()
    return got


def may(sluice, user, password, source=None):
    code, text = knock(sluice, user, password, source)
    assert code in (235, 535), (code, text)
    return code == 235


@story
def a_new_password_is_in_force_at_once(work):
    sluice = gateway(work, users={"alice": "one", "carol": "secret-c"})
    for old, new in (("one", "two"), ("two", "three"), ("three", "one")):
        for _ in range(2):  # the second time out of the cache
            assert may(sluice, "alice", old)
        assert not may(sluice, "alice", new)
        sluice.ctl("user", "passwd", "alice", stdin=new + "\n")
        assert not may(sluice, "alice", old), "the old password, remembered"
        assert may(sluice, "alice", new)
    cached = [l for l in sluice.log_lines("login") if "cached=yes" in l]
    assert len(cached) >= 3, "the cache is not used"
    inside = session(sluice, "carol", "secret-c")
    sluice.ctl("user", "del", "carol")
    assert not may(sluice, "carol", "secret-c")
    inside.expect("NOOP", 250)
    sluice.ctl("user", "add", "carol", "--address", "c@example.com", stdin="new\n")
    assert not may(sluice, "carol", "secret-c")
    assert may(sluice, "carol", "new")
    for words in (("add", "carol"), ("passwd", "nobody"), ("del", "nobody")):
        result = sluice.ctl("user", *words, stdin="x\n", check=False)
        assert result.returncode != 0, words
    for secret in ("secret-c", "three"):
        assert secret not in "".join(sluice.log_lines())


@story
def users_and_their_class_are_listed(work):
    sluice = gateway(work, users={"alice": "secret-a"})
    sluice.ctl("user", "add", "Printer@example.com", "--class", "device",
               "--address", "it@example.com", stdin="p\n")
    text = sluice.ctl("user", "list").stdout
    [line] = [l for l in text.splitlines() if l.startswith("printer")]
    for part in ("device", "it@example.com"):
        case.contains(line, part)
    listed = json.loads(sluice.ctl("--json", "user", "list").stdout)
    case.contains(json.dumps(listed), "device")
    assert may(sluice, "printer", "p")


@story
def every_spelling_is_one_credential(work):
    sluice = gateway(work, users={"alice": "secret-a", "j\u00f6rg": "secret-j"})
    spellings = ["alice", "ALICE", "Alice", " alice ", "alice@example.com",
                 "aLiCe@EXAMPLE.Com", "alice@example.com ",
                 "alice@example.com@example.com"]
    for i, name in enumerate(spellings):
        talk = session(sluice, name, "secret-a")
        talk.submit(message(i))
        talk.quit()
    assert may(sluice, "J\u00d6RG", "secret-j")
    for line in sluice.log_lines("login")[:-1] + sluice.log_lines("accept"):
        case.equal(field(line, "cred"), "alice", line)
    for name in ("alice@example.org", "alice@", "@example.com", "ali ce", "alice\u200b",
                 ""):
        code, _ = knock(sluice, name, "secret-a")
        assert code in (501, 535), name
    # so a message that is sent again under another spelling is known
    talk = session(sluice, "ALICE@example.com", "secret-a")
    talk.envelope()
    talk.data(message(0), 250, "Already accepted")
    delivered(work, len(spellings))


@story
def a_stranger_learns_nothing(work):
    sluice = gateway(work, auth="backend local; fail-delay 0s; failures 10000; "
                     "cache 0s;")
    took = {"alice": [], "nobody": []}
    texts = set()
    for i in range(15):
        for name in took:
            talk = Talk(sluice.port)
            talk.starttls()
            began = time.monotonic()
            texts.add(talk.say("AUTH PLAIN " + plain(name, "guess%d" % i)))
            took[name].append(time.monotonic() - began)
            talk.close()
    case.equal(texts, {(535, "5.7.8 Authentication credentials invalid")})
    known, unknown = (min(took[n]) for n in took)  # the least disturbed
    if not case.SLOW:  # a hash takes a hundred times as long as the rest
        assert 0.2 < known / unknown < 5, (known, unknown)
    # VRFY and RCPT tell no names either
    talk = session(sluice)
    case.equal(talk.say("VRFY alice"), talk.say("VRFY nobody"))


@story
def an_address_is_closed_and_no_account(work):
    sluice = gateway(work, users={"alice": "secret-a", "carol": "secret-c"},
                     auth="backend local; fail-delay 0s; failures 4; "
                     "failure-block 15m;")
    home, office, attacker = "127.0.0.3", "127.0.0.4", "127.0.0.5"
    assert may(sluice, "alice", "secret-a", home)
    # the same wrong password again and again is a client, no guess
    for _ in range(8):
        assert not may(sluice, "alice", "old", office)
    assert may(sluice, "alice", "secret-a", office)
    for i in range(4):
        assert not may(sluice, "alice", "guess%d" % i, attacker)
    talk = Talk(sluice.port, source=attacker)
    talk.starttls()
    text = talk.expect("AUTH PLAIN " + plain("alice", "secret-a"), 421, "4.7.0 "
                       "Too many failed logins from your address, try again after")
    assert re.search(r"after .*\d\d:\d\d", text), text
    talk.closed()
    talk = Talk(sluice.tls_port, source=attacker, tls=True)
    talk.ehlo()
    talk.expect("AUTH LOGIN", 421, "4.7.0")
    talk.closed()
    # nobody else is concerned, whoever was tried
    for user, password in (("alice", "secret-a"), ("carol", "secret-c")):
        assert may(sluice, user, password)
        assert may(sluice, user, password, "127.0.0.6")
    # a neighbour of alice's guesses: she is known there and stays in
    for i in range(4):
        assert not may(sluice, "user%d" % i, "guess", home)
    assert may(sluice, "alice", "secret-a", home)
    assert not may(sluice, "carol", "secret-c", home)
    failed = sluice.log_lines("login-failed")
    assert [l for l in failed if field(l, "tried") == "alice"
            and field(l, "client") == attacker]
    assert "guess" not in "".join(failed)


@story
def wrong_logins_take_their_time(work):
    delay = 4 * peers.PATIENCE
    sluice = gateway(work, auth="backend local; fail-delay %ds;" % delay)
    began = time.monotonic()
    talks = []
    for name in ("alice", "nobody", "alice", "x"):
        talk = Talk(sluice.port)
        talk.starttls()
        talk.send("AUTH PLAIN " + plain(name, "wrong") + "\r\n")
        talks.append(talk)
    user = session(sluice)  # is not held up
    assert time.monotonic() - began < delay
    for talk in talks:
        talk.next(535)
        assert time.monotonic() - began >= 0.95 * delay
    user.quit()


@story
def more_logins_than_can_be_hashed(work):
    # Whoever waits for ten seconds, here for 0.7, is told to come later: many a
    # hash takes less, and not all of them together.
    sluice = quick_gateway(work, 15, auth="backend local; fail-delay 0s; cache 0s; "
                           "workers 1; hash-queue 2;", conf="preauth 10m;\n")
    talks = []
    for _ in range(300):
        talk = Talk(sluice.port)
        talk.starttls()
        talks.append(talk)
    for talk in talks:
        talk.send("AUTH PLAIN " + plain("alice", "secret-a") + "\r\n")
    codes = [talk.reply() for talk in talks]
    assert {c for c, _ in codes} == {235, 454}, codes
    for code, text in codes:
        assert code == 235 or text.startswith("4.7.0 Temporary"), text
    # afterwards there is room, in the same session too
    late = [t for t, c in zip(talks, codes) if c[0] == 454][0]
    late.login(tries=20)
    late.submit(message())
    delivered(work)


USERS = {"alice": "secret-a", "carol": "pass word"}


def behind_dovecot(work, **more):
    more["extra"] = "auth_failure_delay = 0\n" + more.get("extra", "")
    dovecot = peers.Dovecot(work, USERS, **more)
    sluice = gateway(work, auth="backend dovecot %s; fail-delay 0s;" % dovecot.socket,
                     users={})
    return dovecot, sluice


def offered(sluice):
    talk = Talk(sluice.port)
    words = [w for w in talk.starttls() if w.startswith("AUTH ")]
    talk.close()
    return set(words[0].split()[1:]) if words else set()


@story
def dovecot_is_asked(work):
    dovecot, sluice = behind_dovecot(work)
    on_all_threads(lambda: offered(sluice) == {"PLAIN", "LOGIN", "CRAM-MD5"},
                   "Dovecot's mechanisms")
    for user, password in USERS.items():
        for mechanism in ("plain", "login", "cram_md5"):
            for wrong in (False, True):
                client = smtplib.SMTP("127.0.0.1", sluice.port, timeout=peers.HANG_S)
                client.starttls(context=TLS)
                client.ehlo()
                client.user, client.password = user, password + "x" * wrong
                try:
                    code, _ = client.auth(
                        mechanism.upper().replace("_", "-"),
                        getattr(client, "auth_" + mechanism),
                        initial_response_ok=mechanism == "plain")
                    assert not wrong
                    case.equal(code, 235)
                    client.sendmail(user + "@example.com", ["b@example.net"],
                                    message(hash(mechanism) % 100000).decode())
                    client.quit()
                except smtplib.SMTPAuthenticationError as error:
                    assert wrong, (mechanism, error)
                    case.equal(error.smtp_code, 535)
    delivered(work, 6)
    case.equal({field(l, "cred") for l in sluice.log_lines("accept")}, set(USERS))
    # a name that Dovecot writes in another way is one credential here
    for name in ("ALICE", "alice@example.com"):
        code, _ = knock(sluice, name, "secret-a")
        if code == 235:
            case.equal(field(sluice.log_lines("login")[-1], "cred"), "alice")
    assert knock(sluice, "alice", "secret-a")[0] == 235
    talk = Talk(sluice.port)
    talk.starttls()
    talk.expect("AUTH CRAM-MD5", 334)
    talk.expect("*", 501)
    talk.expect("AUTH CRAM-MD5", 334)
    talk.expect("????", 501)
    talk.expect("AUTH GSSAPI", 504)
    talk.login()


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and int(peers.stat_fields(int(name))[1]) == pid:
                found.append(int(name))
    return found


def gone(pid):
    try:
        return peers.stat_fields(pid)[0] in "ZX"  # whoever reaps it
    except OSError:
        return True


def end(dovecot):
    """At once: its auth process would go on for who is connected."""
    pids = children(dovecot.process.pid)
    dovecot.process.kill()  # asked kindly, it waits for seconds
    dovecot.process.wait()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        peers.wait_for(lambda: gone(pid))


@story
def dovecot_goes_and_comes_back(work):
    dovecot, sluice = behind_dovecot(work)
    on_all_threads(lambda: "CRAM-MD5" in offered(sluice), "Dovecot's mechanisms")
    inside = session(sluice)
    midway = Talk(sluice.port)
    midway.starttls()
    ready = Talk(sluice.port)
    ready.starttls()
    for _ in range(2):
        midway.expect("AUTH LOGIN", 334)
        end(dovecot)
        code, text = midway.say(b64("alice"))
        if code == 334:  # a prompt needs no Dovecot
            code, text = midway.say(b64("secret-a"))
        assert (code, text[:5]) == (454, "4.7.0"), (code, text)
        code, text = ready.say("AUTH PLAIN " + plain("alice", "secret-a"))
        assert (code, text[:5]) == (454, "4.7.0"), (code, text)
        # who is in stays in
        inside.submit(message(code))
        dovecot = peers.Dovecot(work, USERS)
        on_all_threads(lambda: knock(sluice, "alice", "secret-a")[0] == 235,
                       "a login")
        ready.login().quit()  # who was told to come later comes again
        ready = Talk(sluice.port)
        ready.starttls()
    midway.login().quit()


class Tokens(http.server.BaseHTTPRequestHandler):
    """Says of the token "good" whose it is (RFC 7662)."""

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = urllib.parse.parse_qs(sent).get("token", [""])[0]
        body = {"active": False}
        if token == "good":
            body = {"active": True, "username": "alice", "scope": "mail"}
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@story
def tokens_pass_through(work):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    conf = work.write("oauth2.conf", """introspection_mode = post
introspection_url = http://127.0.0.1:%d/
username_attribute = username
active_attribute = active
active_value = true
""" % server.server_port)
    dovecot, sluice = behind_dovecot(work, extra="""
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = %s
}
""" % conf)
    on_all_threads(lambda: {"XOAUTH2", "OAUTHBEARER"} <= offered(sluice),
                   "the mechanisms")

    def xoauth2(token):
        return b64("user=alice\1auth=Bearer %s\1\1" % token)

    def bearer(token):
        return b64("n,a=alice,\1host=localhost\1port=587\1auth=Bearer %s\1\1" % token)

    for name, words in (("XOAUTH2", xoauth2), ("OAUTHBEARER", bearer)):
        talk = Talk(sluice.port)
        talk.starttls()
        talk.expect("AUTH %s %s" % (name, words("good")), 235)
        talk.quit()
        talk = Talk(sluice.port)
        talk.starttls()
        code, text = talk.say("AUTH %s %s" % (name, words("bad")))
        if code == 334:  # the error as JSON; the client answers with nothing
            code, text = talk.say("" if name == "XOAUTH2" else b64("\1"))
        case.equal((code, text[:5]), (535, "5.7.8"))
        # the token was good once, and is asked about each time all the same
    logins = sluice.log_lines("login")
    case.equal([field(l, "cred") for l in logins], ["alice", "alice"])
    assert not [l for l in logins if "cached" in l]
    server.shutdown()


if __name__ == "__main__":
    case.main()
