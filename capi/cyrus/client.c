/* The client's side of the Cyrus SASL plug-in. */
#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longest state that is read, in octets. */
#define MAX_STATE (4 << 20)

/* One login. */
struct login {
  const struct mechanism *mechanism;
  char *file;
  fr_client *client;
  fr_client_connection *connection;
  fr_attempt *attempt;
  fr_buf message;
};

/* The file that the client's state is in: by configuration, or by the environment of a program that is not setuid. */
static const char *state_file(const sasl_utils_t *utils) {
  const char *configured = fr_sasl_option(utils, "iky_client_state");
  return configured ? configured : secure_getenv("FAST_REAUTH_CLIENT_STATE");
}

/* Keeps other processes from the file until it is closed: they have the same counters. */
static int lock_state(const char *file) {
  char name[4096];
  int fd;
  if (snprintf(name, sizeof name, "%s.lock", file) >= (int)sizeof name) return -1;
  fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  while (fd >= 0 && flock(fd, LOCK_EX)) {
    if (errno == EINTR) continue;
    close(fd);
    fd = -1;
  }
  return fd;
}

static int load_state(const char *file, fr_client *client) {
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), good = 0;
  struct stat about;
  if (fd < 0) return 0;
  /* Another one's state is another one's login, and a state that others read is theirs too. */
  if (!fstat(fd, &about) && S_ISREG(about.st_mode) && about.st_uid == geteuid() && !(about.st_mode & (S_IRWXG | S_IRWXO)) &&
      about.st_size > 0 && about.st_size <= MAX_STATE) {
    size_t len = (size_t)about.st_size, n = 0;
    uint8_t *octets = malloc(len);
    ssize_t got = 1;
    while (octets && n < len && got > 0) {
      got = read(fd, octets + n, len - n);
      if (got > 0) n += (size_t)got;
      if (got < 0 && errno == EINTR) got = 1;
    }
    fr_octets state = {octets, n};
    good = octets && n == len && fr_client_load(client, state) == FR_OK;
    if (octets) explicit_bzero(octets, len);
    free(octets);
  }
  close(fd);
  return good;
}

