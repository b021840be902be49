/* What the two sides of the Cyrus SASL plug-in share. */
#include "plugin.h"

#include <strings.h>
#include <time.h>

const struct mechanism fr_sasl_mechanisms[MECHANISMS] = {
  {"IKY-SHA-256-EXPR", BINDING_EXPORTER, 0}, {"IKY-SHA-256-ENDP", BINDING_END_POINT, 0},
  {"IKY-SHA-256-NONE", BINDING_NONE, 0},     {"HT-SHA-256-EXPR", BINDING_EXPORTER, 1},
  {"HT-SHA-256-ENDP", BINDING_END_POINT, 1}, {"HT-SHA-256-NONE", BINDING_NONE, 1},
};

const char *fr_sasl_option(const sasl_utils_t *utils, const char *name) {
  const char *value = NULL;
  unsigned len = 0;
  if (!utils->getopt || utils->getopt(utils->getopt_context, "IKY", name, &value, &len) != SASL_OK) return NULL;
  return value && *value ? value : NULL;
}

int fr_sasl_says_yes(const sasl_utils_t *utils, const char *name) {
  const char *value = fr_sasl_option(utils, name);
  return value && (!strcasecmp(value, "yes") || !strcasecmp(value, "true") || !strcmp(value, "1"));
}

fr_octets fr_sasl_server_name(const struct side *side) {
  const char *configured = fr_sasl_option(side->utils, "iky_server_name");
  return fr_str(configured ? configured : side->server_name);
}

/* The binding of this type. OpenLDAP calls all of them "ldap", and has the type in front of the data, as RFC 5056 has it. */
static fr_octets binding_data(const sasl_channel_binding_t *binding, const char *type) {
  fr_octets data = {NULL, 0};
  size_t len = strlen(type);
  if (!binding || !binding->name || !binding->data) return data;
  data.data = binding->data;
  data.len = binding->len;
  if (data.len > len && !memcmp(data.data, type, len) && data.data[len] == ':') {
    data.data += len + 1;
    data.len -= len + 1;
  } else if (strcasecmp(binding->name, type)) {
    data.data = NULL;
    data.len = 0;
  }
  return data;
}

int fr_sasl_channel(const struct side *side, const struct mechanism *mechanism, fr_channel *channel) {
  memset(channel, 0, sizeof *channel);
  /* Cyrus SASL does not say which TLS it is, nor whether it resumed a session: README.md says what an operator vouches for. */
  channel->tls = FR_TLS_1_3;
  channel->server_name = fr_sasl_server_name(side);
  if (!side->external_ssf && !fr_sasl_says_yes(side->utils, "iky_without_tls")) return 0;
  switch (mechanism->binding) {
  case BINDING_EXPORTER:
    channel->tls_exporter = binding_data(side->binding, "tls-exporter");
    return channel->tls_exporter.len > 0;
  case BINDING_END_POINT:
    channel->tls_server_end_point = binding_data(side->binding, "tls-server-end-point");
    return channel->tls_server_end_point.len > 0;
  default:
    return 1;
  }
}

unsigned fr_sasl_security(const struct mechanism *mechanism) {
  unsigned flags = SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH | SASL_SEC_NODICTIONARY;
  /* A message of HT that is not bound to its connection is the same every time: whoever sees it has it. */
  if (!mechanism->is_ht || mechanism->binding == BINDING_EXPORTER) flags |= SASL_SEC_NOPLAINTEXT;
  if (mechanism->binding == BINDING_EXPORTER) flags |= SASL_SEC_NOACTIVE;
  return flags;
}

void fr_sasl_no_layer(sasl_out_params_t *oparams) {
  oparams->mech_ssf = 0;
  oparams->maxoutbuf = 0;
  oparams->encode_context = oparams->decode_context = NULL;
  oparams->encode = NULL;
  oparams->decode = NULL;
  oparams->param_version = 0;
}

uint64_t fr_sasl_now(void) {
  time_t now = time(NULL);
  return now < 0 ? 0 : (uint64_t)now;
}
