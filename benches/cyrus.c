/* Logins through Debian's Cyrus SASL, both ends in one process, over memory: what a rival costs in its own library.
 *
 *   cyrus MECHANISM         prints nanoseconds for one login, the median of some; MECHANISM is SCRAM-SHA-256, DIGEST-MD5 for a full
 *                           login, or DIGEST-MD5-again for one with subsequent authentication (RFC 2831 section 2.2)
 *   cyrus MECHANISM once    makes one login inside `measured`, for callgrind */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME "imap.example.com"
#define PASSWORD "correct horse battery staple"

static const char *database;
static int again;

static void die(const char *what, int code, sasl_conn_t *connection)
{
    fprintf(stderr, "cyrus: %s: %s\n", what, connection ? sasl_errdetail(connection) : sasl_errstring(code, NULL, NULL));
    exit(1);
}

static int option(void *context, const char *plugin, const char *name, const char **result, unsigned *len)
{
    const struct { const char *name, *value; } options[] = {
        { "auxprop_plugin", "sasldb" }, { "reauth_timeout", again ? "60" : "0" }, { "log_level", "0" }, { "scram_iteration_counter", "4096" },
    };
    (void)context, (void)plugin;
    if (strcmp(name, "sasldb_path") == 0) {
        *result = database;
        return SASL_OK;
    }
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (strcmp(name, options[at].name) == 0) {
            *result = options[at].value;
            if (len)
                *len = (unsigned)strlen(*result);
            return SASL_OK;
        }
    return SASL_FAIL;
}

static int user(void *context, int id, const char **result, unsigned *len)
{
    (void)context, (void)id;
    *result = "alice";
    if (len)
        *len = 5;
    return SASL_OK;
}

static int password(sasl_conn_t *connection, void *context, int id, sasl_secret_t **result)
{
    static union {
        sasl_secret_t secret;
        char room[sizeof(sasl_secret_t) + sizeof PASSWORD];
    } it;
    (void)connection, (void)context, (void)id;
    it.secret.len = sizeof PASSWORD - 1;
    memcpy(it.secret.data, PASSWORD, sizeof PASSWORD);
    *result = &it.secret;
    return SASL_OK;
}

static int realm(void *context, int id, const char **available, const char **result)
{
    (void)context, (void)id, (void)available;
    *result = NAME;
    return SASL_OK;
}

/* By way of a type that no compiler warns of. */
#define CALL(function) (int (*)(void))(void (*)(void))(function)

static const sasl_callback_t of_server[] = {
    { SASL_CB_GETOPT, CALL(option), NULL }, { SASL_CB_LIST_END, NULL, NULL }
};
static const sasl_callback_t of_client[] = {
    { SASL_CB_GETOPT, CALL(option), NULL }, { SASL_CB_USER, CALL(user), NULL },
    { SASL_CB_AUTHNAME, CALL(user), NULL }, { SASL_CB_PASS, CALL(password), NULL },
    { SASL_CB_GETREALM, CALL(realm), NULL }, { SASL_CB_LIST_END, NULL, NULL }
};

/* One login; gives how many messages the client sent. */
__attribute__((noinline)) static int measured(const char *mechanism)
{
    sasl_conn_t *client, *server;
    const char *out = NULL, *answer = NULL, *chosen;
    unsigned len = 0, answer_len = 0;
    int sent = 1, of_us, of_them;
    sasl_security_properties_t security = { 0, 256, 0, 0, NULL, NULL };
    if (sasl_server_new("imap", NAME, NAME, NULL, NULL, of_server, SASL_SUCCESS_DATA, &server) != SASL_OK ||
        sasl_client_new("imap", NAME, NULL, NULL, of_client, SASL_SUCCESS_DATA, &client) != SASL_OK)
        die("a new connection", SASL_FAIL, NULL);
    security.max_ssf = 0;
    sasl_setprop(server, SASL_SEC_PROPS, &security);
    sasl_setprop(client, SASL_SEC_PROPS, &security);
    of_us = sasl_client_start(client, mechanism, NULL, &out, &len, &chosen);
    if (of_us != SASL_OK && of_us != SASL_CONTINUE)
        die("the client's start", of_us, client);
    of_them = sasl_server_start(server, mechanism, out, len, &answer, &answer_len);
    while (of_them == SASL_CONTINUE) {
        of_us = sasl_client_step(client, answer, answer_len, NULL, &out, &len);
        if (of_us != SASL_OK && of_us != SASL_CONTINUE)
            die("the client", of_us, client);
        sent++;
        of_them = sasl_server_step(server, out, len, &answer, &answer_len);
    }
    if (of_them != SASL_OK)
        die("the server", of_them, server);
    if (of_us == SASL_CONTINUE && sasl_client_step(client, answer, answer_len, NULL, &out, &len) != SASL_OK)
        die("the client's end", SASL_FAIL, client);
    sasl_dispose(&client);
    sasl_dispose(&server);
    return sent;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    char mechanism[32] = "";
    double took[101];
    int result, sent;
    size_t rounds = sizeof took / sizeof *took;
    if (argc < 2 || !(database = getenv("SASLDB")))
        die("a mechanism, and SASLDB in the environment", SASL_FAIL, NULL);
    strncpy(mechanism, argv[1], sizeof mechanism - 1);
    again = strlen(mechanism) > 6 && strcmp(mechanism + strlen(mechanism) - 6, "-again") == 0;
    if (again)
        mechanism[strlen(mechanism) - 6] = 0;
    if ((result = sasl_server_init(of_server, "bench")) != SASL_OK || (result = sasl_client_init(of_client)) != SASL_OK)
        die("the library's start", result, NULL);
    if (again)
        measured(mechanism); /* after which both ends have what the next one goes on from */
    if (argc > 2) {
        sent = measured(mechanism);
        fprintf(stderr, "messages of the client: %d\n", sent);
        return 0;
    }
    for (size_t at = 0; at < rounds; at++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        sent = measured(mechanism);
        clock_gettime(CLOCK_MONOTONIC, &end);
        took[at] = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    }
    qsort(took, rounds, sizeof *took, by_size);
    printf("%.0f\n", took[rounds / 2]);
    return 0;
}
