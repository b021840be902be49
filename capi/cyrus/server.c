/* The server's side of the Cyrus SASL plug-in. */
#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often a store that another process has open is tried, every 20 ms. */
#define TRIES 100

/* A store that is kept open, for a server of one process (iky_store_keep). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fr_store *kept;
static char kept_location[4096];

/* A child of this process has its parent's store, and may not use it. It is left there, as the parent goes on with what it has open. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void in_parent(void) { pthread_mutex_unlock(&lock); }
static void in_child(void) {
  kept = NULL;
  pthread_mutex_unlock(&lock);
}
static void watch_forks(void) { pthread_atfork(before_fork, in_parent, in_child); }

/* One login. */
struct login {
  const struct mechanism *mechanism;
  fr_verdict verdict;
  int judged;
  int challenged;
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
  int keep = fr_sasl_says_yes(side->utils, "iky_store_keep") && location && strlen(location) < sizeof kept_location;
  fr_store *store = NULL;
  fr_result result = FR_OK;
  *server = NULL;
  if (!location) return FR_INVALID;
  if (keep) pthread_mutex_lock(&lock);
  /* An application may have several configurations. */
  if (keep && kept && strcmp(kept_location, location)) {
    pthread_mutex_unlock(&lock);
    keep = 0;
  }
  if (keep && kept)
    store = kept;
  else
    result = open_store(location, &store);
  if (result == FR_OK)
    result = fr_server_new(store, fr_str(service ? service : side->service), fr_sasl_server_name(side), server);
  if (keep) {
    kept = store;
    strcpy(kept_location, location);
    pthread_mutex_unlock(&lock);
  } else {
    fr_store_free(store);
  }
  return result;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The service key: 64 hexadecimal digits in a file, and an end of line. Not by stdio, whose buffer nobody wipes. */
static fr_result read_key(const char *name, unsigned char key[32]) {
  char digits[67];
  struct stat about;
  size_t n = 0;
  ssize_t got = 1;
  int bad = 0, fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FR_IO;
  /* Whoever reads it makes tokens of every client. */
  bad = fstat(fd, &about) || !S_ISREG(about.st_mode) || about.st_mode & S_IRWXO;
  while (!bad && got && n < sizeof digits) {
    got = read(fd, digits + n, sizeof digits - n);
    if (got > 0) n += (size_t)got;
    if (got < 0 && errno != EINTR) break;
  }
  close(fd);
  while (n && (digits[n - 1] == '\n' || digits[n - 1] == '\r')) n--;
  bad |= n != 64;
  for (size_t i = 0; !bad && i < 32; i++) {
    int high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);
    bad = high < 0 || low < 0;
    key[i] = (unsigned char)(high * 16 + low);
  }
  explicit_bzero(digits, sizeof digits);
  return bad ? FR_DAMAGED : FR_OK;
}

static fr_result add_key(const struct side *side, const char *name, fr_server *server) {
  unsigned char key[32];
  fr_octets octets = {key, sizeof key};
  fr_result result = read_key(name, key);
  if (result == FR_OK)
    result = fr_server_key(server, 1, octets);
  else
    side->utils->log(side->utils->conn, SASL_LOG_ERR, "%s has to have 64 hexadecimal digits, and be nothing that others may read", name);
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
  const char *client_id = fr_sasl_option(side->utils, "iky_client_id"), *key_file = fr_sasl_option(side->utils, "iky_key_file");
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
  if (result == FR_OK && key_file) result = add_key(side, key_file, server);
  if (result == FR_OK) result = fr_server_connection_new(server, &channel, fr_sasl_now(), &connection);
  if (result == FR_OK) result = fr_server_connection_receive(connection, &request, fr_sasl_now(), &login->verdict);
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

/* The end of a login that was judged, and answered where there was a challenge. */
static int complete(const struct login *login, sasl_out_params_t *oparams) {
  if (login->result == SASL_OK) {
    fr_sasl_no_layer(oparams);
    oparams->doneflag = 1;
  }
  return login->result;
}

static int mech_step(void *context, sasl_server_params_t *params, const char *clientin, unsigned clientinlen,
                     const char **serverout, unsigned *serveroutlen, sasl_out_params_t *oparams) {
  struct login *login = context;
  struct side side = side_of(params);
  fr_buf *message = &login->verdict.message;
  *serverout = NULL;
  *serveroutlen = 0;
  if (login->challenged) {
    login->challenged = 0;
    /* The answer to the one challenge says nothing. */
    if (login->result == SASL_OK && clientinlen) login->result = SASL_BADPROT;
    return complete(login, oparams);
  }
  if (login->judged) return SASL_BADPROT;
  login->judged = 1;
  fr_result result = judge(login, &side, clientin, clientinlen);
  login->result = sasl_result(result);
  if (login->result == SASL_OK) {
    const fr_buf *identity = &login->verdict.identity;
    login->result = params->canon_user(params->utils->conn, (const char *)identity->data, (unsigned)identity->len,
                                       SASL_CU_AUTHID | SASL_CU_AUTHZID | SASL_CU_EXTERNALLY_VERIFIED, oparams);
    /* It would say that the client is logged in. */
    if (login->result != SASL_OK) fr_buf_free(message);
  } else {
    params->utils->log(params->utils->conn, SASL_LOG_FAIL, "%s: not recognised: %s", login->mechanism->name,
                       fr_result_name(result));
    params->utils->seterror(params->utils->conn, 0, "not recognised");
  }
  int challenges = !login->mechanism->is_ht && !(params->flags & SASL_SUCCESS_DATA);
  if (challenges || login->result == SASL_OK) {
    *serverout = message->len ? (const char *)message->data : "";
    *serveroutlen = (unsigned)message->len;
  }
  /* IKY has one challenge whatever came of it, also an empty one: a client that sent its empty answer ahead would have it read as a command
   * otherwise. Cyrus SASL would make one of HT's data with success, and of IKY's where nothing fails behind it: an authorization may. */
  if (challenges) {
    login->challenged = 1;
    return SASL_CONTINUE;
  }
  return complete(login, oparams);
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
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)utils;
  if (maxversion < SASL_SERVER_PLUG_VERSION) return SASL_BADVERS;
  pthread_once(&once, watch_forks);
  for (int i = 0; i < MECHANISMS; i++) {
    const struct mechanism *mechanism = &fr_sasl_mechanisms[i];
    sasl_server_plug_t *plug = &plugs[i];
    memset(plug, 0, sizeof *plug);
    plug->mech_name = mechanism->name;
    plug->security_flags = fr_sasl_security(mechanism);
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
