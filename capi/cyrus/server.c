/* The server's side of the Cyrus SASL plug-in. */
#include "plugin.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* How often a store that another process has open is tried, every 20 ms. */
#define TRIES 100

/* A store that is kept open, for a server of one process (iky_store_keep). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fr_store *kept;

/* One login. */
struct login {
  const struct mechanism *mechanism;
  fr_verdict verdict;
  int judged;
  int result;
};

static struct side side_of(const sasl_server_params_t *params) {
  struct side side = {params->utils, params->service, params->serverFQDN, params->cbinding, params->external_ssf};
  return side;
}

static fr_result open_store(const char *location, fr_store **store) {
  const struct timespec moment = {0, 20 * 1000 * 1000};
  fr_result result = FR_IN_USE;
  for (int i = 0; i < TRIES && result == FR_IN_USE; i++) {
    if (i) nanosleep(&moment, NULL);
    result = fr_store_open(fr_str(location), store);
  }
  return result;
}

/* A server of the store that is configured; freeing it lets the store go, unless that is kept. */
static fr_result new_server(const struct side *side, fr_server **server) {
  const char *location = fr_sasl_option(side->utils, "iky_store");
  const char *service = fr_sasl_option(side->utils, "iky_service");
  int keep = fr_sasl_says_yes(side->utils, "iky_store_keep");
  fr_store *store = NULL;
  fr_result result = FR_OK;
  *server = NULL;
  if (!location) return FR_INVALID;
  if (keep) pthread_mutex_lock(&lock);
  if (keep && kept)
    store = kept;
  else
    result = open_store(location, &store);
  if (result == FR_OK)
    result = fr_server_new(store, fr_str(service ? service : side->service), fr_sasl_server_name(side), server);
  if (keep) {
    kept = store;
    pthread_mutex_unlock(&lock);
  } else {
    fr_store_free(store);
  }
  return result;
}

/* The service key: 64 hexadecimal digits in a file. */
static fr_result add_key(const struct side *side, fr_server *server) {
  const char *name = fr_sasl_option(side->utils, "iky_key_file");
  unsigned char key[32];
  fr_octets octets = {key, sizeof key};
  FILE *file = name ? fopen(name, "re") : NULL;
  size_t n = 0;
  unsigned octet;
  if (!file) return FR_IO;
  while (n < sizeof key && fscanf(file, "%2x", &octet) == 1) key[n++] = (unsigned char)octet;
  fclose(file);
  fr_result result = n == sizeof key ? fr_server_key(server, 1, octets) : FR_DAMAGED;
  explicit_bzero(key, sizeof key);
  return result;
}

/* Whether a list with spaces in between has this name. */
static int lists(const char *list, const char *name) {
  size_t len = strlen(name);
  for (; *list; list += strcspn(list, " "), list += strspn(list, " "))
    if (!strncmp(list, name, len) && (list[len] == ' ' || !list[len])) return 1;
  return 0;
}

/* What the service lists: what an operator says, or this mechanism alone. */
static const char *listed(const sasl_utils_t *utils, const struct mechanism *mechanism) {
  const char *configured = fr_sasl_option(utils, "iky_mechanisms");
  return configured ? configured : mechanism->name;
}

static fr_result judge(struct login *login, const struct side *side, const char *message, unsigned len) {
  const char *client_id = fr_sasl_option(side->utils, "iky_client_id");
  fr_server_connection *connection = NULL;
  fr_server *server = NULL;
  fr_channel channel;
  fr_request request = {0};
  if (!fr_sasl_channel(side, login->mechanism, &channel)) return FR_BINDING_MISMATCH;
  channel.flags = FR_CHANNEL_NAME_ASSUMED;
  request.mechanism = fr_str(login->mechanism->name);
  request.message.data = (const uint8_t *)message;
  request.message.len = len;
  request.client_id = fr_str(client_id ? client_id : "cyrus");
  fr_result result = new_server(side, &server);
  if (result == FR_OK) result = fr_server_list(server, fr_str(listed(side->utils, login->mechanism)));
  if (result == FR_OK && fr_sasl_option(side->utils, "iky_key_file")) result = add_key(side, server);
  if (result == FR_OK) result = fr_server_connection_new(server, &channel, &connection);
  if (result == FR_OK) {
    result = fr_server_connection_receive(connection, &request, fr_sasl_now(), &login->verdict);
    login->judged = 1;
  }
  fr_server_connection_free(connection);
  fr_server_free(server);
  return result;
}

static int sasl_result(fr_result result) {
  if (result == FR_OK) return SASL_OK;
  if (result == FR_MALFORMED) return SASL_BADPROT;
  return result < FR_UNAVAILABLE ? SASL_BADAUTH : SASL_UNAVAIL;
}

