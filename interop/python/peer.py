#!/usr/bin/env python3
"""The Python peer of the interop suite: IMAP with IKY and EXTERNAL over TLS 1.3, both ends.

IKY is test-vectors/check/iky.py, written from the Internet-Draft; TLS is pyOpenSSL, which has the exporter.

    peer.py server --cert FILE --key FILE [--mechanism NAME]... [--mode normal|renew|spoil|forget]
    peer.py client --port N --ca FILE [--mechanism NAME] STEP...

The server prints `port N`, and a line for every login.  It ends when its standard input does.  A step of the
client is one connection: full, iky-fresh, iky-resumed, iky-altered, external.  It prints a line for each.

Modes: renew: the clock is six days later after a full login, so that what is left (of seven days) is
renewed.  spoil: one bit of every responder signature is flipped.  forget: a full login leaves no record.
"""

import argparse
import os
import pathlib
import signal
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test-vectors" / "check"))

from OpenSSL import SSL  # noqa: E402

import iky  # noqa: E402
import profiles  # noqa: E402

NAME, SERVICE = "imap.example.com", "imap"
USER, PASSWORD = "alice", "secret"
DAY = 86400
SECONDS = 10  # for every read and write
LIFETIME = 120  # of this process

# Tables 2 of the draft, for a disclosed origin
POLICY = {
    "lifetime": 7 * DAY,
    "full_login_every": 180 * DAY,
    "renew_within": 10 * DAY,
    "tentative_lifetime": 7 * DAY,
    "successor_grace": 300,
    "lineage_lifetime": 7 * DAY,
}


class Failure(Exception):
    pass


class Wire:
    """TLS over a blocking socket that gives up after some seconds."""

    def __init__(self, context, sock, accept):
        limit = struct.pack("ll", SECONDS, 0)
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.tls = SSL.Connection(context, sock)
        self.input = b""
        if accept:
            self.tls.set_accept_state()
        else:
            self.tls.set_connect_state()

    def read(self):
        try:
            octets = self.tls.recv(16384)
        except (SSL.ZeroReturnError, SSL.SysCallError):
            return False
        except SSL.WantReadError:
            raise Failure("nothing came for %d seconds" % SECONDS) from None
        self.input += octets
        return True

    def line(self):
        while b"\r\n" not in self.input:
            if not self.read():
                return None
        line, _, self.input = self.input.partition(b"\r\n")
        return line

    def send(self, octets):
        self.tls.sendall(octets)

    def export(self, label, context=b"", length=32):
        return self.tls.export_keying_material(label.encode(), length, context)

    @property
    def resumed(self):
        # pyOpenSSL has no name for it; the binding below it does.
        return bool(SSL._lib.SSL_session_reused(self.tls._ssl))

    def channel(self):
        if self.tls.get_protocol_version_name() != "TLSv1.3":
            raise Failure("not TLS 1.3")
        return {
            "tls": "1.3",
            # OpenSSL resumes with psk_dhe_ke only, unless SSL_OP_ALLOW_NO_DHE_KEX is set.
            "forward_secret": True,
            "tickets": "stateful",
            "handshake_complete": True,
            "early_data": False,
            "resumed": self.resumed,
            "through_manager": False,
            "tls_exporter": self.export(iky.EXPORTER_BINDING),
            "renew": self.export(iky.EXPORTER_RENEW),
        }

    def close(self):
        try:
            self.tls.shutdown()
        except SSL.Error:
            pass
        self.sock.close()


def context_for_tls13():
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    return context


def say(*words):
    print(*words, flush=True)


# ------------------------------------------------------------------ server


