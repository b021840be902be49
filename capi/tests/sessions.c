/* Recognition by TLS sessions that OpenSSL resumes: EXTERNAL, and IKY with the lineage of the session. Both ends in one process, over TLS 1.3,
 * and over TLS 1.2.
 *
 * tests/roundtrip.rs compiles it where OpenSSL's headers are.
 */
#include "fast_reauth.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1790000000u
#define HOST "imap.example.com"
#define IKY "IKY-SHA-256-EXPR"
#define LISTED "EXTERNAL SCRAM-SHA-256-PLUS " IKY

static int cases;

static void expect_at(int line, const char *what, int is, int should) {
  cases++;
  if (is == should) return;
  fprintf(stderr, "line %d: %s: %d (%s) instead of %d\n", line, what, is, fr_result_name(is), should);
  exit(1);
}

#define EXPECT(should, call) expect_at(__LINE__, #call, (int)(call), (int)(should))
#define TRUE(condition) EXPECT(1, !!(condition))

/* A session with what belongs beside it: where it comes from. A client keeps some for each account. */
struct kept {
  SSL_SESSION *session;
  fr_buf from;
};

/* Both ends of one connection. */
struct pair {
  SSL *client_tls, *server_tls;
  fr_server_connection *server;
  fr_client_connection *client;
  SSL_SESSION *arrived;
  fr_buf handle;
  uint8_t before[16];
  size_t before_len;
  int tickets;
};

static SSL_CTX *client_context, *server_context;

/* What the connections are of. */
static int version = TLS1_3_VERSION;

/* Server: each ticket of a connection carries its handle. What the session carried that it resumes is there until the first. */
static int carry_handle(SSL *ssl, void *arg) {
  struct pair *pair = SSL_get_app_data(ssl);
  SSL_SESSION *session = SSL_get_session(ssl);
  void *before;
  size_t len;
  (void)arg;
  if (!pair->tickets++ && SSL_session_reused(ssl) && SSL_SESSION_get0_ticket_appdata(session, &before, &len) &&
      len == sizeof pair->before) {
    memcpy(pair->before, before, len);
    pair->before_len = len;
  }
  return SSL_SESSION_set1_ticket_appdata(session, pair->handle.data, pair->handle.len);
}

/* The same in TLS 1.2, after the handshake: a session that was resumed goes on under the handle of its full handshake. */
static void carry_first_handle(struct pair *pair) {
  SSL_SESSION *session = SSL_get_session(pair->server_tls);
  void *first;
  size_t len;
  if (!SSL_session_reused(pair->server_tls)) {
    TRUE(SSL_SESSION_set1_ticket_appdata(session, pair->handle.data, pair->handle.len));
    return;
  }
  TRUE(SSL_SESSION_get0_ticket_appdata(session, &first, &len) && len == sizeof pair->before);
  memcpy(pair->before, first, len);
  pair->before_len = len;
}