/* The file has the old state or the new one, whatever happens. */
static int save_state(const char *file, fr_client *client) {
  char name[4096];
  fr_buf state;
  size_t n = 0;
  int fd = -1, good = 0;
  if (snprintf(name, sizeof name, "%s.new", file) >= (int)sizeof name) return 0;
  if (fr_client_save(client, &state) != FR_OK) return 0;
  unlink(name);
  fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  while (fd >= 0 && n < state.len) {
    ssize_t written = write(fd, state.data + n, state.len - n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    n += (size_t)written;
  }
  good = fd >= 0 && n == state.len && !fsync(fd);
  if (fd >= 0 && close(fd)) good = 0;
  fr_buf_free(&state);
  if (good) good = !rename(name, file);
  if (!good && fd >= 0) unlink(name);
  return good;
}

/* What a callback of the application says; NULL where there is none. `ask`: it has to be asked by a prompt. */
static const char *from_callback(const sasl_client_params_t *params, unsigned long id, int *ask) {
  sasl_callback_ft call = NULL;
  sasl_getsimple_t *simple;
  void *context = NULL;
  const char *value = NULL;
  int result = params->utils->getcallback(params->utils->conn, id, &call, &context);
  *ask = result == SASL_INTERACT;
  if (result != SASL_OK || !call) return NULL;
  /* Cyrus SASL's callbacks are of any type, by their number. */
  memcpy(&simple, &call, sizeof simple);
  return simple(context, (int)id, &value, NULL) == SASL_OK && value && *value ? value : NULL;
}

static const char *from_prompt(sasl_interact_t **prompts, unsigned long id) {
  sasl_interact_t *prompt = prompts ? *prompts : NULL;
  for (; prompt && prompt->id != SASL_CB_LIST_END; prompt++)
    if (prompt->id == id) return prompt->result;
  return NULL;
}

/* The name that the client logs in under: the one that it acts as, or else its own. */
static int login_name(const sasl_client_params_t *params, sasl_interact_t **prompts, const char **name) {
  int ask_user, ask = 0;
  *name = from_callback(params, SASL_CB_USER, &ask_user);
  if (*name) return SASL_OK;
  *name = from_prompt(prompts, SASL_CB_AUTHNAME);
  if (!*name) *name = from_callback(params, SASL_CB_AUTHNAME, &ask);
  if (*name && **name) return SASL_OK;
  if (!ask || !prompts) return SASL_BADPARAM;
  sasl_interact_t *needed = params->utils->malloc(2 * sizeof *needed);
  if (!needed) return SASL_NOMEM;
  memset(needed, 0, 2 * sizeof *needed);
  needed[0].id = SASL_CB_AUTHNAME;
  needed[0].challenge = "Login name";
  needed[0].prompt = "Please enter your login name";
  needed[1].id = SASL_CB_LIST_END;
  *prompts = needed;
  return SASL_INTERACT;
}

static int begin(struct login *login, sasl_client_params_t *params, const char *name) {
  struct side side = {params->utils, params->service, params->serverFQDN, params->cbinding, params->external_ssf};
  const char *service = fr_sasl_option(params->utils, "iky_service");
  fr_channel channel;
  fr_buf mechanism;
  int guard, result = SASL_NOUSER;
  if (!fr_sasl_channel(&side, login->mechanism, &channel)) return SASL_ENCRYPT;
  guard = lock_state(login->file);
  if (guard < 0) return SASL_FAIL;
  /* The application chose this mechanism. */
  if (fr_client_new(&login->client) == FR_OK && load_state(login->file, login->client) &&
      fr_client_connection_new(login->client, fr_str(service ? service : params->service), fr_str(name), &channel,
                               &login->connection) == FR_OK &&
      fr_client_connection_offered(login->connection, fr_str(login->mechanism->name)) == FR_OK &&
      fr_client_connection_plan(login->connection, fr_sasl_now(), &login->attempt) == FR_OK &&
      fr_attempt_message(login->attempt, &mechanism, &login->message) == FR_OK) {
    fr_buf_free(&mechanism);
    /* A counter that is used twice is a replay. */
    result = !fr_attempt_save_first(login->attempt) || save_state(login->file, login->client) ? SASL_OK : SASL_FAIL;
  }
  close(guard);
  return result;
}

/* Takes the server's message. Another process may have used the state meanwhile: what is in the file counts. */
static int finish(struct login *login, const char *message, unsigned len) {
  fr_octets said = {(const uint8_t *)message, len};
  /* An empty challenge is of a server that could not judge. One that says nothing at all claims a success. */
  int refused = !login->mechanism->is_ht && message && (!len || (len >= 2 && !memcmp(message, "e=", 2)));
  int guard = lock_state(login->file);
  if (guard < 0) return SASL_FAIL;
  int there = load_state(login->file, login->client);
  fr_result result =
    fr_client_connection_finish(login->connection, login->attempt, refused ? FR_STALE : FR_OK, said, fr_sasl_now());
  /* Whoever took the file away logged out. */
  if (there) save_state(login->file, login->client);
  close(guard);
  if (result == FR_OK) return SASL_OK;
  return result == FR_ABANDON ? SASL_BADSERV : SASL_BADAUTH;
}

static int mech_new(void *glob_context, sasl_client_params_t *params, void **context) {
  const char *file = state_file(params->utils);
  struct login *login;
  if (!file) return SASL_WRONGMECH;
  login = params->utils->malloc(sizeof *login);
  if (!login) return SASL_NOMEM;
  memset(login, 0, sizeof *login);
  login->mechanism = glob_context;
  /* What the environment or the application has may be gone at the next step. */
  login->file = params->utils->malloc(strlen(file) + 1);
  if (!login->file) {
    params->utils->free(login);
    return SASL_NOMEM;
  }
  strcpy(login->file, file);
  *context = login;
  return SASL_OK;
}

static int mech_step(void *context, sasl_client_params_t *params, const char *serverin, unsigned serverinlen,
                     sasl_interact_t **prompts, const char **clientout, unsigned *clientoutlen,
                     sasl_out_params_t *oparams) {
  struct login *login = context;
  const char *name;
  int result;
  *clientout = NULL;
  *clientoutlen = 0;
  if (login->attempt) {
    result = finish(login, serverin, serverinlen);
    if (result == SASL_OK) {
      fr_sasl_no_layer(oparams);
      oparams->doneflag = 1;
    } else
      params->utils->seterror(params->utils->conn, 0, result == SASL_BADSERV ? "the server did not show that it is it" :
                                                                               "not recognised: log in fully");
    return result;
  }
  /* It did not begin, and begins but once. */
  if (login->client) return SASL_FAIL;
  result = login_name(params, prompts, &name);
  if (result == SASL_OK) result = params->canon_user(params->utils->conn, name, 0, SASL_CU_AUTHID | SASL_CU_AUTHZID, oparams);
  if (prompts && *prompts && result != SASL_INTERACT) {
    params->utils->free(*prompts);
    *prompts = NULL;
  }
  if (result == SASL_OK) result = begin(login, params, name);
  if (result == SASL_NOUSER) params->utils->seterror(params->utils->conn, 0, "nothing is known here by this mechanism: log in fully");
  if (result != SASL_OK) return result;
  *clientout = (const char *)login->message.data;
  *clientoutlen = (unsigned)login->message.len;
  return SASL_CONTINUE;
}

static void mech_dispose(void *context, const sasl_utils_t *utils) {
  struct login *login = context;
  if (!login) return;
  fr_buf_free(&login->message);
  fr_attempt_free(login->attempt);
  fr_client_connection_free(login->connection);
  fr_client_free(login->client);
  utils->free(login->file);
  utils->free(login);
}

int sasl_client_plug_init(const sasl_utils_t *utils, int maxversion, int *out_version, sasl_client_plug_t **pluglist,
                          int *plugcount) {
  static const unsigned long prompts[] = {SASL_CB_AUTHNAME, SASL_CB_LIST_END};
  static sasl_client_plug_t plugs[MECHANISMS];
  if (maxversion < SASL_CLIENT_PLUG_VERSION) return SASL_BADVERS;
  /* Cyrus SASL takes the best mechanism that both ends have, and asks no more: without a state there is none of these. */
  if (!state_file(utils)) return SASL_NOMECH;
  for (int i = 0; i < MECHANISMS; i++) {
    const struct mechanism *mechanism = &fr_sasl_mechanisms[i];
    sasl_client_plug_t *plug = &plugs[i];
    memset(plug, 0, sizeof *plug);
    plug->mech_name = mechanism->name;
    plug->security_flags = fr_sasl_security(mechanism);
    plug->features = SASL_FEAT_WANT_CLIENT_FIRST;
    plug->required_prompts = prompts;
    plug->glob_context = (void *)mechanism;
    plug->mech_new = mech_new;
    plug->mech_step = mech_step;
    plug->mech_dispose = mech_dispose;
  }
  *out_version = SASL_CLIENT_PLUG_VERSION;
  *pluglist = plugs;
  *plugcount = MECHANISMS;
  return SASL_OK;
}