class Server:
    def __init__(self, args):
        self.mode = args.mode
        self.mechanisms = args.mechanism or ["IKY-SHA-256-EXPR"]
        self.later = 0
        self.records = {}  # by id
        self.lineages = {}  # by the key of a session, which is its handle here
        self.config = {
            "iky_mechanisms": self.mechanisms,
            "full_mechanisms": ["PLAIN"],
            "name": NAME,
            "service": SERVICE,
            "lineage_required": False,
            "external_configured": True,
            "external_origin": "disclosed",
            **POLICY,
        }
        self.context = context_for_tls13()
        self.context.use_certificate_chain_file(args.cert)
        self.context.use_privatekey_file(args.key)
        # Without tickets, OpenSSL keeps the sessions of TLS 1.3 itself: they are stateful.
        self.context.set_options(SSL.OP_NO_TICKET)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        self.context.set_session_id(b"interop")
        self.context.set_info_callback(self.watch)

    def now(self):
        return int(time.time()) + self.later

    # Section 4.3: OpenSSL has a place for a handle in its sessions, but pyOpenSSL does not reach it.  What it does
    # reach is the key of the session, which no two tickets have in common, so that names the session
    # here: seen as each ticket is made, and seen again, ahead of the new tickets, when one is resumed.

    def watch(self, tls, _where, _ret):
        state = tls.get_app_data()
        try:
            key = tls.master_key()
        except SSL.Error:
            return  # the session has none yet
        if not state or not key:
            return
        if SSL._lib.SSL_session_reused(tls._ssl) and "resumes" not in state:
            state["resumes"] = key
        if key != state.get("resumes"):
            state["issued"].add(key)

    def serve(self, sock):
        wire = Wire(self.context, sock, True)
        state = {"issued": set()}
        wire.tls.set_app_data(state)
        try:
            wire.tls.do_handshake()
            self.talk(wire, state)
        finally:
            wire.close()

    def talk(self, wire, state):
        channel = wire.channel()
        sni = wire.tls.get_servername()
        channel["sni"] = (sni or b"").decode().lower()
        lineage = self.lineages.get(state.get("resumes")) if channel["resumed"] else None
        listed, _, _ = iky.decide_external(channel, self.config, lineage, "", self.now())
        iky_listed = iky.listed_iky(self.mechanisms, channel)
        mechanisms = ["EXTERNAL"] * listed + iky_listed + ["PLAIN"]
        capabilities = "IMAP4rev1 " + profiles.advertise("imap", mechanisms)
        wire.send(("* OK [CAPABILITY %s] ready\r\n" % capabilities).encode())
        ordinal = 0
        logged_in = False
        while True:
            line = wire.line()
            if line is None:
                return
            tag, _, rest = line.decode().partition(" ")
            words = rest.split(" ")
            if words[0].upper() != "AUTHENTICATE" or logged_in:
                wire.send(("%s %s\r\n" % (tag, "OK done" if logged_in else "BAD Log in first")).encode())
                continue
            if words[1].upper() == "PLAIN":
                good = self.plain(wire, channel, iky_listed, state, words[2], ordinal + 1)
                wire.send(("%s %s\r\n" % (tag, "OK Logged in" if good else "NO Wrong")).encode())
            else:
                good = self.recognise(wire, channel, mechanisms, lineage, state, line)
            logged_in = logged_in or good
            ordinal += good

    def plain(self, wire, channel, iky_listed, state, initial, ordinal):
        authzid, authcid, password = iky.unb64(initial).decode().split("\0")
        if (authcid, password) != (USER, PASSWORD):
            return False
        now, name = self.now(), authzid or authcid
        device = os.urandom(8).hex()
        made = []
        for mechanism in (iky.MECHANISMS[n] for n in iky_listed):
            keys = derive(wire, mechanism, channel["sni"], "PLAIN", name, ordinal)
            expires = now + min(POLICY["lifetime"], POLICY["full_login_every"])
            record = iky.Record(
                mechanism, SERVICE, channel["sni"], name, keys, "disclosed", "account of alice", device, now, expires
            )
            record.unused_until = now + POLICY["tentative_lifetime"]
            made.append(record)
        for record in made:
            record.beside = made
            if self.mode != "forget":
                self.records[record.id] = record
        self.keep_lineage(wire, channel, state, made[0], "disclosed", now)
        if self.mode == "renew":
            self.later += 6 * DAY
        say("login", "PLAIN", name)
        return True

    def keep_lineage(self, wire, channel, state, who, strength, now):
        """4.4: a lineage record, under every session that this connection leaves."""
        before = self.lineages.get(state.get("resumes")) if channel["resumed"] else None
        record = {
            "identity": who.identity,
            "login_name": who.login_name,
            "device": who.device,
            "service": SERVICE,
            "server_name": channel["sni"],
            "origin": who.origin,
            "strength": strength,
            "full_login": who.full_login,
            "value": wire.export(iky.EXPORTER_LINEAGE),
            "expires": now + POLICY["lineage_lifetime"],
            "shared": before is not None and (before["shared"] or before["identity"] != who.identity),
            "revoked": False,
            "through_manager": False,
        }
        for key in state["issued"]:
            self.lineages[key] = record

    def recognise(self, wire, channel, listed, lineage, state, line):
        found = {}

        def judge(message):
            name = line.decode().split(" ")[2].upper()
            if name == "EXTERNAL":
                found.update(name=name, text=message.decode())
                _, refusals, outcome = iky.decide_external(
                    channel, self.config, lineage, message.decode(), self.now()
                )
                found.update(outcome=outcome, refusals=refusals)
                return profiles.OUTCOMES[outcome][1], None
            mechanism = iky.MECHANISMS[name]
            store = None
            d = iky.decide(mechanism, message, channel, self.config, self.records.get, lineage, self.now())
            if d.commit is not None and "successor" in d.commit and not self.has_room(d.record):
                store = "no-room"
                d = iky.decide(mechanism, message, channel, self.config, self.records.get, lineage, self.now(), store)
            if d.outcome == "accepted" and d.commit is not None:
                self.commit(d)
            found.update(name=name, text=message.decode("utf-8", "replace"), outcome=d.outcome, refusals=d.refusals, d=d)
            answer = d.answer
            if self.mode == "spoil" and "v=" in answer:
                at = answer.rindex("v=") + 2
                answer = answer[:at] + ("A" if answer[at] != "A" else "B") + answer[at + 1 :]
            return profiles.OUTCOMES[d.outcome][1], answer.encode()

        verdicts = {}

        def judge_once(message):
            # `serve` starts anew when more has come; the message is judged once.
            if message not in verdicts:
                verdicts[message] = judge(message)
            return verdicts[message]

        octets = line + b"\r\n"
        while True:
            try:
                out = profiles.serve("imap", listed, octets, judge_once)
                break
            except profiles.Error as e:
                if e.what != "incomplete":
                    raise Failure(e.what) from None
            next_line = wire.line()
            if next_line is None:
                return False
            octets += next_line + b"\r\n"
        wire.send((out["challenges"] + out["completion"] + " Done\r\n").encode())
        if out["accepted"]:
            who = found["d"].record if "d" in found else None
            if who is None:
                who = Named(lineage)
                strength = lineage["strength"]
            else:
                strength = found["d"].strength
            self.keep_lineage(wire, channel, state, who, strength, self.now())
        notes = ["l=1"] * (",l=1" in found.get("text", "")) + ["renewed"] * bool("d" in found and found["d"].successor)
        say("recognised" if out["accepted"] else "refused", found.get("name", "?"), found.get("outcome", "?"), *notes)
        return out["accepted"]

    def has_room(self, record):
        waiting = [s for s in record.successors if s.id in self.records and s.unused_until is not None]
        return len(waiting) < 2

    def commit(self, d):
        """7.8 step 7 and 7.11."""
        record, commit = d.record, d.commit
        if commit["counter"] is not None:
            record.window.accept(commit["counter"])
        if commit["confirm"]:
            record.unused_until = None
            for other in getattr(record, "beside", ()):
                if other is not record:
                    self.records.pop(other.id, None)
            before = record.predecessor
            if before is not None:
                before.successor_used = True
                before.expires = min(before.expires, commit["predecessor_until"])
                for other in before.successors:
                    if other is not record and other.unused_until is not None:
                        self.records.pop(other.id, None)
        if d.successor is not None:
            new = iky.Record(
                record.mechanism, record.service, record.server_name, record.login_name, d.successor, record.origin,
                record.identity, record.device, record.full_login, commit["successor"]["expires"],
            )  # fmt: skip
            new.unused_until = commit["successor"]["unused_until"]
            new.predecessor = record
            record.successors.append(new)
            self.records[new.id] = new


