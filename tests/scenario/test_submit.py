"""Real mail clients submit; what is delivered is what they sent."""
import email
import email.utils
import glob
import os
import smtplib
import ssl
import subprocess

import case
import peers

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE

MESSAGE = (b"From: Alice <alice@example.com>\r\nTo: bob@example.net\r\n"
           b"Subject: hello\r\nDate: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
           b"Message-ID: <1@example.com>\r\n\r\nfirst\r\n.dot\r\n..two\r\n"
           b"\r\nlast\r\n")


def gateway(work, **more):
    more.setdefault("users", {"alice": "secret-a", "carol": "pass word"})
    return peers.Sluice(work, case.BUILD, "via maildir:%s;" % (work / "mail"), **more)


def delivered(work, count=1):
    def found():
        files = sorted(glob.glob(work / "mail/new/*"))
        return files if len(files) >= count else None
    files = peers.wait_for(found, "%d messages" % count)
    case.equal(len(files), count, "messages delivered")
    return [open(f, "rb").read() for f in files]


def login(sluice, user="alice", password="secret-a"):
    client = smtplib.SMTP("127.0.0.1", sluice.port, timeout=peers.HANG_S)
    client.starttls(context=TLS)
    client.login(user, password)
    return client


@case.case
def bytes_in_are_bytes_out(work):
    sluice = gateway(work)
    client = login(sluice)
    client.sendmail("alice@example.com", ["bob@example.net"], MESSAGE)
    client.quit()
    [got] = delivered(work)
    assert got.endswith(MESSAGE), got
    head = got[:-len(MESSAGE)].decode()
    case.contains(head, "with ESMTPSA id ")
    case.equal(head.count("\r\n") - head.count("\r\n\t"), 1, "fields added")
    sluice.stop()


@case.case
def missing_date_and_message_id_are_added(work):
    sluice = gateway(work)
    client = login(sluice)
    body = b"From: alice@example.com\r\nSubject: bare\r\n\r\nx\r\n"
    client.sendmail("alice@example.com", ["bob@example.net"], body)
    client.quit()
    [got] = delivered(work)
    assert got.endswith(body)
    message = email.message_from_bytes(got)
    assert email.utils.parsedate_to_datetime(message["Date"])
    case.contains(message["Message-ID"], "@gate.example.com>")
    case.equal(message["Subject"], "bare")


@case.case
def a_text_without_any_header_stays_a_body(work):
    sluice = gateway(work)
    client = login(sluice)
    client.sendmail("alice@example.com", ["bob@example.net"], b"no header here\r\n")
    client.quit()
    message = email.message_from_bytes(delivered(work)[0])
    case.equal(message.get_payload(), "no header here\r\n")
    assert message["Message-ID"]


@case.case
def implicit_tls_and_auth_login(work):
    sluice = gateway(work)
    client = smtplib.SMTP_SSL("127.0.0.1", sluice.tls_port, context=TLS,
                              timeout=peers.HANG_S)
    client.ehlo()
    client.user, client.password = "carol", "pass word"
    client.auth("LOGIN", client.auth_login, initial_response_ok=False)
    client.sendmail("carol@example.com", ["bob@example.net"], MESSAGE)
    client.quit()
    delivered(work)


@case.case
def each_recipient_gets_a_file(work):
    sluice = gateway(work)
    client = login(sluice)
    client.sendmail("alice@example.com",
                    ["r%d@example.net" % i for i in range(20)], MESSAGE)
    client.quit()
    delivered(work, 20)


