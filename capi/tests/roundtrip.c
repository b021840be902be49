/* Client and server through the C interface, in one process: logins, refusals, and every misuse that can be noticed.
 *
 * tests/roundtrip.rs compiles it, runs it, and runs it again where memory errors show.
 */
#include "fast_reauth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1790000000u
#define KNOWN "IKY-SHA-256-EXPR"
#define COUNTED "IKY-SHA-256-NONE"
#define TOKEN "HT-SHA-256-NONE"
#define LISTED "SCRAM-SHA-256-PLUS " KNOWN " " COUNTED " " TOKEN

static int cases;

static void expect_at(int line, const char *what, int is, int should) {
  cases++;
  if (is == should) return;
  fprintf(stderr, "line %d: %s: %d (%s) instead of %d\n", line, what, is, fr_result_name(is), should);
  exit(1);
}

#define EXPECT(should, call) expect_at(__LINE__, #call, (int)(call), (int)(should))
#define TRUE(condition) EXPECT(1, !!(condition))

/* Stands for a TLS connection: both ends of one connection have the same `user`, which is its number. */
static int exporter(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                    uint8_t *out, size_t out_len) {
  uint8_t sum = *(const uint8_t *)user;
  for (size_t i = 0; i < label_len; i++) sum = (uint8_t)(sum * 31 + label[i]);
  for (size_t i = 0; i < context_len; i++) sum = (uint8_t)(sum * 31 + context[i]);
  for (size_t i = 0; i < out_len; i++) out[i] = (uint8_t)(sum + i * 7);
  return 1;
}

static int no_exporter(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                       uint8_t *out, size_t out_len) {
  (void)user, (void)label, (void)label_len, (void)context, (void)context_len, (void)out, (void)out_len;
  return 0;
}

static fr_channel channel(uint8_t *connection) {
  fr_channel channel = {0};
  channel.tls = FR_TLS_1_3;
  channel.server_name = fr_str("imap.example.com");
  channel.exporter = exporter;
  channel.exporter_user = connection;
  return channel;
}

static fr_login login(uint8_t *connection) {
  fr_login login = {0};
  login.mechanism = fr_str("SCRAM-SHA-256-PLUS");
  login.login_name = fr_str("alice");
  login.binding = FR_BINDING_TLS_EXPORTER;
  login.exporter = exporter;
  login.exporter_user = connection;
  return login;
}

struct ends {
  fr_store *store;
  fr_server *server;
  fr_client *client;
};

static struct ends ends_with(const char *location) {
  struct ends ends;
  uint8_t key[32] = {7};
  EXPECT(FR_OK, fr_store_open(fr_str(location), &ends.store));
  EXPECT(FR_OK, fr_server_new(ends.store, fr_str("imap"), fr_str("imap.example.com"), &ends.server));
  EXPECT(FR_OK, fr_server_list(ends.server, fr_str(LISTED)));
  fr_octets key_octets = {key, sizeof key};
  EXPECT(FR_OK, fr_server_key(ends.server, 1, key_octets));
  EXPECT(FR_OK, fr_client_new(&ends.client));
  return ends;
}

static void free_ends(struct ends *ends) {
  fr_client_free(ends->client);
  fr_server_free(ends->server);
  fr_store_free(ends->store);
}

/* Both ends of one connection. */
struct pair {
  uint8_t number;
  fr_server_connection *server;
  fr_client_connection *client;
};

static void connect_pair(struct ends *ends, struct pair *pair, uint8_t number, const char *offered) {
  pair->number = number;
  fr_channel both = channel(&pair->number);
  EXPECT(FR_OK, fr_server_connection_new(ends->server, &both, &pair->server));
  EXPECT(FR_OK, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &both, &pair->client));
  if (offered) EXPECT(FR_OK, fr_client_connection_offered(pair->client, fr_str(offered)));
}

static void free_pair(struct pair *pair) {
  fr_server_connection_free(pair->server);
  fr_client_connection_free(pair->client);
}

static void log_in_fully(struct ends *ends, const char *offered) {
  struct pair pair;
  fr_buf listed;
  connect_pair(ends, &pair, 1, NULL);
  EXPECT(FR_OK, fr_server_connection_mechanisms(pair.server, NOW, &listed));
  if (!offered) TRUE(listed.len == strlen(KNOWN " " COUNTED " SCRAM-SHA-256-PLUS " TOKEN));
  EXPECT(FR_OK, fr_client_connection_offered(pair.client, offered ? fr_str(offered) : fr_buf_octets(&listed)));
  fr_buf_free(&listed);
  fr_attempt *attempt;
  EXPECT(FR_FULL_LOGIN, fr_client_connection_plan(pair.client, NOW, &attempt));
  TRUE(!attempt);
  fr_login full = login(&pair.number);
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &full, fr_str("account of alice"), NOW));
  EXPECT(FR_OK, fr_client_connection_logged_in(pair.client, &full, NULL, 0, NOW));
  free_pair(&pair);
}

