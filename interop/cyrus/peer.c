/* An application with OpenSSL and Cyrus SASL, client and server in one process, over TLS 1.3.
 *
 *   peer full    CERT KEY STORE STATE KEYFILE   logs in fully with SCRAM-SHA-256-PLUS, by Cyrus SASL, and tells the C interface
 *   peer MECH    CERT KEY                       logs in with this mechanism, by the plug-in, as any other
 *   peer stolen  CERT KEY MECH                  the same, with the client's first message on another connection
 *   peer denied  CERT KEY MECH                  the same, where the server's policy lets nobody in; and how many challenges there were
 *   peer mute    CERT KEY MECH                  a client that has nothing to say, not even a message; and a server whose success says nothing
 *   peer forked  CERT KEY MECH                  logs in, then in a fork(), then itself again, with one store that is kept open
 *   peer revoke  STORE                          ends all clients of the account
 *
 * Prints `server USER`, `client ok`, or what was wrong. The environment has SASL_CONF_PATH, SASL_PATH, FAST_REAUTH_CLIENT_STATE.
 */
#include "fast_reauth.h"

#include <openssl/ssl.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOST "imap.example.com"
#define USER "alice"
#define PASSWORD "secret"
#define LDAP "IKY-SHA-256-ENDP"
#define LISTED "SCRAM-SHA-256-PLUS IKY-SHA-256-EXPR HT-SHA-256-EXPR"

static void stop(const char *what, const char *why) {
  printf("error %s: %s\n", what, why);
  exit(1);
}

static void must(int good, const char *what) {
  if (!good) stop(what, "failed");
}

/* Both ends of one TLS connection, and what they are bound to. */
struct connection {
  SSL *client, *server;
  unsigned char binding[32];
};

static int export(void *ssl, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                  uint8_t *out, size_t out_len) {
  return SSL_export_keying_material(ssl, out, out_len, (const char *)label, label_len, context, context_len, 1);
}

static struct connection connect_tls(const char *cert, const char *key) {
  struct connection connection;
  BIO *to_client, *to_server;
  SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *server = SSL_CTX_new(TLS_server_method());
  must(SSL_CTX_use_certificate_file(server, cert, SSL_FILETYPE_PEM) == 1, "certificate");
  must(SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) == 1, "key");
  must(SSL_CTX_load_verify_locations(client, cert, NULL) == 1, "roots");
  SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION);
  connection.client = SSL_new(client);
  connection.server = SSL_new(server);
  SSL_CTX_free(client);
  SSL_CTX_free(server);
  must(SSL_set_tlsext_host_name(connection.client, HOST) == 1 && SSL_set1_host(connection.client, HOST) == 1, "name");
  must(BIO_new_bio_pair(&to_client, 0, &to_server, 0) == 1, "pipe");
  SSL_set_bio(connection.client, to_client, to_client);
  SSL_set_bio(connection.server, to_server, to_server);
  SSL_set_connect_state(connection.client);
  SSL_set_accept_state(connection.server);
  for (int i = 0; i < 10; i++) SSL_do_handshake(connection.client), SSL_do_handshake(connection.server);
  must(SSL_is_init_finished(connection.client) && SSL_is_init_finished(connection.server), "TLS handshake");
  unsigned char other[32];
  const char label[] = "EXPORTER-Channel-Binding";
  must(export(connection.client, (const uint8_t *)label, sizeof label - 1, NULL, 0, connection.binding, 32) == 1, "exporter");
  must(export(connection.server, (const uint8_t *)label, sizeof label - 1, NULL, 0, other, 32) == 1, "exporter");
  must(!memcmp(other, connection.binding, 32), "one connection");
  return connection;
}

/* Octets from one end to the other, inside TLS. */
static unsigned carry(SSL *from, SSL *to, const char *octets, unsigned len, char *out, unsigned max) {
  unsigned char length[2] = {(unsigned char)(len >> 8), (unsigned char)len};
  must(SSL_write(from, length, 2) == 2 && (!len || SSL_write(from, octets, (int)len) == (int)len), "write");
  must(SSL_read(to, length, 2) == 2, "read");
  unsigned n = (unsigned)length[0] << 8 | length[1];
  must(n <= max && (!n || SSL_read(to, out, (int)n) == (int)n), "read");
  return n;
}

static int simple(void *context, int id, const char **result, unsigned *len) {
  (void)context, (void)id;
  *result = USER;
  if (len) *len = strlen(USER);
  return SASL_OK;
}

