-- Prosody for interop/run: one process on one loopback port; directory and port come with the environment. What differs
-- between the hosts is how long a FAST token lives. Prosody speaks TLS 1.3 and 1.2; the client chooses.
data_path = ENV_PROSODY_DIRECTORY
pidfile = ENV_PROSODY_DIRECTORY .. "/prosody.pid"
log = { info = "*console" }

interfaces = { "127.0.0.1" }
c2s_ports = {}
c2s_direct_tls_ports = { ENV_PROSODY_PORT }
ssl = { certificate = ENV_PROSODY_DIRECTORY .. "/cert.pem", key = ENV_PROSODY_DIRECTORY .. "/key.pem" }

modules_enabled = {
	"saslauth", "tls", "roster", "ping", "smacks",
	"sasl2", "sasl2_bind2", "sasl2_sm", "sasl2_fast",
}
modules_disabled = { "s2s" }

authentication = "internal_hashed"
password_hash = "SHA-256"

-- A token is good for 21 days, and replaced when it is a day old.
VirtualHost "xmpp.example.com"

-- A token is replaced at every login with it.
VirtualHost "rotating.example.com"
	sasl2_fast_token_min_ttl = 0

-- A token is good for a second.
VirtualHost "expiring.example.com"
	sasl2_fast_token_ttl = 1