/* A client that is known; `spoil` alters its message, `lie` the server's. Returns what the client made of it. */
static fr_result come_back(struct ends *ends, const char *mechanism, int spoil, int lie, fr_result *judged) {
  struct pair pair;
  fr_attempt *attempt;
  fr_buf name, message;
  fr_verdict verdict;
  connect_pair(ends, &pair, 2, LISTED);
  EXPECT(FR_OK, fr_client_connection_plan(pair.client, NOW + 1, &attempt));
  EXPECT(strcmp(mechanism, KNOWN) != 0, fr_attempt_save_first(attempt));
  EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
  TRUE(name.len == strlen(mechanism) && !memcmp(name.data, mechanism, name.len));
  if (spoil) message.data[message.len - 10] ^= 1;
  fr_request request = {0};
  request.mechanism = fr_buf_octets(&name);
  request.message = fr_buf_octets(&message);
  request.client_id = fr_str("phone");
  request.count = fr_attempt_count(attempt);
  *judged = fr_server_connection_receive(pair.server, &request, NOW + 1, &verdict);
  TRUE(verdict.outcome == *judged);
  TRUE((*judged == FR_OK) == (verdict.identity.len > 0));
  if (*judged == FR_OK) TRUE(!memcmp(verdict.identity.data, "account of alice", verdict.identity.len));
  if (lie) verdict.message.data[verdict.message.len - 10] ^= 1;
  fr_octets said = fr_buf_octets(&verdict.message);
  /* Misuse of an attempt changes nothing, */
  EXPECT(FR_INVALID, fr_client_connection_finish(pair.client, attempt, 42, said, NOW + 1));
  EXPECT(FR_INVALID, fr_client_connection_finish(pair.client, attempt, FR_SPENT, said, NOW + 1));
  EXPECT(FR_NULL, fr_client_connection_finish(NULL, attempt, FR_OK, said, NOW + 1));
  fr_client_connection *other;
  fr_channel both = channel(&pair.number);
  EXPECT(FR_OK, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &both, &other));
  EXPECT(FR_INVALID, fr_client_connection_finish(other, attempt, FR_OK, said, NOW + 1));
  fr_client_connection_free(other);
  fr_result result = fr_client_connection_finish(pair.client, attempt, *judged, said, NOW + 1);
  /* and once it is spent it stays so. */
  EXPECT(FR_SPENT, fr_client_connection_finish(pair.client, attempt, FR_OK, said, NOW + 1));
  fr_buf no_name, no_message;
  EXPECT(FR_SPENT, fr_attempt_message(attempt, &no_name, &no_message));
  TRUE(!no_name.data && !no_name.len && !no_message.data && !no_message.len);
  EXPECT(1, fr_attempt_save_first(attempt));
  if (*judged == FR_OK && !strcmp(mechanism, COUNTED)) {
    /* The same message again is a replay. */
    fr_verdict again;
    EXPECT(FR_REPLAYED, fr_server_connection_receive(pair.server, &request, NOW + 1, &again));
    TRUE(!again.identity.data && again.message.len && again.counts_as_failure);
    fr_verdict_free(&again);
  }
  fr_buf_free(&name);
  fr_buf_free(&message);
  fr_verdict_free(&verdict);
  fr_verdict_free(&verdict);
  fr_attempt_free(attempt);
  free_pair(&pair);
  return result;
}

static void known_at_once(const char *location) {
  struct ends ends = ends_with(location);
  fr_result judged;
  log_in_fully(&ends, NULL);
  EXPECT(FR_OK, come_back(&ends, KNOWN, 0, 0, &judged));
  EXPECT(FR_FULL_LOGIN, come_back(&ends, KNOWN, 1, 0, &judged));
  TRUE(judged == FR_BAD_PROOF || judged == FR_MALFORMED);
  /* A server that can't show that it is the server. */
  TRUE(come_back(&ends, KNOWN, 0, 1, &judged) == FR_ABANDON && judged == FR_OK);
  EXPECT(FR_OK, come_back(&ends, KNOWN, 0, 0, &judged));
  size_t revoked = 42;
  EXPECT(FR_OK, fr_store_revoke(ends.store, fr_str("account of alice"), NOW + 1, &revoked));
  TRUE(revoked == 1);
  EXPECT(FR_FULL_LOGIN, come_back(&ends, KNOWN, 0, 0, &judged));
  TRUE(judged == FR_REVOKED);
  free_ends(&ends);
}