/* Client: OpenSSL has a session for it. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
  struct pair *pair = SSL_get_app_data(ssl);
  SSL_SESSION_free(pair->arrived);
  pair->arrived = session;
  return 1;
}

static void make_contexts(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  X509_NAME *name = X509_get_subject_name(certificate);
  TRUE(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)HOST, -1, -1, 0));
  TRUE(X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key));
  TRUE(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) && X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
  TRUE(X509_sign(certificate, key, EVP_sha256()));
  server_context = SSL_CTX_new(TLS_server_method());
  TRUE(SSL_CTX_use_certificate(server_context, certificate) && SSL_CTX_use_PrivateKey(server_context, key));
  SSL_CTX_set_min_proto_version(server_context, TLS1_2_VERSION);
  /* The server keeps its sessions: no ticket key is a login. */
  SSL_CTX_set_options(server_context, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(server_context, SSL_SESS_CACHE_SERVER);
  TRUE(SSL_CTX_set_session_ticket_cb(server_context, carry_handle, NULL, NULL));
  client_context = SSL_CTX_new(TLS_client_method());
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context), certificate);
  SSL_CTX_set_verify(client_context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(client_context, keep_session);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static int export(void *ssl, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                  uint8_t *out, size_t out_len) {
  return SSL_export_keying_material(ssl, out, out_len, (const char *)label, label_len, context, context_len, 1);
}

static fr_channel channel(SSL *ssl) {
  fr_channel channel = {0};
  channel.tls = (uint32_t)SSL_version(ssl);
  channel.flags = FR_CHANNEL_STATEFUL | (SSL_session_reused(ssl) ? FR_CHANNEL_RESUMED : 0);
  if (SSL_get_extms_support(ssl) == 1) channel.flags |= FR_CHANNEL_EXTENDED_MASTER_SECRET;
  channel.server_name = fr_str(HOST);
  channel.exporter = export;
  channel.exporter_user = ssl;
  return channel;
}

static fr_login login(SSL *ssl, const char *name) {
  fr_login login = {0};
  login.mechanism = fr_str("SCRAM-SHA-256-PLUS");
  login.login_name = fr_str(name);
  login.binding = FR_BINDING_TLS_EXPORTER;
  login.exporter = export;
  login.exporter_user = ssl;
  return login;
}

struct ends {
  fr_store *store;
  fr_server *server;
  fr_client *client;
};

/* A connection that resumes what is kept, if anything is, which it takes. */
static void connect_pair(struct ends *ends, struct pair *pair, struct kept *kept) {
  BIO *to_client, *to_server;
  uint8_t octet;
  memset(pair, 0, sizeof *pair);
  EXPECT(FR_OK, fr_handle_new(&pair->handle));
  EXPECT(16, pair->handle.len);
  pair->client_tls = SSL_new(client_context);
  pair->server_tls = SSL_new(server_context);
  SSL_set_app_data(pair->client_tls, pair);
  SSL_set_app_data(pair->server_tls, pair);
  TRUE(SSL_set_tlsext_host_name(pair->client_tls, HOST) && SSL_set1_host(pair->client_tls, HOST));
  TRUE(SSL_set_min_proto_version(pair->client_tls, version) && SSL_set_max_proto_version(pair->client_tls, version));
  if (kept) TRUE(SSL_set_session(pair->client_tls, kept->session));
  TRUE(BIO_new_bio_pair(&to_client, 0, &to_server, 0));
  SSL_set_bio(pair->client_tls, to_client, to_client);
  SSL_set_bio(pair->server_tls, to_server, to_server);
  SSL_set_connect_state(pair->client_tls);
  SSL_set_accept_state(pair->server_tls);
  for (int i = 0; i < 10; i++) SSL_do_handshake(pair->client_tls), SSL_do_handshake(pair->server_tls);
  TRUE(SSL_is_init_finished(pair->client_tls) && SSL_is_init_finished(pair->server_tls));
  /* The session tickets. */
  TRUE(SSL_read(pair->client_tls, &octet, 1) < 0);
  if (version == TLS1_2_VERSION) {
    carry_first_handle(pair);
    /* A session that is resumed does not arrive again: it stays. */
    if (kept) pair->arrived = SSL_get1_session(pair->client_tls);
  }
  TRUE(pair->arrived);
  EXPECT(kept != NULL, SSL_session_reused(pair->server_tls));

  fr_channel here = channel(pair->client_tls), there = channel(pair->server_tls);
  if (kept) here.predecessor = fr_buf_octets(&kept->from);
  there.handle = fr_buf_octets(&pair->handle);
  there.predecessor.data = pair->before;
  there.predecessor.len = pair->before_len;
  EXPECT(kept ? 16 : 0, pair->before_len);
  EXPECT(FR_OK, fr_server_connection_new(ends->server, &there, NOW, &pair->server));
  EXPECT(FR_OK, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &here, &pair->client));
  if (kept) {
    SSL_SESSION_free(kept->session);
    fr_buf_free(&kept->from);
  }
}

/* The end of a connection; its session is kept, if somebody logged in on it. */
static struct kept disconnect(struct pair *pair) {
  struct kept kept = {NULL, {NULL, 0}};
  if (fr_client_connection_session(pair->client, &kept.from) == FR_OK)
    kept.session = pair->arrived;
  else
    SSL_SESSION_free(pair->arrived);
  fr_server_connection_free(pair->server);
  fr_client_connection_free(pair->client);
  fr_buf_free(&pair->handle);
  /* Without it the server's session ends with the connection. */
  SSL_shutdown(pair->client_tls);
  SSL_shutdown(pair->server_tls);
  SSL_free(pair->client_tls);
  SSL_free(pair->server_tls);
  return kept;
}