static int password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret) {
  static union {
    sasl_secret_t secret;
    char room[sizeof(sasl_secret_t) + sizeof PASSWORD];
  } it;
  (void)conn, (void)context, (void)id;
  it.secret.len = strlen(PASSWORD);
  memcpy(it.secret.data, PASSWORD, sizeof PASSWORD);
  *secret = &it.secret;
  return SASL_OK;
}

static sasl_callback_t callbacks[] = {
  {SASL_CB_AUTHNAME, (int (*)(void))(void *)simple, NULL},
  {SASL_CB_PASS, (int (*)(void))(void *)password, NULL},
  {SASL_CB_LIST_END, NULL, NULL},
};

/* A server's policy on who may log in, if it has one. */
static int nobody(sasl_conn_t *conn, void *context, const char *user, unsigned user_len, const char *name, unsigned name_len,
                  const char *realm, unsigned realm_len, struct propctx *properties) {
  (void)conn, (void)context, (void)user, (void)user_len, (void)name, (void)name_len, (void)realm, (void)realm_len, (void)properties;
  return SASL_NOAUTHZ;
}

static const sasl_callback_t nobody_gets_in[] = {
  {SASL_CB_PROXY_POLICY, (int (*)(void))(void *)nobody, NULL},
  {SASL_CB_LIST_END, NULL, NULL},
};

static const sasl_callback_t *policy;

/* How many there were in a login. */
static int challenges;

/* What an application sets after TLS. */
static void secure(sasl_conn_t *conn, sasl_channel_binding_t *binding, struct connection *tls) {
  static const sasl_security_properties_t properties = {0, 0, 8192, 0, NULL, NULL};
  static const sasl_ssf_t ssf = 256;
  binding->name = "tls-exporter";
  binding->critical = 0;
  binding->len = sizeof tls->binding;
  binding->data = tls->binding;
  must(sasl_setprop(conn, SASL_SEC_PROPS, &properties) == SASL_OK, "properties");
  must(sasl_setprop(conn, SASL_SSF_EXTERNAL, &ssf) == SASL_OK, "strength");
  must(sasl_setprop(conn, SASL_CHANNEL_BINDING, binding) == SASL_OK, "binding");
}

/* A login; `elsewhere`: the client is on another connection than the server. */
static int log_in(struct connection *tls, struct connection *elsewhere, const char *mechanism) {
  sasl_conn_t *client, *server;
  sasl_channel_binding_t client_binding, server_binding;
  const char *out = NULL, *list = NULL, *chosen;
  unsigned len = 0;
  char in[8192];
  must(sasl_client_new("imap", HOST, NULL, NULL, NULL, 0, &client) == SASL_OK, "client");
  must(sasl_server_new("imap", HOST, NULL, NULL, NULL, policy, 0, &server) == SASL_OK, "server");
  secure(client, &client_binding, elsewhere);
  secure(server, &server_binding, tls);
  must(sasl_listmech(server, NULL, "", " ", "", &list, NULL, NULL) == SASL_OK, "list");
  if (!strstr(list, mechanism)) stop("not listed", list);
  int c = sasl_client_start(client, mechanism, NULL, &out, &len, &chosen);
  if (c != SASL_OK && c != SASL_CONTINUE) stop("client", sasl_errdetail(client));
  unsigned n = carry(tls->client, tls->server, out, len, in, sizeof in);
  int s = sasl_server_start(server, chosen, in, n, &out, &len);
  for (challenges = 0; s == SASL_CONTINUE;) {
    challenges++;
    n = carry(tls->server, tls->client, out, len, in, sizeof in);
    c = sasl_client_step(client, in, n, NULL, &out, &len);
    if (c != SASL_OK && c != SASL_CONTINUE) break;
    n = carry(tls->client, tls->server, out, len, in, sizeof in);
    s = sasl_server_step(server, in, n, &out, &len);
  }
  const void *user = NULL;
  if (s == SASL_OK) must(sasl_getprop(server, SASL_USERNAME, &user) == SASL_OK, "user");
  printf("server %s\n", s == SASL_OK ? (const char *)user : s == SASL_CONTINUE ? "waits" : sasl_errstring(s, NULL, NULL));
  printf("client %s\n", c == SASL_OK ? "ok" : c == SASL_CONTINUE ? "waits" : sasl_errdetail(client));
  sasl_dispose(&client);
  sasl_dispose(&server);
  return s == SASL_OK && c == SASL_OK;
}