static void saved_and_loaded(void) {
  struct ends ends = ends_with("memory");
  fr_result judged;
  fr_buf state;
  /* Somebody between them took what binds to the channel out of the offer. */
  log_in_fully(&ends, "SCRAM-SHA-256-PLUS " COUNTED);
  EXPECT(FR_FULL_LOGIN, come_back(&ends, COUNTED, 0, 0, &judged));
  TRUE(judged == FR_CONFIGURATION_CHANGED);
  EXPECT(FR_OK, fr_server_list(ends.server, fr_str("SCRAM-SHA-256-PLUS " COUNTED)));
  log_in_fully(&ends, "SCRAM-SHA-256-PLUS " COUNTED);
  EXPECT(FR_OK, fr_client_save(ends.client, &state));
  EXPECT(FR_OK, come_back(&ends, COUNTED, 0, 0, &judged));
  /* Older than the last one used: its counter was used. */
  EXPECT(FR_OK, fr_client_load(ends.client, fr_buf_octets(&state)));
  EXPECT(FR_FULL_LOGIN, come_back(&ends, COUNTED, 0, 0, &judged));
  TRUE(judged == FR_REPLAYED);
  EXPECT(FR_OK, come_back(&ends, COUNTED, 0, 0, &judged));
  /* Every damage by length is noticed, and changes nothing. */
  for (size_t len = 0; len < state.len; len++) {
    fr_octets part = {state.data, len};
    if (len != 9) EXPECT(FR_DAMAGED, fr_client_load(ends.client, part));
  }
  EXPECT(FR_OK, come_back(&ends, COUNTED, 0, 0, &judged));
  fr_buf_free(&state);
  EXPECT(FR_OK, fr_client_forget(ends.client, fr_str("imap"), fr_str("imap.example.com"), fr_str("alice")));
  EXPECT(FR_OK, fr_client_save(ends.client, &state));
  TRUE(state.len == 9);
  fr_buf_free(&state);
  free_ends(&ends);
}

static void with_a_token(void) {
  struct ends ends = ends_with("memory");
  struct pair pair;
  fr_buf token;
  uint64_t expires;
  fr_result judged;
  connect_pair(&ends, &pair, 1, LISTED);
  fr_login full = login(&pair.number);
  full.exporter = NULL;
  EXPECT(FR_OK, fr_server_connection_logged_in_with_token(pair.server, &full, fr_str("account of alice"), fr_str(TOKEN),
                                                          fr_str("phone"), NOW, &token, &expires));
  TRUE(token.len == 43 && expires > NOW);
  EXPECT(FR_OK, fr_client_connection_token_issued(pair.client, &full, fr_str(TOKEN), fr_buf_octets(&token), expires, NOW));
  fr_buf_free(&token);
  EXPECT(FR_NOT_KNOWN, fr_server_connection_logged_in_with_token(pair.server, &full, fr_str("account of alice"),
                                                                 fr_str("HT-SHA-512-NONE"), fr_str("phone"), NOW, &token,
                                                                 &expires));
  TRUE(!token.data && !token.len && !expires);
  free_pair(&pair);
  EXPECT(FR_OK, come_back(&ends, TOKEN, 0, 0, &judged));
  EXPECT(FR_OK, come_back(&ends, TOKEN, 0, 0, &judged));
  EXPECT(FR_FULL_LOGIN, come_back(&ends, TOKEN, 1, 0, &judged));
  TRUE(judged == FR_BAD_PROOF);
  free_ends(&ends);
}