static int mech_new(void *glob_context, sasl_server_params_t *params, const char *challenge, unsigned challen,
                    void **context) {
  struct login *login = params->utils->malloc(sizeof *login);
  (void)challenge, (void)challen;
  if (!login) return SASL_NOMEM;
  memset(login, 0, sizeof *login);
  login->mechanism = glob_context;
  *context = login;
  return SASL_OK;
}

static int mech_step(void *context, sasl_server_params_t *params, const char *clientin, unsigned clientinlen,
                     const char **serverout, unsigned *serveroutlen, sasl_out_params_t *oparams) {
  struct login *login = context;
  struct side side = side_of(params);
  *serverout = NULL;
  *serveroutlen = 0;
  /* The answer to the one challenge of a login that was refused; it says nothing. */
  if (login->result) return login->result;
  if (login->judged || !clientin) return SASL_BADPROT;
  fr_result result = judge(login, &side, clientin, clientinlen);
  login->result = sasl_result(result);
  if (login->result == SASL_OK) {
    const fr_buf *identity = &login->verdict.identity;
    login->result = params->canon_user(params->utils->conn, (const char *)identity->data, (unsigned)identity->len,
                                       SASL_CU_AUTHID | SASL_CU_AUTHZID | SASL_CU_EXTERNALLY_VERIFIED, oparams);
    if (login->result != SASL_OK) return login->result;
  } else {
    params->utils->log(params->utils->conn, SASL_LOG_FAIL, "%s: not recognised: %s", login->mechanism->name,
                       fr_result_name(result));
    params->utils->seterror(params->utils->conn, 0, "not recognised");
  }
  *serverout = (const char *)login->verdict.message.data;
  *serveroutlen = (unsigned)login->verdict.message.len;
  if (login->result == SASL_OK) {
    oparams->doneflag = 1;
    /* Where the protocol has no data with success, Cyrus SASL makes a challenge of it. */
    return SASL_OK;
  }
  /* The client learns why in the one challenge; where there is none, not at all. */
  if (!login->verdict.message.len || (params->flags & SASL_SUCCESS_DATA)) {
    *serverout = NULL;
    *serveroutlen = 0;
    return login->result;
  }
  return SASL_CONTINUE;
}

static void mech_dispose(void *context, const sasl_utils_t *utils) {
  struct login *login = context;
  if (!login) return;
  fr_verdict_free(&login->verdict);
  utils->free(login);
}

static int mech_avail(void *glob_context, sasl_server_params_t *params, void **context) {
  const struct mechanism *mechanism = glob_context;
  struct side side = side_of(params);
  fr_channel channel;
  (void)context;
  if (!fr_sasl_option(params->utils, "iky_store")) return SASL_NOMECH;
  if (!lists(listed(params->utils, mechanism), mechanism->name)) return SASL_NOMECH;
  if (mechanism->is_ht && !fr_sasl_option(params->utils, "iky_key_file")) return SASL_NOMECH;
  /* There may be TLS later. */
  return fr_sasl_channel(&side, mechanism, &channel) ? SASL_OK : SASL_NOTDONE;
}

static void mech_free(void *glob_context, const sasl_utils_t *utils) {
  (void)utils;
  /* Once for all mechanisms. */
  if (glob_context != &fr_sasl_mechanisms[0]) return;
  pthread_mutex_lock(&lock);
  fr_store_free(kept);
  kept = NULL;
  pthread_mutex_unlock(&lock);
}

int sasl_server_plug_init(const sasl_utils_t *utils, int maxversion, int *out_version, sasl_server_plug_t **pluglist,
                          int *plugcount) {
  static sasl_server_plug_t plugs[MECHANISMS];
  (void)utils;
  if (maxversion < SASL_SERVER_PLUG_VERSION) return SASL_BADVERS;
  for (int i = 0; i < MECHANISMS; i++) {
    const struct mechanism *mechanism = &fr_sasl_mechanisms[i];
    sasl_server_plug_t *plug = &plugs[i];
    memset(plug, 0, sizeof *plug);
    plug->mech_name = mechanism->name;
    plug->security_flags = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH | SASL_SEC_NODICTIONARY;
    if (mechanism->binding == BINDING_EXPORTER) plug->security_flags |= SASL_SEC_NOACTIVE;
    plug->features = SASL_FEAT_WANT_CLIENT_FIRST;
    plug->glob_context = (void *)mechanism;
    plug->mech_new = mech_new;
    plug->mech_step = mech_step;
    plug->mech_dispose = mech_dispose;
    plug->mech_free = mech_free;
    plug->mech_avail = mech_avail;
  }
  *out_version = SASL_SERVER_PLUG_VERSION;
  *pluglist = plugs;
  *plugcount = MECHANISMS;
  return SASL_OK;
}
