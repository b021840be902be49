/* Both ends of connections in one process, for the tests. */
#ifndef FAST_REAUTH_TESTS_ENDS_H
#define FAST_REAUTH_TESTS_ENDS_H

#include "fast_reauth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1790000000u
#define KNOWN "IKY-SHA-256-EXPR"
#define COUNTED "IKY-SHA-256-NONE"
#define TOKEN "HT-SHA-256-NONE"
#define LISTED "SCRAM-SHA-256-PLUS " KNOWN " " COUNTED " " TOKEN

/* Those that were as expected. */
static int cases;

static inline void expect_at(int line, const char *what, int is, int should) {
  cases++;
  if (is == should) return;
  fprintf(stderr, "line %d: %s: %d (%s) instead of %d\n", line, what, is, fr_result_name(is), should);
  exit(1);
}

#define EXPECT(should, call) expect_at(__LINE__, #call, (int)(call), (int)(should))
#define TRUE(condition) EXPECT(1, !!(condition))

/* Stands for a TLS connection: both ends of one connection have the same `user`, which is its number. */
static inline int exporter(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                    uint8_t *out, size_t out_len) {
  uint8_t sum = *(const uint8_t *)user;
  for (size_t i = 0; i < label_len; i++) sum = (uint8_t)(sum * 31 + label[i]);
  for (size_t i = 0; i < context_len; i++) sum = (uint8_t)(sum * 31 + context[i]);
  for (size_t i = 0; i < out_len; i++) out[i] = (uint8_t)(sum + i * 7);
  return 1;
}

static inline int no_exporter(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                       uint8_t *out, size_t out_len) {
  (void)user, (void)label, (void)label_len, (void)context, (void)context_len, (void)out, (void)out_len;
  return 0;
}

static inline fr_channel channel(uint8_t *connection) {
  fr_channel channel = {0};
  channel.tls = FR_TLS_1_3;
  channel.server_name = fr_str("imap.example.com");
  channel.exporter = exporter;
  channel.exporter_user = connection;
  return channel;
}

static inline fr_login login(uint8_t *connection) {
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

static inline struct ends ends_with(const char *location) {
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

static inline void free_ends(struct ends *ends) {
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

static inline void connect_pair(struct ends *ends, struct pair *pair, uint8_t number, const char *offered) {
  pair->number = number;
  fr_channel both = channel(&pair->number);
  EXPECT(FR_OK, fr_server_connection_new(ends->server, &both, NOW, &pair->server));
  EXPECT(FR_OK, fr_client_connection_new(ends->client, fr_str("imap"), fr_str("alice"), &both, &pair->client));
  if (offered) EXPECT(FR_OK, fr_client_connection_offered(pair->client, fr_str(offered)));
}

static inline void free_pair(struct pair *pair) {
  fr_server_connection_free(pair->server);
  fr_client_connection_free(pair->client);
}

static inline void log_in_fully(struct ends *ends, const char *offered) {
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
static inline fr_result come_back(struct ends *ends, const char *mechanism, int spoil, int lie, fr_result *judged) {
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

#endif