static void forget(struct kept *kept) {
  SSL_SESSION_free(kept->session);
  fr_buf_free(&kept->from);
}

static struct kept log_in_fully(struct ends *ends) {
  struct pair pair;
  fr_buf nothing;
  connect_pair(ends, &pair, NULL);
  /* A session of nobody is not kept. */
  EXPECT(FR_NOT_KNOWN, fr_client_connection_session(pair.client, &nothing));
  TRUE(!nothing.data);
  fr_login there = login(pair.server_tls, "alice"), here = login(pair.client_tls, "alice");
  EXPECT(FR_OK, fr_client_connection_offered(pair.client, fr_str(LISTED)));
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &there, fr_str("account of alice"), NOW));
  EXPECT(FR_OK, fr_client_connection_logged_in(pair.client, &here, NULL, 0, NOW));
  return disconnect(&pair);
}

static int lists_external(struct pair *pair) {
  fr_buf listed;
  EXPECT(FR_OK, fr_server_connection_mechanisms(pair->server, NOW, &listed));
  int lists = listed.len >= 8 && !memcmp(listed.data, "EXTERNAL", 8);
  EXPECT(FR_OK, fr_client_connection_offered(pair->client, fr_buf_octets(&listed)));
  fr_buf_free(&listed);
  return lists;
}

/* What the server makes of the client's plan, which is this mechanism; `result` is what the client then does. */
static fr_result come_back(struct pair *pair, const char *mechanism, fr_result *result) {
  fr_attempt *attempt;
  fr_buf name, message;
  fr_verdict verdict;
  fr_request request = {0};
  EXPECT(FR_OK, fr_client_connection_plan(pair->client, NOW, &attempt));
  EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
  TRUE(name.len == strlen(mechanism) && !memcmp(name.data, mechanism, name.len));
  request.mechanism = fr_buf_octets(&name);
  request.message = fr_buf_octets(&message);
  fr_result judged = fr_server_connection_receive(pair->server, &request, NOW, &verdict);
  if (judged == FR_OK)
    TRUE(verdict.identity.len == strlen("account of alice") && !memcmp(verdict.identity.data, "account of alice", verdict.identity.len));
  *result = fr_client_connection_finish(pair->client, attempt, judged, fr_buf_octets(&verdict.message), NOW);
  fr_verdict_free(&verdict);
  fr_buf_free(&name);
  fr_buf_free(&message);
  fr_attempt_free(attempt);
  return judged;
}

static fr_result external(struct pair *pair, const char *authzid) {
  fr_verdict verdict;
  fr_request request = {0};
  request.mechanism = fr_str("EXTERNAL");
  request.message = fr_str(authzid);
  fr_result judged = fr_server_connection_receive(pair->server, &request, NOW, &verdict);
  fr_verdict_free(&verdict);
  return judged;
}

/* Before the first octet of the application, and in turn on whatever resumes that. What waits for its first use goes before EXTERNAL. */
static void known_by_the_session(struct ends *ends) {
  struct pair pair;
  fr_result result;
  struct kept kept = log_in_fully(ends);
  for (int i = 0; i < 3; i++) {
    connect_pair(ends, &pair, &kept);
    TRUE(lists_external(&pair));
    EXPECT(FR_OK, come_back(&pair, i ? "EXTERNAL" : IKY, &result));
    EXPECT(FR_OK, result);
    EXPECT(FR_OK, fr_server_connection_completed(pair.server, NOW));
    kept = disconnect(&pair);
  }
  /* Somebody else's name. */
  connect_pair(ends, &pair, &kept);
  TRUE(lists_external(&pair));
  TRUE(external(&pair, "bob") != FR_OK);
  EXPECT(FR_OK, external(&pair, "alice"));
  kept = disconnect(&pair);
  TRUE(!kept.session);
}

