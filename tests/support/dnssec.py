"""Zones that are really signed, and a resolver that validates them.

    lab = Signed(work, "mx IN A 203.0.113.1\\n...", open_records)

lab. is signed (ldns-signzone) and the resolver's one trust anchor; open. is not
signed. `spoil`: words of records of lab. that are put in other ones' place
after the signatures were made, {right: wrong}, as somebody on the way would.
"""
import os
import subprocess

import dnslab
import peers
from dns import SOA

ALGORITHM = "ECDSAP256SHA256"


class SignedAuthority(dnslab.Authority):
    def __init__(self, work, zones, spoil):
        self.spoil = spoil
        self.keys = work / "keys"
        os.makedirs(self.keys)
        self.names = [self.keygen("-k"), self.keygen()]
        super().__init__(work, zones)

    def keygen(self, *how):
        return self.run("ldns-keygen", *how, "-a", ALGORITHM, "lab.").strip()

    def run(self, *argv):
        return subprocess.run(argv, cwd=self.keys, check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    @property
    def anchor(self):
        return self.keys + "/" + self.names[0] + ".ds"

    def write(self, zone):
        super().write(zone)
        if zone != "lab.":
            return
        self.run("ldns-signzone", "-n", "-f", self.file(zone), self.file(zone),
                 *self.names)
        with open(self.file(zone)) as f:
            text = f.read()
        for right, wrong in self.spoil.items():
            assert right in text, right
            text = text.replace(right, wrong)
        with open(self.file(zone), "w") as f:
            f.write(text)


class Signed:
    def __init__(self, work, records, open_records="", spoil=None):
        self.work = work
        zones = {"lab.": "ns IN A 127.0.0.1\n" + records, "open.": open_records}
        self.authority = SignedAuthority(work, zones, spoil or {})
        self.stubs = {zone: "127.0.0.1@%d" % self.authority.port for zone in zones}
        peers.wait_for(lambda: dnslab.query("127.0.0.1", self.authority.port, "lab",
                                            SOA), "nsd to answer")
        self.resolver = self.another("unbound")

    def another(self, name, address="127.0.0.1"):
        """One more resolver, at this address."""
        return dnslab.Resolver(self.work, self.stubs, """
  module-config: "validator iterator"
  trust-anchor-file: "%s"
  access-control: %s/32 allow
""" % (self.authority.anchor, address), name=name, address=address)
