/* What the two sides of the Cyrus SASL plug-in share: its mechanisms, its options, and what it may know of TLS. */
#ifndef FAST_REAUTH_CYRUS_PLUGIN_H
#define FAST_REAUTH_CYRUS_PLUGIN_H

#include "fast_reauth.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

enum binding { BINDING_NONE, BINDING_END_POINT, BINDING_EXPORTER };

struct mechanism {
  const char *name;
  enum binding binding;
  int is_ht;
};

#define MECHANISMS 6
extern const struct mechanism fr_sasl_mechanisms[MECHANISMS];

/* What Cyrus SASL says of itself in every place that it calls a plug-in from, whichever side it is. */
struct side {
  const sasl_utils_t *utils;
  const char *service;
  const char *server_name;
  const sasl_channel_binding_t *binding;
  sasl_ssf_t external_ssf;
};

/* An option of the configuration file, or NULL. */
const char *fr_sasl_option(const sasl_utils_t *utils, const char *name);

/* Whether an option is there and says yes. */
int fr_sasl_says_yes(const sasl_utils_t *utils, const char *name);

/* The server name: an option's, or that which the application gave. */
fr_octets fr_sasl_server_name(const struct side *side);

/* What is known of the channel; 0 where this mechanism can't be used on it. */
int fr_sasl_channel(const struct side *side, const struct mechanism *mechanism, fr_channel *channel);

/* SASL_SEC_* of what this mechanism is. */
unsigned fr_sasl_security(const struct mechanism *mechanism);

/* What the library's callers find set, as another mechanism may have begun before on this connection: there is no layer of security. */
void fr_sasl_no_layer(sasl_out_params_t *oparams);

/* The present time. */
uint64_t fr_sasl_now(void);

#endif