/* The client mixes the lineage of the session into its proof, and the server asks for it. */
static void known_by_lineage(struct ends *ends) {
  struct pair pair;
  fr_result result;
  struct kept kept = log_in_fully(ends);
  EXPECT(FR_OK, fr_server_list(ends->server, fr_str("SCRAM-SHA-256-PLUS " IKY)));
  for (int i = 0; i < 2; i++) {
    connect_pair(ends, &pair, &kept);
    TRUE(!lists_external(&pair));
    EXPECT(FR_INVALID, external(&pair, "alice"));
    EXPECT(FR_OK, come_back(&pair, IKY, &result));
    EXPECT(FR_OK, result);
    EXPECT(FR_OK, fr_server_connection_completed(pair.server, NOW));
    kept = disconnect(&pair);
  }
  /* A server that takes it for another connection's session does not know this lineage. */
  connect_pair(ends, &pair, &kept);
  fr_server_connection_free(pair.server);
  fr_channel there = channel(pair.server_tls);
  fr_buf other;
  EXPECT(FR_OK, fr_handle_new(&other));
  there.predecessor = fr_buf_octets(&other);
  EXPECT(FR_OK, fr_server_connection_new(ends->server, &there, NOW, &pair.server));
  fr_buf_free(&other);
  TRUE(!lists_external(&pair));
  TRUE(come_back(&pair, IKY, &result) != FR_OK);
  EXPECT(FR_FULL_HANDSHAKE, result);
  kept = disconnect(&pair);
  TRUE(!kept.session);
  EXPECT(FR_OK, fr_server_list(ends->server, fr_str(LISTED)));
}

/* One TLS 1.2 session, resumed again and again. */
static void known_by_lineage_in_tls12(struct ends *ends) {
  struct pair pair;
  fr_result result;
  version = TLS1_2_VERSION;
  struct kept kept = log_in_fully(ends);
  EXPECT(FR_OK, fr_server_list(ends->server, fr_str("SCRAM-SHA-256-PLUS " IKY)));
  for (int i = 0; i < 3; i++) {
    connect_pair(ends, &pair, &kept);
    TRUE(!lists_external(&pair));
    EXPECT(FR_OK, come_back(&pair, IKY, &result));
    EXPECT(FR_OK, result);
    EXPECT(FR_OK, fr_server_connection_completed(pair.server, NOW));
    kept = disconnect(&pair);
  }
  /* A full login on it is of another family, which was not there at the full handshake: nothing of it is proved by the session. */
  connect_pair(ends, &pair, &kept);
  TRUE(!lists_external(&pair));
  fr_login there = login(pair.server_tls, "alice"), here = login(pair.client_tls, "alice");
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &there, fr_str("account of alice"), NOW));
  EXPECT(FR_OK, fr_client_connection_logged_in(pair.client, &here, NULL, 0, NOW));
  kept = disconnect(&pair);
  connect_pair(ends, &pair, &kept);
  TRUE(!lists_external(&pair));
  EXPECT(FR_OK, come_back(&pair, IKY, &result));
  EXPECT(FR_OK, result);
  kept = disconnect(&pair);
  /* Where it is not known whose session it is, there is nothing to keep. */
  fr_buf_free(&kept.from);
  connect_pair(ends, &pair, &kept);
  TRUE(!lists_external(&pair));
  EXPECT(FR_OK, come_back(&pair, IKY, &result));
  EXPECT(FR_OK, result);
  kept = disconnect(&pair);
  TRUE(!kept.session);
  EXPECT(FR_OK, fr_server_list(ends->server, fr_str(LISTED)));
  version = TLS1_3_VERSION;
}

