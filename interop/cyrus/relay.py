#!/usr/bin/env python3
"""Carries the lines of Cyrus SASL's sample client and server, which speak on their standard input and output.

    relay.py MECHANISM PLUGINS [as-is|alter|again FILE|record FILE|lie|count|answer|server-no-tls|client-no-tls]

The server prints `S: …` and waits for `C: …`, the client the other way round. `alter` changes the client's proof, `again` sends a
first message that `record` wrote to a file, `lie` changes the server's message, `answer` says something where the client's last answer
is empty; with `…-no-tls` that program is not told of TLS. Prints one line: what the server says of the client, and what the client
says of the server; `count` adds how many challenges there were.
"""
import base64
import re
import subprocess
import sys

LIMIT = 20  # seconds, after which everything ends


def program(command, mechanism, plugins, tls, *options):
    command = ["timeout", str(LIMIT), "stdbuf", "-oL", command, "-s", "sample", "-p", plugins, "-m", mechanism, *options]
    command += ["-e", "ssf=256"] if tls else []
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def line_of(process, start, said):
    """The next line that begins so, or None at the end. What a program prints has prompts without an end of line in front."""
    for line in process.stdout:
        line = line.decode(errors="replace").rstrip("\n")
        said.append(line)
        if start in line:
            return line[line.index(start):]
    return None


def give(process, line):
    try:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass


def altered(line):
    """Another octet near the end of what the base64 stands for: in the proof, the signature or the hash."""
    start, octets = line[:3], bytearray(base64.b64decode(line[3:]))
    octets[-10] = octets[-10] + 1 if octets[-10] in b"ABCabc" else ord("A")
    return start + base64.b64encode(octets).decode()


def end(process, said):
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    said += process.stdout.read().decode(errors="replace").splitlines()
    process.wait()


def main(mechanism, plugins, action="as-is", file=None):
    name = "sample.example.com"
    server = program("/usr/sbin/sasl-sample-server", mechanism, plugins, action != "server-no-tls", "-d", name)
    client = program(
        "sasl-sample-client", mechanism, plugins, action != "client-no-tls", "-n", name, "-a", "alice", "-u", "alice"
    )
    said_server, said_client, first, challenges = [], [], True, 0
    while line := line_of(server, "S: ", said_server):
        # After the login there are messages of its application.
        challenges += not first and not any("Negotiation complete" in each for each in said_server)
        if not first and action == "lie":
            line = altered(line)
        give(client, line)
        reply = line_of(client, "C: ", said_client)
        if reply is None:
            break
        if first and action == "record":
            open(file, "w").write(reply)
        if first and action == "again":
            reply = open(file).read()
        if first and action == "alter":
            reply = altered(reply)
        if not first and action == "answer":
            reply = "C: " + base64.b64encode(b"more").decode()
        give(server, reply)
        first = False
    end(client, said_client)
    end(server, said_server)
    server_text, client_text = "\n".join(said_server), "\n".join(said_client)
    user = re.search(r"Username: (\S+)", server_text)
    known = f"recognised {user[1]}" if user and "Negotiation complete" in server_text else "refused"
    trusted = "trusts the server" if "Negotiation complete" in client_text else "does not"
    print(f"server: {known}; client: {trusted}" + (f"; challenges: {challenges}" if action == "count" else ""))
    for name, text in ("server", server_text), ("client", client_text):
        print("\n".join(f"  {name}| {line}" for line in text.splitlines()), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
