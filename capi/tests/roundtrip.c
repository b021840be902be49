/* Client and server through the C interface, in one process: logins and refusals.
 *
 * tests/roundtrip.rs compiles it, runs it, and runs it again where memory errors show.
 */
#include "ends.h"

#include <pthread.h>

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

#ifndef WITHOUT_SEALING
/* Whether the client would send the server's record of it, sealed. */
static int holds_its_record(struct ends *ends) {
  struct pair pair;
  fr_attempt *attempt;
  fr_buf name, message;
  int holds = 0;
  connect_pair(ends, &pair, 3, LISTED);
  EXPECT(FR_OK, fr_client_connection_plan(pair.client, NOW + 1, &attempt));
  EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
  for (size_t i = 0; i + 3 <= message.len; i++) holds |= !memcmp(message.data + i, ",t=", 3);
  fr_buf_free(&name);
  fr_buf_free(&message);
  fr_attempt_free(attempt);
  free_pair(&pair);
  return holds;
}

/* What the server knows of a client is with the client from its first use on, and goes through its restart. */
static void sealed(void) {
  struct ends ends = ends_with("memory");
  fr_result judged;
  fr_buf state;
  EXPECT(FR_OK, fr_server_seal(ends.server));
  log_in_fully(&ends, NULL);
  TRUE(!holds_its_record(&ends));
  EXPECT(FR_OK, come_back(&ends, KNOWN, 0, 0, &judged));
  TRUE(holds_its_record(&ends));
  EXPECT(FR_OK, fr_client_save(ends.client, &state));
  fr_client_free(ends.client);
  EXPECT(FR_OK, fr_client_new(&ends.client));
  EXPECT(FR_OK, fr_client_load(ends.client, fr_buf_octets(&state)));
  fr_buf_free(&state);
  TRUE(holds_its_record(&ends));
  EXPECT(FR_OK, come_back(&ends, KNOWN, 0, 0, &judged));
  TRUE(judged == FR_OK);
  EXPECT(FR_OK, fr_store_revoke(ends.store, fr_str("account of alice"), NOW + 1, NULL));
  TRUE(come_back(&ends, KNOWN, 0, 0, &judged) != FR_OK && judged != FR_OK);
  free_ends(&ends);

  /* There is nothing to seal with. */
  fr_store *store;
  fr_server *server;
  fr_server_connection *connection;
  uint8_t number = 1;
  fr_channel both = channel(&number);
  EXPECT(FR_OK, fr_store_open(fr_str("memory"), &store));
  EXPECT(FR_OK, fr_server_new(store, fr_str("imap"), fr_str("imap.example.com"), &server));
  EXPECT(FR_OK, fr_server_list(server, fr_str(KNOWN)));
  EXPECT(FR_OK, fr_server_seal(server));
  EXPECT(FR_INVALID, fr_server_connection_new(server, &both, NOW, &connection));
  TRUE(!connection);
  fr_server_free(server);
  fr_store_free(store);
}
#endif

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
  EXPECT(FR_OK, fr_server_connection_new(server, &there, NOW, &pair.server));
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
    EXPECT(FR_OK, fr_server_connection_new(ends.server, &both, NOW, &pair.server));
    EXPECT(FR_OK, fr_client_connection_plan(pair.client, times[i], &attempt));
    EXPECT(FR_OK, fr_attempt_message(attempt, &name, &message));
    fr_request request = {0};
    request.mechanism = fr_buf_octets(&name);
    request.message = fr_buf_octets(&message);
    /* On another connection the message is worth nothing. */
    fr_server_connection *elsewhere;
    binding[1] = 1;
    EXPECT(FR_OK, fr_server_connection_new(ends.server, &both, NOW, &elsewhere));
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
#ifndef WITHOUT_SEALING
  sealed();
#endif
  by_the_binding_alone();
  if (argc > 1) in_a_file(argv[1]);
  from_many_threads();
  printf("%d as expected\n", cases);
  return 0;
}