/* A client that is known at one service is known at its sibling, which sees nothing of TLS. */
static void known_at_the_sibling(void) {
  struct ends ends = ends_with("memory");
  fr_sibling smtp = {fr_str("smtp"), fr_str("smtp.example.com"), fr_str(COUNTED)};
  EXPECT(FR_OK, fr_server_sibling(ends.server, &smtp));
  struct pair pair;
  connect_pair(&ends, &pair, 1, LISTED);
  fr_login full = login(&pair.number);
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &full, fr_str("account of alice"), NOW));
  EXPECT(FR_OK, fr_client_connection_logged_in(pair.client, &full, &smtp, 1, NOW));
  free_pair(&pair);

  fr_server *server;
  EXPECT(FR_OK, fr_server_new(ends.store, fr_str("smtp"), fr_str("smtp.example.com"), &server));
  EXPECT(FR_OK, fr_server_list(server, fr_str(COUNTED)));
  fr_channel there = {0};
  there.tls = FR_TLS_1_3;
  there.server_name = fr_str("smtp.example.com");
  EXPECT(FR_OK, fr_client_connection_new(ends.client, fr_str("smtp"), fr_str("alice"), &there, &pair.client));
  there.flags = FR_CHANNEL_NAME_ASSUMED;
  EXPECT(FR_OK, fr_server_connection_new(server, &there, &pair.server));
  /* What is in use stays, whoever frees it first. */
  fr_server_free(server);
  fr_attempt *attempt;
  fr_buf name, message;
  EXPECT(FR_OK, fr_client_connection_plan(pair.client, NOW, &attempt));
  free_ends(&ends);
  EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
  fr_request request = {0};
  request.mechanism = fr_buf_octets(&name);
  request.message = fr_buf_octets(&message);
  fr_verdict verdict;
  EXPECT(FR_OK, fr_server_connection_receive(pair.server, &request, NOW, &verdict));
  EXPECT(FR_OK, fr_client_connection_finish(pair.client, attempt, FR_OK, fr_buf_octets(&verdict.message), NOW));
  fr_verdict_free(&verdict);
  fr_buf_free(&name);
  fr_buf_free(&message);
  fr_attempt_free(attempt);
  free_pair(&pair);
}

/* The application's SASL library was given a channel binding, and no exporter. An assertion of 30 days is renewed all the same. */
static void by_the_binding_alone(void) {
  const uint64_t day = 24 * 60 * 60, times[] = {NOW + 1, NOW + 21 * day, NOW + 26 * day, NOW + 35 * day};
  struct ends ends = ends_with("memory");
  struct pair pair = {0};
  uint8_t binding[32] = {9};
  fr_verdict verdict;
  log_in_fully(&ends, NULL);
  fr_channel both = channel(&pair.number);
  both.exporter = NULL;
  both.tls_exporter.data = binding;
  both.tls_exporter.len = 31;
  EXPECT(FR_INVALID, fr_client_connection_new(ends.client, fr_str("imap"), fr_str("alice"), &both, &pair.client));
  TRUE(!pair.client);
  both.tls_exporter.len = 32;
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    fr_attempt *attempt;
    fr_buf name, message;
    binding[0]++;
    EXPECT(FR_OK, fr_client_connection_new(ends.client, fr_str("imap"), fr_str("alice"), &both, &pair.client));
    EXPECT(FR_OK, fr_server_connection_new(ends.server, &both, &pair.server));
    EXPECT(FR_OK, fr_client_connection_plan(pair.client, times[i], &attempt));
    EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
    fr_request request = {0};
    request.mechanism = fr_buf_octets(&name);
    request.message = fr_buf_octets(&message);
    /* On another connection the message is worth nothing. */
    fr_server_connection *elsewhere;
    binding[1] = 1;
    EXPECT(FR_OK, fr_server_connection_new(ends.server, &both, &elsewhere));
    EXPECT(FR_BAD_PROOF, fr_server_connection_receive(elsewhere, &request, times[i], &verdict));
    fr_server_connection_free(elsewhere);
    fr_verdict_free(&verdict);
    binding[1] = 0;
    EXPECT(FR_OK, fr_server_connection_receive(pair.server, &request, times[i], &verdict));
    EXPECT(FR_OK, fr_client_connection_finish(pair.client, attempt, FR_OK, fr_buf_octets(&verdict.message), times[i]));
    fr_verdict_free(&verdict);
    fr_buf_free(&name);
    fr_buf_free(&message);
    fr_attempt_free(attempt);
    free_pair(&pair);
  }
  free_ends(&ends);
}