/* Each end without the other, which says nothing; some applications have NULL for that. */
static int log_in_mute(struct connection *tls, const char *mechanism) {
  sasl_conn_t *client, *server;
  sasl_channel_binding_t binding;
  const char *out = NULL, *chosen;
  unsigned len = 0;
  must(sasl_server_new("imap", HOST, NULL, NULL, NULL, NULL, 0, &server) == SASL_OK, "server");
  secure(server, &binding, tls);
  int s = sasl_server_start(server, mechanism, NULL, 0, &out, &len);
  for (challenges = 0; s == SASL_CONTINUE; challenges++) {
    printf("challenge %.*s\n", (int)len, len ? out : "");
    s = sasl_server_step(server, NULL, 0, &out, &len);
  }
  printf("server %s\n", sasl_errstring(s, NULL, NULL));
  sasl_dispose(&server);
  must(sasl_client_new("imap", HOST, NULL, NULL, NULL, 0, &client) == SASL_OK, "client");
  secure(client, &binding, tls);
  must(sasl_client_start(client, mechanism, NULL, &out, &len, &chosen) == SASL_CONTINUE, "client");
  int c = sasl_client_step(client, NULL, 0, NULL, &out, &len);
  printf("client %s\n", sasl_errdetail(client));
  sasl_dispose(&client);
  return s == SASL_OK || c == SASL_OK;
}

static fr_store *open_store(const char *location) {
  fr_store *store;
  must(!fr_store_open(fr_str(location), &store), "store");
  return store;
}

static int revoke_all(const char *location) {
  fr_store *store = open_store(location);
  size_t revoked;
  must(!fr_store_revoke(store, fr_str("account-of-" USER), (uint64_t)time(NULL), &revoked), "revoke");
  printf("revoked %zu\n", revoked);
  fr_store_free(store);
  return 0;
}

static void disconnect(struct connection *connection) {
  SSL_free(connection->client);
  SSL_free(connection->server);
}

static void write_secret(const char *name, const void *octets, size_t len) {
  umask(077);
  FILE *file = fopen(name, "w");
  must(file && fwrite(octets, 1, len, file) == len && !fclose(file), name);
}