class Named:
    def __init__(self, lineage):
        for name in ("identity", "login_name", "device", "origin", "full_login"):
            setattr(self, name, lineage[name])


def derive(wire, mechanism, server_name, full_mechanism, login_name, ordinal):
    context = iky.derivation_context(mechanism, SERVICE, server_name, full_mechanism, "", login_name, ordinal)
    return iky.derive(mechanism, context, wire.export(iky.EXPORTER_SEED, context), b"")


def server(args):
    service = Server(args)
    listener = socket.create_server(("127.0.0.1", 0))
    say("port", listener.getsockname()[1])

    def until_the_end():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=until_the_end, daemon=True).start()
    while True:
        sock, _ = listener.accept()
        try:
            service.serve(sock)
        except (Failure, SSL.Error, OSError) as e:
            say("error", type(e).__name__, e)


# ------------------------------------------------------------------ client


class Assertion:
    def __init__(self, keys, login_name, server_name, family, offer):
        self.keys = keys
        self.mechanism = keys.mechanism
        self.login_name = login_name
        self.server_name = server_name
        self.family = family
        self.offer = offer
        self.counter = 0
        self.predecessor = None
        self.expires = None


class Client:
    def __init__(self, args):
        self.port = args.port
        self.mechanism = iky.MECHANISMS[(args.mechanism or ["IKY-SHA-256-EXPR"])[0]]
        self.context = context_for_tls13()
        self.context.load_verify_locations(args.ca)
        self.context.set_verify(SSL.VERIFY_PEER, lambda *a: bool(a[-1]))
        self.assertions = []  # the newest first
        self.sessions = []  # each with the lineage value and the family of its connection

    def step(self, step):
        resume = step in ("iky-resumed", "external")
        sock = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        wire = Wire(self.context, sock, False)
        wire.tls.set_tlsext_host_name(NAME.encode())
        before = None
        if resume:
            before = self.sessions.pop()  # a ticket is offered once
            wire.tls.set_session(before[0])
        try:
            wire.tls.do_handshake()
            channel = wire.channel()
            if channel["resumed"] != resume:
                raise Failure("TLS resumed: %s" % channel["resumed"])
            greeting = wire.line() + b"\r\n"
            listed = profiles.offer("imap", greeting.decode())["mechanisms"]
            if step == "full":
                words, family = self.full(wire, listed)
            elif step == "external":
                words, family = self.external(wire, listed, before)
            else:
                words, family = self.iky(wire, channel, listed, before, step == "iky-altered")
            if words[0] == "logged-in":
                session = wire.tls.get_session()
                self.sessions.append((session, wire.export(iky.EXPORTER_LINEAGE), family))
            return words
        finally:
            wire.close()

    def noop(self, wire):
        line = wire.line() or b""
        return "noop=" + line.decode().split(" ")[1] if line.startswith(b"a2 ") else "noop=none"

    def full(self, wire, listed):
        if self.mechanism.name not in listed:
            raise Failure("%s is not listed" % self.mechanism.name)
        message = iky.b64(("\0%s\0%s" % (USER, PASSWORD)).encode())
        wire.send(("a1 AUTHENTICATE PLAIN %s\r\n" % message).encode())
        line = wire.line()
        if not line.startswith(b"a1 OK"):
            return ["refused", line.decode()], None
        keys = derive(wire, self.mechanism, NAME, "PLAIN", USER, 1)
        offer = iky.offer_hash(self.mechanism.hash_name, listed)
        self.assertions = [Assertion(keys, USER, NAME, keys.id, offer)]
        wire.send(b"a2 NOOP\r\n")
        return ["logged-in", "PLAIN", self.noop(wire)], keys.id

    def exchange(self, wire, mechanism, message, listed):
        octets, _, out = profiles.command("imap", mechanism, message, mechanism in listed, "a1")
        wire.send(out["sent"].encode() + b"a2 NOOP\r\n" * out["rides_along"])
        if "behind_the_empty_challenge" in out:
            raise Failure("a line of %d octets" % octets)
        received = b""
        while True:
            try:
                result = profiles.answer("imap", mechanism, "a1", received)
                wire.input = result["rest"].encode() + wire.input
                return result
            except profiles.Error as e:
                if e.what != "incomplete":
                    raise Failure(e.what) from None
            line = wire.line()
            if line is None:
                raise Failure("the server closed the connection")
            received += line + b"\r\n"

    def external(self, wire, listed, before):
        if "EXTERNAL" not in listed:
            raise Failure("EXTERNAL is not listed")
        result = self.exchange(wire, "EXTERNAL", USER, listed)
        what = "logged-in" if result["verdict"] == "accepted" else result["verdict"]
        return [what, "EXTERNAL", self.noop(wire)], before[2]

    def iky(self, wire, channel, listed, before, alter):
        a = self.assertions[0]
        if a.mechanism.name not in listed:
            raise Failure("%s is not listed" % a.mechanism.name)
        lineage = channel["resumed"] and before[2] == a.family
        if a.mechanism.needs_counter:
            a.counter += 1
        covered = iky.build_covered(
            a.mechanism, a.login_name, a.server_name, a.keys.id, a.counter or None, lineage, a.offer
        )
        t = iky.transcript(
            a.mechanism,
            SERVICE,
            iky.flags(a.mechanism, channel),
            iky.cb_data(a.mechanism, channel),
            before[1] if lineage else b"",
            covered.encode(),
        )
        proof = iky.make_proof(a.mechanism, a.keys, t)
        if alter:
            proof = bytes([proof[0] ^ 1]) + proof[1:]
        message = covered + ",p=" + iky.b64(proof)
        result = self.exchange(wire, a.mechanism.name, message, listed)
        accepted = result["verdict"] == "accepted"
        data = None if result["data"] is None else result["data"].encode()
        transcript_hash = a.mechanism.hash(t)
        v = iky.judge(a.mechanism, a.keys.server_key, transcript_hash, proof, data, accepted)
        words = [v.what.replace(" ", ":"), a.mechanism.name] + ["l=1"] * lineage
        if not v.logged_in:
            if not v.keeps_assertion:
                self.assertions.remove(a)
            words += ["code=" + result["verdict"], "kept=%d" % len(self.assertions)]
            return words, None
        if a.predecessor in self.assertions:
            self.assertions.remove(a.predecessor)
            words.append("successor")
        if v.message.renewal is not None:
            x = channel["renew"] if v.message.renewal == 1 else v.message.renewal
            keys = iky.Renewal(a.mechanism, a.keys.server_key, transcript_hash, x).keys
            successor = Assertion(keys, a.login_name, a.server_name, a.family, a.offer)
            successor.predecessor = a
            self.assertions.insert(0, successor)
            words.append("renewed")
        return words + [self.noop(wire)], a.family


def client(args):
    who = Client(args)
    for step in args.step:
        try:
            say("step", step, *who.step(step))
        except (Failure, SSL.Error, OSError) as e:
            say("step", step, "error", type(e).__name__, e)
            return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ends = parser.add_subparsers(dest="end", required=True)
    s = ends.add_parser("server")
    s.add_argument("--cert", required=True)
    s.add_argument("--key", required=True)
    s.add_argument("--mode", choices=("normal", "renew", "spoil", "forget"), default="normal")
    c = ends.add_parser("client")
    c.add_argument("--port", type=int, required=True)
    c.add_argument("--ca", required=True)
    c.add_argument("step", nargs="+", choices=("full", "iky-fresh", "iky-resumed", "iky-altered", "external"))
    for end in (s, c):
        end.add_argument("--mechanism", action="append", choices=sorted(iky.MECHANISMS))
    args = parser.parse_args()
    signal.alarm(LIFETIME)
    return server(args) if args.end == "server" else client(args)


if __name__ == "__main__":
    sys.exit(main())