static void misused(void) {
  struct ends ends = ends_with("memory");
  const fr_octets none = {NULL, 0}, missing = {NULL, 3}, endless = {(const uint8_t *)"a", SIZE_MAX};
  const fr_octets not_text = {(const uint8_t *)"\xff", 1};
  fr_store *store = (fr_store *)&ends;
  EXPECT(FR_NULL, fr_store_open(fr_str("memory"), NULL));
  EXPECT(FR_NULL, fr_store_open(missing, &store));
  TRUE(!store);
  EXPECT(FR_INVALID, fr_store_open(endless, &store));
  EXPECT(FR_INVALID, fr_store_open(none, &store));
  EXPECT(FR_INVALID, fr_store_open(not_text, &store));
  EXPECT(FR_INVALID, fr_store_open(fr_str("redb:"), &store));
  EXPECT(FR_INVALID, fr_store_open(fr_str("elsewhere:x"), &store));
  EXPECT(FR_IO, fr_store_open(fr_str("redb:/nowhere/store"), &store));
  EXPECT(FR_NULL, fr_store_revoke(NULL, fr_str("alice"), NOW, NULL));
  EXPECT(FR_OK, fr_store_revoke(ends.store, fr_str("nobody"), NOW, NULL));

  fr_server *server;
  EXPECT(FR_NULL, fr_server_new(NULL, fr_str("imap"), fr_str(""), &server));
  TRUE(!server);
  EXPECT(FR_INVALID, fr_server_new(ends.store, fr_str("IMAP"), fr_str(""), &server));
  EXPECT(FR_INVALID, fr_server_new(ends.store, none, fr_str(""), &server));
  EXPECT(FR_INVALID, fr_server_new(ends.store, fr_str("imap"), fr_str("no host"), &server));
  EXPECT(FR_INVALID, fr_server_list(ends.server, fr_str("EXTERNAL")));
  EXPECT(FR_INVALID, fr_server_list(ends.server, fr_str("no(mechanism)")));
  EXPECT(FR_NULL, fr_server_list(NULL, fr_str(KNOWN)));
  EXPECT(FR_INVALID, fr_server_key(ends.server, 2, fr_str("too short")));
  EXPECT(FR_INVALID, fr_server_key(ends.server, 1, fr_str("there is a key of this id, sorry")));
  EXPECT(FR_NULL, fr_server_sibling(ends.server, NULL));
  fr_sibling sibling = {fr_str("smtp"), fr_str("smtp.example.com"), fr_str("PLAIN")};
  EXPECT(FR_INVALID, fr_server_sibling(ends.server, &sibling));

  fr_server_connection *connection;
  fr_client_connection *client;
  uint8_t number = 1;
  fr_channel bad = {0};
  EXPECT(FR_NULL, fr_server_connection_new(ends.server, NULL, &connection));
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, &connection));
  bad = channel(&number);
  bad.flags = 64;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, &connection));
  bad = channel(&number);
  bad.exporter = no_exporter;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, &connection));
  bad = channel(&number);
  bad.tls_server_end_point = fr_str("too short");
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, &connection));
  TRUE(!connection);
  EXPECT(FR_OK, fr_server_new(ends.store, fr_str("imap"), fr_str(""), &server));
  EXPECT(FR_OK, fr_server_list(server, fr_str(TOKEN)));
  bad = channel(&number);
  EXPECT(FR_INVALID, fr_server_connection_new(server, &bad, &connection)); /* HT without a key */
  fr_server_free(server);

  fr_channel good = channel(&number);
  EXPECT(FR_OK, fr_server_connection_new(ends.server, &good, &connection));
  EXPECT(FR_OK, fr_client_connection_new(ends.client, fr_str("imap"), fr_str("alice"), &good, &client));
  fr_verdict verdict;
  fr_request request = {0};
  EXPECT(FR_NULL, fr_server_connection_receive(connection, &request, NOW, NULL));
  memset(&verdict, 0xff, sizeof verdict);
  EXPECT(FR_NULL, fr_server_connection_receive(connection, NULL, NOW, &verdict));
  TRUE(verdict.outcome == FR_NULL && !verdict.message.data && !verdict.token_expires);
  memset(&verdict, 0xff, sizeof verdict);
  EXPECT(FR_NULL, fr_server_connection_receive(NULL, &request, NOW, &verdict));
  EXPECT(FR_INVALID, fr_server_connection_receive(connection, &request, NOW, &verdict));
  request.mechanism = fr_str("EXTERNAL");
  EXPECT(FR_INVALID, fr_server_connection_receive(connection, &request, NOW, &verdict));
  TRUE(verdict.outcome == FR_INVALID && !verdict.identity.data);
  fr_verdict_free(&verdict);
  request.mechanism = fr_str(KNOWN);
  request.message = missing;
  EXPECT(FR_NULL, fr_server_connection_receive(connection, &request, NOW, &verdict));
  request.message = fr_str("hello");
  EXPECT(FR_MALFORMED, fr_server_connection_receive(connection, &request, NOW, &verdict));
  TRUE(verdict.message.len > 0 && verdict.counts_as_failure);
  fr_verdict_free(&verdict);

  fr_login full = login(&number);
  EXPECT(FR_NULL, fr_server_connection_logged_in(connection, NULL, fr_str("alice"), NOW));
  EXPECT(FR_INVALID, fr_server_connection_logged_in(connection, &full, none, NOW));
  full.mechanism = fr_str(KNOWN);
  EXPECT(FR_INVALID, fr_server_connection_logged_in(connection, &full, fr_str("alice"), NOW));
  full = login(&number);
  full.binding = 4;
  EXPECT(FR_INVALID, fr_server_connection_logged_in(connection, &full, fr_str("alice"), NOW));
  full = login(&number);
  full.mechanism = fr_str("SCRAM-SHA-256"); /* a challenge-response without binding */
  EXPECT(FR_NOT_KNOWN, fr_server_connection_logged_in(connection, &full, fr_str("alice"), NOW));
  full = login(&number);
  full.login_name = fr_str("bob"); /* another account than the connection's */
  EXPECT(FR_INVALID, fr_client_connection_logged_in(client, &full, NULL, 0, NOW));
  full = login(&number);
  EXPECT(FR_NULL, fr_client_connection_logged_in(client, &full, NULL, 1, NOW));
  EXPECT(FR_INVALID, fr_client_connection_logged_in(client, &full, &sibling, SIZE_MAX, NOW));
  EXPECT(FR_INVALID, fr_client_connection_token_issued(client, &full, fr_str("PLAIN"), fr_str("x"), NOW + 1, NOW));
  EXPECT(FR_NOT_KNOWN, fr_client_connection_token_issued(client, &full, fr_str(TOKEN), none, NOW + 1, NOW));
  EXPECT(FR_NOT_KNOWN, fr_client_connection_token_rotated(client, fr_str("x"), NOW + 1, NOW));
  EXPECT(FR_NULL, fr_client_connection_plan(client, NOW, NULL));
  EXPECT(FR_NULL, fr_client_connection_finish(client, NULL, FR_OK, none, NOW));
  EXPECT(FR_DAMAGED, fr_client_load(ends.client, none));
  EXPECT(FR_NULL, fr_client_load(NULL, none));
  EXPECT(FR_NULL, fr_client_save(ends.client, NULL));
  EXPECT(FR_NULL, fr_client_new(NULL));
  EXPECT(1, fr_attempt_save_first(NULL));
  EXPECT(0, fr_attempt_count(NULL));
  EXPECT(0, strcmp(fr_result_name(FR_IN_USE), "FR_IN_USE"));
  EXPECT(0, strcmp(fr_result_name(-7), "FR_?"));

  fr_server_connection_free(connection);
  fr_client_connection_free(client);
  fr_buf_free(NULL);
  fr_verdict_free(NULL);
  fr_store_free(NULL);
  fr_server_free(NULL);
  fr_server_connection_free(NULL);
  fr_client_free(NULL);
  fr_client_connection_free(NULL);
  fr_attempt_free(NULL);
  free_ends(&ends);
}