@case.case
def swaks_curl_and_msmtp(work):
    sluice = gateway(work)
    path = work.write("message", MESSAGE.decode().replace("\r\n", "\n"))
    raw = work / "raw"
    with open(raw, "wb") as f:
        f.write(MESSAGE)
    port, tls_port = str(sluice.port), str(sluice.tls_port)
    common = ["--from", "alice@example.com", "--to", "bob@example.net", "--auth-user",
              "alice", "--auth-password", "secret-a", "--data", path, "-S", "1"]
    runs = [
        ["swaks", "-s", "127.0.0.1", "-p", port, "-tls", "--auth", "PLAIN", *common],
        ["swaks", "-s", "127.0.0.1", "-p", port, "-tls", "--auth", "LOGIN",
         "--pipeline", *common],
        ["swaks", "-s", "127.0.0.1", "-p", tls_port, "-tlsc", *common],
        ["curl", "-sS", "-k", "--ssl-reqd", "--url", "smtp://127.0.0.1:" + port, "--user",
         "alice:secret-a", "--mail-from", "alice@example.com", "--mail-rcpt",
         "bob@example.net", "--upload-file", raw],
        ["curl", "-sS", "-k", "--url", "smtps://127.0.0.1:" + tls_port, "--user",
         "alice:secret-a", "--mail-from", "alice@example.com", "--mail-rcpt",
         "bob@example.net", "--upload-file", raw],
    ]
    conf = work.write("msmtprc", """
defaults
tls on
tls_certcheck off
auth on
user alice
password secret-a
from alice@example.com
account starttls
host 127.0.0.1
port %s
tls_starttls on
account tls
host 127.0.0.1
port %s
tls_starttls off
""" % (port, tls_port), 0o600)
    for account in ("starttls", "tls"):
        runs.append(["msmtp", "-C", conf, "-a", account, "bob@example.net"])
    for argv in runs:
        stdin = open(path) if argv[0] == "msmtp" else subprocess.DEVNULL
        result = subprocess.run(argv, stdin=stdin, capture_output=True, text=True,
                                timeout=peers.HANG_S)
        case.equal(result.returncode, 0, "%s: %s%s" % (
            argv, result.stdout, result.stderr))
    # the same login, message and recipient: delivered once. swaks ends it with
    # an empty line of its own, so its message is another one.
    messages = delivered(work, 2)
    case.equal(sorted(m[m.index(MESSAGE):] for m in messages),
               [MESSAGE, MESSAGE + b"\r\n"])


@case.case
def the_log_names_login_client_and_message(work):
    sluice = gateway(work)
    client = login(sluice)
    code, text = client.docmd("MAIL", "FROM:<forged@elsewhere.example>")
    client.docmd("RCPT", "TO:<bob@example.net>")
    code, text = client.data(MESSAGE)
    case.equal(code, 250)
    number = text.decode().split()[-1]
    delivered(work)
    client.quit()
    [line] = sluice.lines("accept", number, count=1)
    for part in ("cred=alice", "client=127.0.0.1", "from=forged@elsewhere.example",
                 "session=", "code=250"):
        case.contains(line, part)
    [line] = sluice.lines("delivered", count=1)
    took = int(line.split("delay_ms=")[1].split()[0])
    assert 0 <= took < 1000 * peers.HANG_S, line  # once it counted from 1970, and expired
    log = "\n".join(sluice.log_lines())
    assert "secret-a" not in log and "AGFsaWNl" not in log, "AUTH data in the log"


@case.case
def a_refusal_names_the_message_too(work):
    sluice = gateway(work)
    client = login(sluice)
    client.docmd("MAIL", "FROM:<alice@example.com>")
    client.docmd("RCPT", "TO:<bob@example.net>")
    case.equal(client.docmd("RCPT", "TO:<>")[0], 501)
    code, _ = client.data(b"From: a@example.com\r\nFrom: b@example.com\r\n\r\nx\r\n")
    case.equal(code, 554)
    case.equal(client.docmd("BOGUS")[0], 500)
    client.quit()
    rcpt, dot, bogus = [dict(part.split("=", 1) for part in line.split() if "=" in part)
                        for line in sluice.lines("refuse", count=3)]
    case.equal((rcpt["command"], dot["command"]), ("RCPT", "."))
    case.equal(rcpt["msg"], dot["msg"])
    assert "msg" not in bogus, bogus
    import json
    stats = json.loads(sluice.ctl("--json", "stats").stdout)
    wanted = {"recipients_refused_total": 1, "messages_refused_total": 1,
              "recipients_accepted_total": 0, "messages_accepted_total": 0}
    case.equal({k: v for k, v in stats.items() if k in wanted}, wanted)


if __name__ == "__main__":
    case.main()
