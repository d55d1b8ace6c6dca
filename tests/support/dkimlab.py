"""Keys to sign with, and verifiers that know nothing of us: python3-dkim, and
OpenDKIM's opendkim-testmsg where this may have namespaces of its own (it asks
the system's resolver)."""
import base64
import os
import shutil
import socket
import subprocess
import sys

import dns

try:
    import dkim
except ImportError:  # another Python than the packages' own
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import dkim
    except ImportError:
        dkim = None


def openssl(*command):
    return subprocess.run(["openssl", *command], check=True,
                          capture_output=True).stdout


class Key:
    """kind: bits of an RSA key, or "ed25519"."""

    def __init__(self, path, kind):
        self.path, self.kind = str(path), kind
        if kind == "ed25519":
            openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
        else:
            openssl("genrsa", "-out", self.path, str(kind))
        os.chmod(self.path, 0o600)
        der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        public = der[-32:] if kind == "ed25519" else der
        self.record = "v=DKIM1; k=%s; p=%s" % (
            "ed25519" if kind == "ed25519" else "rsa",
            base64.b64encode(public).decode())


class Zone(dict):
    """{name without a dot at the end: text}, for the verifiers."""

    def publish(self, domain, **keys):
        for selector, key in keys.items():
            self["%s._domainkey.%s" % (selector, domain)] = key.record
        return self

    def look(self, name, timeout=5):
        text = self.get(name.decode().rstrip(".").lower())
        return text.encode() if text else None

    def records(self):
        """As dns.Server has it."""
        return {(name, dns.TXT): [strings(text)] for name, text in self.items()}


def strings(text):
    """A TXT record's data."""
    text = text.encode()
    return b"".join(bytes([len(text[n:n + 255])]) + text[n:n + 255]
                    for n in range(0, len(text), 255))


def signatures(message):
    """How many it has."""
    return len(dkim.DKIM(message).headers and [
        name for name, _ in dkim.DKIM(message).headers
        if name.lower() == b"dkim-signature"])


def verified(message, zone, minkey=2048):
    """[(domain, selector, algorithm)] of its signatures, from the top; each
    must be good."""
    found = []
    for index in range(signatures(message)):
        one = dkim.DKIM(message, minkey=minkey)
        assert one.verify(idx=index, dnsfunc=zone.look), (index, message[:3000])
        fields = one.signature_fields
        found.append((fields[b"d"].decode(), fields[b"s"].decode(),
                      fields[b"a"].decode()))
    return found


def tags(message, index=0):
    """{tag: value} of one signature, without blanks."""
    one = [value for name, value in dkim.DKIM(message).headers
           if name.lower() == b"dkim-signature"][index]
    pairs = [tag.split(b"=", 1) for tag in one.split(b";") if tag.strip()]
    return {name.strip().decode(): b"".join(value.split()).decode()
            for name, value in pairs}


def has_opendkim():
    return shutil.which("opendkim-testmsg") is not None


def opendkim(message):
    """"": good; else what it says. It knows RSA alone, and one good signature
    is enough for it."""
    got = subprocess.run(["opendkim-testmsg"], input=message, capture_output=True)
    return (got.stdout + got.stderr).decode(errors="replace") or (
        "" if got.returncode == 0 else "exit %d" % got.returncode)


def private():
    """The program once more in namespaces of its own, where what opendkim asks
    comes to us. False: there are none."""
    if os.environ.get("SLUICE_DKIM_PRIVATE"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    command = ["unshare", "--net", "--mount", "--propagation", "private", "--"]
    if not has_opendkim() or shutil.which("unshare") is None or subprocess.run(
            [*command, "ip", "link", "set", "lo", "up"],
            capture_output=True).returncode != 0:
        return False
    os.environ["SLUICE_DKIM_PRIVATE"] = "1"
    os.execvp("unshare", [*command, sys.executable, *sys.argv])


def serve(zone, directory):
    """After private(): the zone is what the system's resolver says."""
    class Resolver(dns.Server):
        @staticmethod
        def listen():
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 53))
            return udp, socket.create_server(("127.0.0.1", 53))

    path = os.path.join(str(directory), "resolv.conf")
    with open(path, "w") as f:
        f.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", path, "/etc/resolv.conf"], check=True)
    return Resolver(zone.records())
