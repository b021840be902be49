/* Every misuse of the C interface that can be noticed. tests/roundtrip.rs compiles it, runs it, and runs it again where memory errors show. */
#include "ends.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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
  EXPECT(FR_NULL, fr_server_connection_new(ends.server, NULL, NOW, &connection));
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, NOW, &connection));
  bad = channel(&number);
  bad.flags = 64;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, NOW, &connection));
  bad = channel(&number);
  bad.exporter = no_exporter;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, NOW, &connection));
  bad = channel(&number);
  bad.tls_server_end_point = fr_str("too short");
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &bad, NOW, &connection));
  TRUE(!connection);
  EXPECT(FR_OK, fr_server_new(ends.store, fr_str("imap"), fr_str(""), &server));
  EXPECT(FR_OK, fr_server_list(server, fr_str(TOKEN)));
  bad = channel(&number);
  EXPECT(FR_INVALID, fr_server_connection_new(server, &bad, NOW, &connection)); /* HT without a key */
  fr_server_free(server);

  fr_channel good = channel(&number);
  EXPECT(FR_OK, fr_server_connection_new(ends.server, &good, NOW, &connection));
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

/* A callback that calls back, which would wait for itself. */
struct nested {
  uint8_t number;
  struct ends *ends;
  struct pair *pair;
  fr_attempt *attempt;
  int calls;
};

/* Memory of C's that nobody wrote to. */
#define GARBAGE(place) memset(&(place), 0xaa, sizeof(place))

#define REFUSED(result) TRUE((result) == FR_CALLBACK)

/* The call gets no further, and what it would give is empty, as it is freed all the same. */
#define REFUSED_HANDLE(type, call) \
  do { \
    type *out; \
    GARBAGE(out); \
    REFUSED(call); \
    TRUE(!out); \
    type##_free(out); \
  } while (0)

#define REFUSED_BUF(call) \
  do { \
    fr_buf out; \
    GARBAGE(out); \
    REFUSED(call); \
    TRUE(!out.data && !out.len); \
    fr_buf_free(&out); \
  } while (0)

static int calling_back(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                        uint8_t *out, size_t out_len) {
  struct nested *nested = user;
  struct ends *ends = nested->ends;
  fr_server_connection *server = nested->pair->server;
  fr_client_connection *client = nested->pair->client;
  const fr_octets service = fr_str("imap"), name = fr_str("imap.example.com"), alice = fr_str("alice");
  const fr_channel both = channel(&nested->number);
  const fr_login full = login(&nested->number);
  REFUSED_HANDLE(fr_store, fr_store_open(fr_str("memory"), &out));
  REFUSED_HANDLE(fr_server, fr_server_new(ends->store, service, name, &out));
  REFUSED_HANDLE(fr_server_connection, fr_server_connection_new(ends->server, &both, NOW, &out));
  REFUSED_HANDLE(fr_client, fr_client_new(&out));
  REFUSED_HANDLE(fr_client_connection, fr_client_connection_new(ends->client, service, alice, &both, &out));
  REFUSED_HANDLE(fr_attempt, fr_client_connection_plan(client, NOW, &out));
  REFUSED_BUF(fr_handle_new(&out));
  REFUSED_BUF(fr_server_connection_mechanisms(server, NOW, &out));
  REFUSED_BUF(fr_client_save(ends->client, &out));
  REFUSED_BUF(fr_client_connection_session(client, &out));
  fr_request request = {0};
  fr_verdict verdict;
  request.mechanism = fr_str(KNOWN);
  GARBAGE(verdict);
  REFUSED(fr_server_connection_receive(server, &request, NOW, &verdict));
  REFUSED(verdict.outcome);
  TRUE(!verdict.message.data && !verdict.message.len && !verdict.identity.data && !verdict.identity.len);
  TRUE(!verdict.login_name.data && !verdict.login_name.len && !verdict.token.data && !verdict.token.len);
  TRUE(!verdict.token_expires && !verdict.counts_as_failure);
  fr_verdict_free(&verdict);
  fr_buf one, other;
  uint64_t expires;
  size_t revoked;
  GARBAGE(one), GARBAGE(other);
  REFUSED(fr_attempt_message(nested->attempt, &one, &other));
  TRUE(!one.data && !one.len && !other.data && !other.len);
  fr_buf_free(&one);
  fr_buf_free(&other);
  GARBAGE(one), GARBAGE(expires), GARBAGE(revoked);
  REFUSED(fr_server_connection_logged_in_with_token(server, &full, alice, fr_str(TOKEN), alice, NOW, &one, &expires));
  TRUE(!one.data && !one.len && !expires);
  fr_buf_free(&one);
  REFUSED(fr_store_revoke(ends->store, alice, NOW, &revoked));
  TRUE(!revoked);
  nested->calls++;
  return exporter(&nested->number, label, label_len, context, context_len, out, out_len);
}

static int blank(void *user, const uint8_t *label, size_t label_len, const uint8_t *context, size_t context_len,
                 uint8_t *out, size_t out_len) {
  (void)user, (void)label, (void)label_len, (void)context, (void)context_len;
  memset(out, 0, out_len);
  return 1;
}

