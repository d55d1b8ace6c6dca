"""Where the log goes and how it looks: a file, JSON, syslog."""
import json
import os
import socket
import subprocess

import case
import hops
import sink
import talk

NASTY = "a\\b=c\"d"


def spoken(sluice):
    """A message and a refused login whose name is meant to break the line."""
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["r1@hub.example"])
    session.quit()
    stranger = talk.Talk(sluice.port)
    stranger.starttls()
    stranger.expect("AUTH PLAIN " + talk.plain(NASTY + "\x1b[2J\r\nx", "wrong"),
                    535)
    stranger.quit()


def gateway(work, log, hub):
    sluice = hops.gateway(work, {"hub": (hub, "")}, start=False)
    with open(sluice.conf_path) as f:
        conf = f.read()
    case.contains(conf, "to file %s;" % sluice.log)
    with open(sluice.conf_path, "w") as f:
        f.write(conf.replace("to file %s;" % sluice.log, log))
    sluice.start()
    return sluice


@case.case
def json_a_line(work):
    hub = sink.Sink()
    sluice = gateway(work, "to file %s; format json;" % (work / "sluice.log"), hub)
    spoken(sluice)
    hops.taken(hub, 1)
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 1, "the outcome")
    sluice.stop()
    with open(sluice.log) as f:
        lines = [json.loads(line) for line in f]
    events = {}
    for line in lines:
        for key in ("time", "level", "event"):
            assert isinstance(line[key], str), line
        events.setdefault(line["event"], []).append(line)
    [accept] = events["accept"]
    case.equal((accept["cred"], accept["client"], accept["code"], accept["rcpts"]),
               ("alice", "127.0.0.1", 250, 1))
    # all that happened to it carries its id
    assert [e for e in events["delivered"] if e["msg"] == accept["msg"]], lines
    [failed] = events["login-failed"]
    case.equal(failed["tried"], NASTY + "\x1b[2J\r\nx")  # JSON escapes it all
    with open(sluice.log, "rb") as f:
        assert not [c for c in f.read() if c < 32 and c != 10]


@case.case
def to_syslog(work):
    if not PRIVATE:
        print("skip to_syslog: no mount name space")
        return
    made = not os.path.exists("/dev/log")
    if made:
        open("/dev/log", "x").close()
    box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    box.bind(work / "log")
    os.chmod(work / "log", 0o666)
    box.settimeout(hops.peers.HANG_S)
    subprocess.run(["mount", "--bind", work / "log", "/dev/log"], check=True)
    try:
        hub, seen = sink.Sink(), {}
        sluice = gateway(work, "to syslog;", hub)
        spoken(sluice)
        hops.taken(hub, 1)
        while not {"accept", "login-failed", "delivered"} <= set(seen):
            packet = box.recv(65536).decode()
            priority, _, text = packet.partition(">")
            case.contains(text, "sluiced")
            case.equal(int(priority.lstrip("<")) >> 3, 2, "the mail facility")
            assert "\n" not in text and "\x1b" not in text, packet
            for word in text.split():
                if word.startswith("event="):
                    seen[word[6:]] = text
        case.contains(seen["accept"], "cred=alice")
        case.contains(seen["accept"], "code=250")
        assert "wrong" not in "".join(seen.values()), "a password"
        sluice.stop()
    finally:
        subprocess.run(["umount", "/dev/log"], check=True)
        if made:
            os.unlink("/dev/log")


if __name__ == "__main__":
    PRIVATE = hops.Private("--mount", "--propagation", "private").enter()
    case.main()