/* What the C interface adds to an application's full login: on either end, this. */
static void remember(struct connection *tls, char **argument) {
  const char *location = argument[0], *state_file = argument[1], *key_file = argument[2];
  const uint64_t now = (uint64_t)time(NULL);
  /* Other services of this provider: the sample programs of Cyrus SASL, and OpenLDAP. */
  const fr_sibling siblings[] = {
    {fr_str("sample"), fr_str("sample.example.com"), fr_str("IKY-SHA-256-NONE")},
    {fr_str("ldap"), fr_str("127.0.0.1"), fr_str(LDAP)},
  };
  const fr_sibling sample = siblings[0];
  fr_login login = {0};
  fr_channel channel = {0};
  login.mechanism = fr_str("SCRAM-SHA-256-PLUS");
  login.binding = FR_BINDING_TLS_EXPORTER;
  login.login_name = fr_str(USER);
  channel.tls = FR_TLS_1_3;
  channel.server_name = fr_str(HOST);
  login.exporter = channel.exporter = export;

  unsigned char key[32];
  unsigned octet;
  fr_store *store = open_store(location);
  fr_server *server, *there;
  fr_server_connection *at_server, *at_sample;
  FILE *file = fopen(key_file, "r");
  for (int i = 0; i < 32; i++) must(file && fscanf(file, "%2x", &octet) == 1, "key"), key[i] = (unsigned char)octet;
  fclose(file);
  const fr_octets key_octets = {key, sizeof key};
  must(!fr_server_new(store, fr_str("imap"), fr_str(HOST), &server), "server");
  must(!fr_server_list(server, fr_str(LISTED)) && !fr_server_sibling(server, &siblings[0]) &&
         !fr_server_sibling(server, &siblings[1]), "list");
  must(!fr_server_key(server, 1, key_octets), "key");
  channel.exporter_user = login.exporter_user = tls->server;
  must(!fr_server_connection_new(server, &channel, now, &at_server), "connection");
  must(!fr_server_connection_logged_in(at_server, &login, fr_str("account-of-" USER), now), "logged in");
  /* Tokens, which an application's own protocol would carry: one for here, and one for the sample programs. */
  fr_login again = login;
  fr_buf token, sample_token, state;
  uint64_t expires, sample_expires;
  fr_channel of_sample = {0};
  again.exporter = NULL;
  of_sample.tls = FR_TLS_1_3;
  of_sample.server_name = sample.server_name;
  must(!fr_server_connection_logged_in_with_token(at_server, &again, fr_str("account-of-" USER), fr_str("HT-SHA-256-EXPR"),
                                                  fr_str("cyrus"), now, &token, &expires), "token");
  must(!fr_server_new(store, sample.service, sample.server_name, &there), "server");
  must(!fr_server_list(there, fr_str("HT-SHA-256-NONE")) && !fr_server_key(there, 1, key_octets), "list");
  must(!fr_server_connection_new(there, &of_sample, now, &at_sample), "connection");
  must(!fr_server_connection_logged_in_with_token(at_sample, &again, fr_str("account-of-" USER), fr_str("HT-SHA-256-NONE"),
                                                  fr_str("cyrus"), now, &sample_token, &sample_expires), "token");

  fr_client *client;
  fr_client_connection *at_client, *client_of_sample;
  channel.exporter_user = login.exporter_user = tls->client;
  must(!fr_client_new(&client), "client");
  must(!fr_client_connection_new(client, fr_str("imap"), fr_str(USER), &channel, &at_client), "connection");
  must(!fr_client_connection_offered(at_client, fr_str("SCRAM-SHA-256-PLUS IKY-SHA-256-EXPR")), "offer");
  must(!fr_client_connection_logged_in(at_client, &login, siblings, 2, now), "logged in");
  must(!fr_client_connection_token_issued(at_client, &again, fr_str("HT-SHA-256-EXPR"), fr_buf_octets(&token), expires, now),
       "token");
  must(!fr_client_connection_new(client, sample.service, fr_str(USER), &of_sample, &client_of_sample), "connection");
  must(!fr_client_connection_token_issued(client_of_sample, &again, fr_str("HT-SHA-256-NONE"), fr_buf_octets(&sample_token),
                                          sample_expires, now), "token");
  must(!fr_client_save(client, &state), "save");
  write_secret(state_file, state.data, state.len);

  fr_buf_free(&state);
  fr_buf_free(&token);
  fr_buf_free(&sample_token);
  fr_client_connection_free(at_client);
  fr_client_connection_free(client_of_sample);
  fr_client_free(client);
  fr_server_connection_free(at_server);
  fr_server_connection_free(at_sample);
  fr_server_free(server);
  fr_server_free(there);
  fr_store_free(store);
}

/* A server that had the store open when it became two processes. */
static int log_in_forked(struct connection *tls, struct connection *other, const char *mechanism) {
  int status, good = log_in(tls, tls, mechanism);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    good = log_in(other, other, mechanism);
    fflush(stdout);
    _exit(!good);
  }
  good &= waitpid(child, &status, 0) == child && !status;
  return log_in(tls, tls, mechanism) && good;
}

int main(int argc, char **argv) {
  alarm(60);
  if (argc == 3 && !strcmp(argv[1], "revoke")) return revoke_all(argv[2]);
  if (argc < 4) stop("arguments", "see the source");
  struct connection tls = connect_tls(argv[2], argv[3]), other = connect_tls(argv[2], argv[3]);
  must(sasl_client_init(callbacks) == SASL_OK && sasl_server_init(NULL, "peer") == SASL_OK, "Cyrus SASL");
  int full = !strcmp(argv[1], "full"), stolen = !strcmp(argv[1], "stolen"), forked = !strcmp(argv[1], "forked");
  int denied = !strcmp(argv[1], "denied"), mute = !strcmp(argv[1], "mute");
  must(argc == (full ? 7 : stolen || forked || denied || mute ? 5 : 4), "arguments");
  if (denied) policy = nobody_gets_in;
  int good = forked ? log_in_forked(&tls, &other, argv[4]) :
             mute ? log_in_mute(&tls, argv[4]) :
             log_in(&tls, stolen ? &other : &tls, full ? "SCRAM-SHA-256-PLUS" : stolen || denied ? argv[4] : argv[1]);
  if (denied) printf("challenges %d\n", challenges);
  if (full && good) remember(&tls, argv + 4);
  sasl_client_done();
  sasl_server_done();
  disconnect(&tls);
  disconnect(&other);
  return good ? 0 : 1;
}