/* Sessions that stand for nobody. */
static void not_known(struct ends *ends) {
  struct pair pair;
  /* Without resumption there is nothing to recognise. */
  connect_pair(ends, &pair, NULL);
  TRUE(!lists_external(&pair));
  TRUE(external(&pair, "alice") != FR_OK);
  struct kept kept = disconnect(&pair);
  TRUE(!kept.session);
  /* Nor on a session of two identities, */
  kept = log_in_fully(ends);
  connect_pair(ends, &pair, &kept);
  TRUE(lists_external(&pair));
  fr_login there = login(pair.server_tls, "bob");
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &there, fr_str("account of bob"), NOW));
  /* which this client knows nothing of, and goes on with it. */
  fr_login here = login(pair.client_tls, "alice");
  EXPECT(FR_OK, fr_client_connection_logged_in(pair.client, &here, NULL, 0, NOW));
  kept = disconnect(&pair);
  connect_pair(ends, &pair, &kept);
  TRUE(!lists_external(&pair));
  TRUE(external(&pair, "alice") != FR_OK && external(&pair, "bob") != FR_OK);
  kept = disconnect(&pair);
  TRUE(!kept.session);
  /* nor on one whose client was told to go. */
  kept = log_in_fully(ends);
  EXPECT(FR_OK, fr_store_revoke(ends->store, fr_str("account of alice"), NOW + 1, NULL));
  connect_pair(ends, &pair, &kept);
  TRUE(!lists_external(&pair));
  TRUE(external(&pair, "alice") != FR_OK);
  kept = disconnect(&pair);
  TRUE(!kept.session);
}

static void misused(struct ends *ends) {
  struct pair pair;
  uint8_t zeros[16] = {0};
  struct kept kept = log_in_fully(ends);
  connect_pair(ends, &pair, NULL);
  fr_channel bad = channel(pair.server_tls);
  fr_server_connection *server;
  fr_client_connection *client;
  /* A handle that all connections have would make each client whoever came last. */
  bad.handle.data = zeros;
  bad.handle.len = sizeof zeros;
  EXPECT(FR_INVALID, fr_server_connection_new(ends->server, &bad, NOW, &server));
  bad.handle = fr_str("too short");
  EXPECT(FR_INVALID, fr_server_connection_new(ends->server, &bad, NOW, &server));
  bad.handle = fr_buf_octets(&pair.handle);
  bad.predecessor = fr_str("neither is this");
  EXPECT(FR_INVALID, fr_server_connection_new(ends->server, &bad, NOW, &server));
  TRUE(!server);
  /* A client has none, */
  bad = channel(pair.client_tls);
  bad.handle = fr_buf_octets(&pair.handle);
  EXPECT(FR_INVALID, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &bad, &client));
  /* and no session of another account, nor a part of one, nor more than one. */
  bad = channel(pair.client_tls);
  bad.predecessor = fr_buf_octets(&kept.from);
  EXPECT(FR_INVALID, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("bob"), &bad, &client));
  for (bad.predecessor.len = 1; bad.predecessor.len < kept.from.len; bad.predecessor.len++)
    EXPECT(FR_DAMAGED, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &bad, &client));
  uint8_t longer[512] = {0};
  TRUE(kept.from.len < sizeof longer);
  memcpy(longer, kept.from.data, kept.from.len);
  bad.predecessor.data = longer;
  bad.predecessor.len = kept.from.len + 1;
  EXPECT(FR_DAMAGED, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &bad, &client));
  TRUE(!client);
  EXPECT(FR_NULL, fr_handle_new(NULL));
  fr_buf nothing;
  EXPECT(FR_NULL, fr_client_connection_session(NULL, &nothing));
  EXPECT(FR_NULL, fr_server_connection_completed(NULL, NOW));
  EXPECT(FR_INVALID, fr_server_connection_completed(pair.server, 0));
  forget(&kept);
  kept = disconnect(&pair);
  TRUE(!kept.session);
}

int main(void) {
  struct ends ends;
  alarm(120);
  make_contexts();
  EXPECT(FR_OK, fr_store_open(fr_str("memory"), &ends.store));
  EXPECT(FR_OK, fr_server_new(ends.store, fr_str("imap"), fr_str(HOST), &ends.server));
  EXPECT(FR_OK, fr_server_list(ends.server, fr_str(LISTED)));
  EXPECT(FR_OK, fr_client_new(&ends.client));
  known_by_the_session(&ends);
  known_by_lineage(&ends);
  known_by_lineage_in_tls12(&ends);
  misused(&ends);
  not_known(&ends);
  fr_client_free(ends.client);
  fr_server_free(ends.server);
  fr_store_free(ends.store);
  SSL_CTX_free(client_context);
  SSL_CTX_free(server_context);
  printf("%d as expected\n", cases);
  return 0;
}