static void in_a_file(const char *file) {
  char location[4096];
  snprintf(location, sizeof location, "redb:%s", file);
  known_at_once(location);
  fr_store *store, *second;
  EXPECT(FR_OK, fr_store_open(fr_str(location), &store));
  EXPECT(FR_IN_USE, fr_store_open(fr_str(location), &second));
  TRUE(!second);
  fr_store_free(store);
  EXPECT(FR_OK, fr_store_open(fr_str(location), &store));
  fr_store_free(store);
}

static void *come_back_often(void *ends) {
  fr_result judged;
  for (int i = 0; i < 20; i++) EXPECT(FR_OK, come_back(ends, KNOWN, 0, 0, &judged));
  return NULL;
}

static void from_many_threads(void) {
  struct ends ends = ends_with("memory");
  pthread_t threads[4];
  log_in_fully(&ends, NULL);
  for (int i = 0; i < 4; i++) TRUE(!pthread_create(&threads[i], NULL, come_back_often, &ends));
  for (int i = 0; i < 4; i++) TRUE(!pthread_join(threads[i], NULL));
  free_ends(&ends);
}

int main(int argc, char **argv) {
  known_at_once("memory");
  saved_and_loaded();
  with_a_token();
  known_at_the_sibling();
  by_the_binding_alone();
  misused();
  if (argc > 1) in_a_file(argv[1]);
  from_many_threads();
  printf("%d as expected\n", cases);
  return 0;
}