static void bad_callbacks(void) {
  struct ends ends = ends_with("memory");
  struct pair pair;
  log_in_fully(&ends, NULL);
  connect_pair(&ends, &pair, 1, LISTED);
  struct nested nested = {1, &ends, &pair, NULL, 0};
  EXPECT(FR_OK, fr_client_connection_plan(pair.client, NOW, &nested.attempt));
  fr_login full = login(&nested.number);
  full.exporter = calling_back;
  full.exporter_user = &nested;
  EXPECT(FR_OK, fr_server_connection_logged_in(pair.server, &full, fr_str("alice"), NOW));
  TRUE(nested.calls > 0);
  fr_buf listed;
  EXPECT(FR_OK, fr_server_connection_mechanisms(pair.server, NOW, &listed));
  fr_buf_free(&listed);
  fr_attempt_free(nested.attempt);
  free_pair(&pair);

  /* What nobody wrote to is no secret. */
  uint8_t zeros[32] = {0};
  fr_channel both = channel(&nested.number);
  fr_server_connection *connection;
  both.exporter = blank;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &both, NOW, &connection));
  both.exporter = NULL;
  both.tls_exporter.data = zeros;
  both.tls_exporter.len = sizeof zeros;
  EXPECT(FR_INVALID, fr_server_connection_new(ends.server, &both, NOW, &connection));
  free_ends(&ends);
}

/* Nothing is judged by a time that is none: it would never expire, or be over for millennia. */
static void bad_times(void) {
  const uint64_t none[] = {0, NOW * (uint64_t)1000, UINT64_MAX};
  struct ends ends = ends_with("memory");
  struct pair pair;
  connect_pair(&ends, &pair, 1, LISTED);
  fr_login full = login(&pair.number);
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    fr_attempt *attempt;
    fr_buf listed;
    EXPECT(FR_INVALID, fr_store_revoke(ends.store, fr_str("alice"), none[i], NULL));
    EXPECT(FR_INVALID, fr_server_connection_mechanisms(pair.server, none[i], &listed));
    EXPECT(FR_INVALID, fr_server_connection_logged_in(pair.server, &full, fr_str("alice"), none[i]));
    EXPECT(FR_INVALID, fr_client_connection_logged_in(pair.client, &full, NULL, 0, none[i]));
    EXPECT(FR_INVALID, fr_client_connection_plan(pair.client, none[i], &attempt));
  }
  free_pair(&pair);
  free_ends(&ends);
}

/* What is given is empty after a failure, also where another place is missing. */
static void missing_places(void) {
  struct ends ends = ends_with("memory");
  struct pair pair;
  fr_attempt *attempt;
  fr_buf buf;
  size_t revoked = 42;
  log_in_fully(&ends, NULL);
  connect_pair(&ends, &pair, 2, LISTED);
  EXPECT(FR_OK, fr_client_connection_plan(pair.client, NOW, &attempt));
  memset(&buf, 0xff, sizeof buf);
  EXPECT(FR_NULL, fr_attempt_message(attempt, NULL, &buf));
  TRUE(!buf.data && !buf.len);
  memset(&buf, 0xff, sizeof buf);
  EXPECT(FR_NULL, fr_attempt_message(attempt, &buf, NULL));
  TRUE(!buf.data && !buf.len);
  EXPECT(FR_NULL, fr_store_revoke(NULL, fr_str("alice"), NOW, &revoked));
  TRUE(!revoked);
  fr_attempt_free(attempt);
  free_pair(&pair);
  free_ends(&ends);
}

/* A child has its parent's memory, and is not to use its parent's store: what it replays there the parent would not know. */
static void in_a_fork(const char *location) {
  struct ends ends = ends_with(location);
  struct pair pair;
  int status;
  log_in_fully(&ends, NULL);
  connect_pair(&ends, &pair, 2, LISTED);
  fr_login full = login(&pair.number);
  pid_t child = fork();
  if (!child) {
    fr_request request = {0};
    fr_verdict verdict;
    request.mechanism = fr_str(KNOWN);
    request.message = fr_str("hello");
    if (fr_server_connection_receive(pair.server, &request, NOW, &verdict) != FR_FORKED) exit(1);
    if (fr_server_connection_logged_in(pair.server, &full, fr_str("alice"), NOW) != FR_FORKED) exit(1);
    if (fr_store_revoke(ends.store, fr_str("account of alice"), NOW, NULL) != FR_FORKED) exit(1);
    fr_verdict_free(&verdict);
    free_pair(&pair);
    free_ends(&ends);
    /* Not by exit(): the parent's store is left here on purpose, and counts as a leak. */
    kill(getpid(), SIGKILL);
  }
  TRUE(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  free_pair(&pair);
  fr_result judged;
  /* What the child freed is its parent's still: a file is locked, */
  fr_store *second;
  if (strcmp(location, "memory")) EXPECT(FR_IN_USE, fr_store_open(fr_str(location), &second));
  /* and what is in it is known. */
  EXPECT(FR_OK, come_back(&ends, KNOWN, 0, 0, &judged));
  free_ends(&ends);
}

int main(int argc, char **argv) {
  /* A callback that waits for itself waits for ever. */
  alarm(120);
  TRUE(fr_is_of_this_header());
  misused();
  bad_callbacks();
  bad_times();
  missing_places();
  in_a_fork("memory");
  if (argc > 1) {
    char location[4096];
    snprintf(location, sizeof location, "redb:%s", argv[1]);
    in_a_fork(location);
  }
  printf("%d as expected\n", cases);
  return 0;
}
