/* The C interface of fast-reauth: client and server of the SASL mechanisms of IKY and HT, and of EXTERNAL on resumed TLS sessions. README.md has an example.
 *
 * This file is made from the Rust sources by cbindgen; a test sees to it that it is current.
 *
 * Ownership. A function that gives a handle (fr_store, fr_server, ...) by its last argument gives it to the caller, who frees it
 * with the function of its name; NULL is free to be freed. A handle keeps alive what it needs: a connection goes on when its server is freed.
 * What a function takes it reads while it runs, and keeps no pointer to. What it writes to by `out` holds NULL, or nothing, after it failed.
 *
 * Processes. A store is for the process that opened it. In a fork() it is FR_FORKED, also by the servers and connections that use it; they may be
 * freed there. A client's handles have the same counters in both, so one of the two is refused: load what is saved anew.
 *
 * Misuse. NULL where there must be something is FR_NULL, a length or a value that can't be is FR_INVALID, and a second use of what is used up is FR_SPENT. A
 * fault inside is FR_INTERNAL: nothing is thrown. What can't be noticed: a pointer to what is not there any more, or to something else.
 *
 * Threads. All functions may be called from any thread, those of one handle at once too; but nobody may use a handle while, or after, it is freed.
 *
 * Time is an argument: seconds since 1970, of a clock that is right within a minute; 0, and what can only be milliseconds or a failed time(), is FR_INVALID. Random numbers come from the system (getrandom() and the like).
 *
 * Version. A program that is linked with a shared library asks fr_is_of_this_header() once, as structures and functions may change.
 *
 * Text is UTF-8 with its length. Lengths are in octets.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 Which structures and functions this header is of. It changes with them.
 */
#define FR_ABI 1

/*
 TLS 1.3 (RFC 8446).
 */
#define FR_TLS_1_3 772

/*
 TLS 1.2 (RFC 5246).
 */
#define FR_TLS_1_2 771

/*
 TLS really resumed an earlier session.
 */
#define FR_CHANNEL_RESUMED 1

/*
 What the client sends now may travel as TLS 1.3 early data. Nobody is recognised by that.
 */
#define FR_CHANNEL_EARLY_DATA 2

/*
 The key exchange had no (EC)DHE: TLS 1.3 `psk_ke`, TLS 1.2 with static RSA. Nobody is recognised on that.
 */
#define FR_CHANNEL_NO_DHE 4

/*
 TLS 1.2: the extended master secret (RFC 7627) was negotiated. Without it nobody is recognised.
 */
#define FR_CHANNEL_EXTENDED_MASTER_SECRET 8

/*
 The server keeps its TLS sessions itself, and not in tickets. TLS 1.2 needs it.
 */
#define FR_CHANNEL_STATEFUL 16

/*
 A server that can't see which server name the client asked for: `server_name` is the one that it is configured with.
 */
#define FR_CHANNEL_NAME_ASSUMED 32

/*
 The full mechanism used no channel binding.
 */
#define FR_BINDING_NONE 0

/*
 It used tls-exporter (RFC 9266).
 */
#define FR_BINDING_TLS_EXPORTER 1

/*
 It used tls-server-end-point (RFC 5929).
 */
#define FR_BINDING_TLS_SERVER_END_POINT 2

/*
 It used tls-unique (RFC 5929).
 */
#define FR_BINDING_TLS_UNIQUE 3

/*
 What a function answers. FR_OK, which is 0, is the only yes: logged in, recognised, done. Everything else is no.
 */
typedef enum fr_result {
  /*
   Done; for a login: the client is who it was.
   */
  FR_OK = 0,
  /*
   Not recognised: the server does not know the assertion or token: never did, dropped it, or it expired.
   */
  FR_STALE = 1,
  /*
   Not recognised: the user or the operator ended it.
   */
  FR_REVOKED = 2,
  /*
   Not recognised: the last full login is too long ago, or was too weak.
   */
  FR_FULL_AUTHENTICATION_DUE = 3,
  /*
   Not recognised: the server offers other mechanisms than at the last full login.
   */
  FR_CONFIGURATION_CHANGED = 4,
  /*
   Not recognised: another channel binding than the mechanism's, or none.
   */
  FR_BINDING_MISMATCH = 5,
  /*
   Not recognised: the counter was used before.
   */
  FR_REPLAYED = 6,
  /*
   Not recognised: the proof is wrong.
   */
  FR_BAD_PROOF = 7,
  /*
   Not recognised: the message does not follow the grammar.
   */
  FR_MALFORMED = 8,
  /*
   The store does not answer. Try again later.
   */
  FR_UNAVAILABLE = 9,
  /*
   Not logged in. Ask for a plan again: there is another assertion to try, on this connection.
   */
  FR_TRY_PREDECESSOR = 20,
  /*
   Not logged in. Log in fully, on this connection.
   */
  FR_FULL_LOGIN = 21,
  /*
   Not logged in. Close, connect without TLS resumption, and log in fully there.
   */
  FR_FULL_HANDSHAKE = 22,
  /*
   Not logged in. Close: whoever answered did not show that it is the server.
   */
  FR_ABANDON = 23,
  /*
   Not logged in. The same again, later; or a full login.
   */
  FR_LATER = 24,
  /*
   The full login stands, but the client does not become known by it: its channel or its mechanism is not fit for it, the
   server lists nothing that is, or the store has no room.
   */
  FR_NOT_KNOWN = 30,
  /*
   A pointer that must not be NULL is NULL.
   */
  FR_NULL = 100,
  /*
   An argument is not what it may be: see the function.
   */
  FR_INVALID = 101,
  /*
   The attempt was finished before.
   */
  FR_SPENT = 102,
  /*
   A fault of this library, which was stopped. The handles of the call are no longer to be used, but to be freed.
   */
  FR_INTERNAL = 103,
  /*
   The system has no random numbers.
   */
  FR_NO_RANDOM = 104,
  /*
   The store's file can't be opened: the operating system says no.
   */
  FR_IO = 105,
  /*
   The store's file is open elsewhere.
   */
  FR_IN_USE = 106,
  /*
   The store's file, or a client's state, is damaged, or something else.
   */
  FR_DAMAGED = 107,
  /*
   The store's file is of another version.
   */
  FR_VERSION = 108,
  /*
   Called from a callback that this library runs.
   */
  FR_CALLBACK = 109,
  /*
   The handle's store was opened by another process, of which this one is a fork().
   */
  FR_FORKED = 110,
} fr_result;

/*
 An attempt to be recognised. It belongs to its connection, and is finished once.
 */
typedef struct fr_attempt fr_attempt;

/*
 All accounts of a client. For many threads.
 */
typedef struct fr_client fr_client;

/*
 One connection to the server of an account. For one thread at a time; another one that comes meanwhile waits.
 */
typedef struct fr_client_connection fr_client_connection;

/*
 A service that recognises its clients: what is configured once. For many threads; connections go on with what was configured when they began.
 */
typedef struct fr_server fr_server;

/*
 One connection of a server. For one thread at a time; another one that comes meanwhile waits.
 */
typedef struct fr_server_connection fr_server_connection;

/*
 What a server remembers of its clients. For many threads.
 */
typedef struct fr_store fr_store;

/*
 Octets that a function gives, and that the caller frees with fr_buf_free(), which wipes them.

 Whatever a buffer held is overwritten and not freed, so that it need not be initialised: it is empty (NULL, 0) after a call that failed.
 Free it before it is used again. There is no NUL at the end.
 */
typedef struct fr_buf {
  /*
   The first octet; NULL when it is empty.
   */
  uint8_t *data;
  /*
   How many there are.
   */
  size_t len;
} fr_buf;

/*
 Octets that a function reads while it runs, and keeps no pointer to.

 Of the length 0 with any pointer, NULL included, it is empty. What is said to be text is UTF-8 without NUL at its end; fr_str()
 makes one of a C string.
 */
typedef struct fr_octets {
  /*
   The first octet.
   */
  const uint8_t *data;
  /*
   How many there are.
   */
  size_t len;
} fr_octets;

/*
 Another service of the same provider, at which the client becomes known by the same login.
 */
typedef struct fr_sibling {
  /*
   Its service name, as "smtp".
   */
  struct fr_octets service;
  /*
   Its server name, as "smtp.example.com".
   */
  struct fr_octets server_name;
  /*
   The IKY mechanism to use there, as "IKY-SHA-256-NONE".
   */
  struct fr_octets mechanism;
} fr_sibling;

/*
 A TLS exporter (RFC 5705, RFC 8446 section 7.5): fills `out` for this label and this context, which is present also where it is empty.

 Returns 1 on success and anything else on failure, as OpenSSL's SSL_export_keying_material() does; 1 with nothing but zeros in `out` is a
 failure too. It must not leave by longjmp() or an exception, and calls no function of this library: that is FR_CALLBACK.
 */
typedef int (*fr_exporter)(void *user,
                           const uint8_t *label,
                           size_t label_len,
                           const uint8_t *context,
                           size_t context_len,
                           uint8_t *out,
                           size_t out_len);

/*
 What one end knows of its TLS connection, after the handshake. Set all of it to 0 first; what stays 0 counts as unknown, and what would need
 it is refused.
 */
typedef struct fr_channel {
  /*
   FR_TLS_1_3 or FR_TLS_1_2; anything else, 0 too, is FR_INVALID.
   */
  uint32_t tls;
  /*
   FR_CHANNEL_* of what is so.
   */
  uint32_t flags;
  /*
   The server name (SNI) that the client sent; empty where it sent none.
   */
  struct fr_octets server_name;
  /*
   The connection's exporter, which is called until the function returns, and not later; or NULL.
   */
  fr_exporter exporter;
  /*
   What `exporter` is called with.
   */
  void *exporter_user;
  /*
   Without `exporter`: the tls-exporter channel binding (RFC 9266) alone, 32 octets; or empty.
   */
  struct fr_octets tls_exporter;
  /*
   The tls-server-end-point channel binding (RFC 5929), 28 to 64 octets; or empty.
   */
  struct fr_octets tls_server_end_point;
  /*
   Server, where TLS sessions resume: the handle of this connection, of fr_handle_new(), which its TLS session carries. Or empty.
   */
  struct fr_octets handle;
  /*
   What the TLS session that was resumed carried or was kept with; or empty. It counts with FR_CHANNEL_RESUMED only. Server: the handle of the connection that the
   session comes from. Client: what fr_client_connection_session() gave there.
   */
  struct fr_octets predecessor;
} fr_channel;

/*
 What a client sent.
 */
typedef struct fr_request {
  /*
   The mechanism's name: one of IKY or HT, or EXTERNAL where fr_server_list() had it. Any other is FR_INVALID, and for the application's
   full SASL engine.
   */
  struct fr_octets mechanism;
  /*
   The initial response, decoded from whatever the protocol encodes it with.
   */
  struct fr_octets message;
  /*
   HT: which installation of the client it is (the id of XMPP's user-agent element), 1 to 255 octets. In protocols that do not say it, one that is
   agreed upon. Not used with IKY.
   */
  struct fr_octets client_id;
  /*
   HT: `count` of XMPP's fast element; 0 where there is none.
   */
  uint64_t count;
} fr_request;

/*
 What came of an attempt. Free it with fr_verdict_free().
 */
typedef struct fr_verdict {
  /*
   FR_OK, or one of the outcomes up to FR_UNAVAILABLE. Anything from 100 on: it was not judged.
   */
  enum fr_result outcome;
  /*
   What goes to the client: IKY's whatever the outcome is; HT's with success.
   */
  struct fr_buf message;
  /*
   With FR_OK: the account, as the server called it at the full login. Empty otherwise.
   */
  struct fr_buf identity;
  /*
   With FR_OK: the name that the client logged in under.
   */
  struct fr_buf login_name;
  /*
   HT, with FR_OK: the token that the client is to have from now on; empty where it keeps the one that it has.
   */
  struct fr_buf token;
  /*
   When that token ends, in seconds since 1970.
   */
  uint64_t token_expires;
  /*
   Not 0 where it counts as a failed login, against the peer's address.
   */
  uint8_t counts_as_failure;
} fr_verdict;

/*
 A full login that succeeded. Client and server have to say the same of it. Set all of it to 0 first.
 */
typedef struct fr_login {
  /*
   The SASL mechanism, as "SCRAM-SHA-256-PLUS". One that recognises a client, such as EXTERNAL or IKY, is FR_INVALID.
   */
  struct fr_octets mechanism;
  /*
   The authzid as the client sent it; if it sent none, the authcid as sent. 255 octets at most, none of them NUL.
   */
  struct fr_octets login_name;
  /*
   FR_BINDING_*: the channel binding that the mechanism used.
   */
  uint32_t binding;
  /*
   The full mechanism's session key of 1 to 64 octets, where both ends are configured to give it; or empty.
   */
  struct fr_octets session_key;
  /*
   The exporter of the very connection; or NULL, where only a token is wanted.
   */
  fr_exporter exporter;
  /*
   What `exporter` is called with.
   */
  void *exporter_user;
} fr_login;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Wipes and frees what a buffer holds, and leaves it empty. Nothing for NULL, or an empty one.
 */
void fr_buf_free(struct fr_buf *buf);

/*
 FR_ABI of the header that belongs to this library: fr_is_of_this_header() compares.
 */
uint32_t fr_abi(void);

/*
 The name of a result, as "FR_STALE", for a log; "FR_?" for a number that is none. It is never freed.
 */
const char *fr_result_name(int32_t result);

/*
 Opens a store, by its location:

 "memory": in this process; it ends with the last handle that uses it.

 "redb:FILE": in a file of this machine, which is made where it is not there, for its owner only (mode 0600). One process at a
 time has it open; the others get FR_IN_USE. It is let go with the last handle that uses it.

 "redis://USER:PASSWORD@HOST:PORT/DATABASE", of which the host is enough, or "unix:" and a path: in a Valkey or Redis 7, for many processes on many machines. Only if this library
 was built with the feature redis. Whether it answers shows at the first use.

 FR_INVALID: no such location. FR_IO, FR_IN_USE, FR_DAMAGED, FR_VERSION: the file.
 */
enum fr_result fr_store_open(struct fr_octets location,
                             struct fr_store **out);

/*
 Ends every client of an account, in every service: after a change of password, say. `revoked` gets how many there were; it may be NULL.

 `now`: seconds since 1970.
 */
enum fr_result fr_store_revoke(const struct fr_store *store,
                               struct fr_octets identity,
                               uint64_t now,
                               size_t *revoked);

/*
 Frees a store. Servers that use it go on.
 */
void fr_store_free(struct fr_store *store);

/*
 A server of this service ("imap", "smtp", "ldap"; 1 to 63 lower-case letters, digits and "-") under this server name, which lists
 nothing yet.
 */
enum fr_result fr_server_new(const struct fr_store *store,
                             struct fr_octets service,
                             struct fr_octets server_name,
                             struct fr_server **out);

/*
 The mechanisms that the server lists, in the order of preference, with spaces in between: those of IKY and HT, and those for full logins, of which it needs
 to know the names. It takes the place of an earlier list.

 A mechanism whose channel binding a connection does not have is not listed there. EXTERNAL is for servers whose TLS sessions carry handles (fr_handle_new()):
 it is listed on a connection that resumes the session of a client that is known.
 */
enum fr_result fr_server_list(const struct fr_server *server,
                              struct fr_octets mechanisms);

/*
 A service key, of 32 secret random octets, which HT's tokens are made with. The first one given makes new tokens; the others, 15 at most, are for
 tokens made with them before. Keep them across restarts.
 */
enum fr_result fr_server_key(const struct fr_server *server,
                             uint32_t id,
                             struct fr_octets key);

/*
 16 fresh random octets, for one connection: the server gives them to TLS, to be carried by the sessions that the connection makes, and says so in
 `handle` of its channel. What a resumed session carried is `predecessor`. Sessions that the server keeps itself need FR_CHANNEL_STATEFUL: EXTERNAL
 is not for tickets that a stolen key opens.
 */
enum fr_result fr_handle_new(struct fr_buf *out);

/*
 Seals what the server knows of its clients, under the keys of fr_server_key(): from its first use on, an assertion of a mechanism of IKY with -EXPR is in its
 client's hands, and the store keeps one row for each account. Login names have to be unique at the service. Clients need nothing for it.
 */
enum fr_result fr_server_seal(const struct fr_server *server);

/*
 A service at which the clients that log in here become known too. The client names it as well.
 */
enum fr_result fr_server_sibling(const struct fr_server *server, const struct fr_sibling *sibling);

/*
 Frees a server. Its connections go on.
 */
void fr_server_free(struct fr_server *server);

/*
 A connection, after the TLS handshake. On one that resumes a session, the store is asked who that is; where it does not answer, it is nobody.

 FR_INVALID: the channel says what can't be, or its exporter fails; or HT is listed or the server seals, and there is no key.
 */
enum fr_result fr_server_connection_new(const struct fr_server *server,
                                        const struct fr_channel *channel,
                                        uint64_t now,
                                        struct fr_server_connection **out);

/*
 The names of the mechanisms to list on this connection, with spaces in between.
 */
enum fr_result fr_server_connection_mechanisms(const struct fr_server_connection *connection,
                                               uint64_t now,
                                               struct fr_buf *out);

/*
 Judges what a client sent. Returns the outcome, which `out` has too, with all that belongs to it: FR_OK if and only if the client is recognised, and
 what had to be durable is.

 Free `out` with fr_verdict_free() whatever is returned.
 */
enum fr_result fr_server_connection_receive(const struct fr_server_connection *connection,
                                            const struct fr_request *request,
                                            uint64_t now,
                                            struct fr_verdict *out);

/*
 After FR_OK, and once the client was told so: stores that it was here, so that who resumes the TLS session of this connection is recognised in turn. Nothing
 where there is no `handle`, or was no FR_OK. After a full login it is not needed. FR_UNAVAILABLE: who resumes it is not recognised by it.
 */
enum fr_result fr_server_connection_completed(const struct fr_server_connection *connection,
                                              uint64_t now);

/*
 Frees what a verdict holds, and leaves it empty. Nothing for NULL.
 */
void fr_verdict_free(struct fr_verdict *verdict);

/*
 After a full login, and before success is sent: makes the client known, at this service for the mechanisms of IKY that it lists, and at its siblings.

 `identity` is the account, as the server calls it; not empty. The login stands whatever is returned. FR_OK: the client is known, and that is durable. FR_NOT_KNOWN,
 FR_UNAVAILABLE: it logs in fully the next time.
 */
enum fr_result fr_server_connection_logged_in(const struct fr_server_connection *connection,
                                              const struct fr_login *full_login,
                                              struct fr_octets identity,
                                              uint64_t now);

/*
 The same for a client that asked for a token, for an HT mechanism that the server lists. The token goes to the client with success, on this connection.

 `client_id`: see fr_request. `expires` gets when the token ends, in seconds since 1970. FR_OK: the token is durable; whether the client is known
 by IKY as well depends on the exporter.
 */
enum fr_result fr_server_connection_logged_in_with_token(const struct fr_server_connection *connection,
                                                         const struct fr_login *full_login,
                                                         struct fr_octets identity,
                                                         struct fr_octets mechanism,
                                                         struct fr_octets client_id,
                                                         uint64_t now,
                                                         struct fr_buf *token,
                                                         uint64_t *expires);

/*
 Frees a connection.
 */
void fr_server_connection_free(struct fr_server_connection *connection);

/*
 A client that knows no server yet.
 */
enum fr_result fr_client_new(struct fr_client **out);

/*
 All that has to survive a restart, as octets. They are secret: whoever has them is this client.
 */
enum fr_result fr_client_save(const struct fr_client *client, struct fr_buf *out);

/*
 Takes what fr_client_save() gave, in the place of everything that the client knows. FR_DAMAGED: it is something else, and nothing changed.

 A state that is older than the last one used makes the server take its counters for replays.
 */
enum fr_result fr_client_load(const struct fr_client *client,
                              struct fr_octets state);

/*
 Forgets an account, as when the user removes it or logs out.
 */
enum fr_result fr_client_forget(const struct fr_client *client,
                                struct fr_octets service,
                                struct fr_octets server_name,
                                struct fr_octets login_name);

/*
 Frees a client. Its connections go on.
 */
void fr_client_free(struct fr_client *client);

/*
 A connection to this service, for the account of this login name, after the TLS handshake; the server name is the channel's.

 FR_INVALID: the channel says what can't be, as a `handle`, which is a server's; its exporter fails; or `predecessor` is of another account, whose TLS sessions are not for
 this one. FR_DAMAGED: `predecessor` is something else.
 */
enum fr_result fr_client_connection_new(const struct fr_client *client,
                                        struct fr_octets service,
                                        struct fr_octets login_name,
                                        const struct fr_channel *channel,
                                        struct fr_client_connection **out);

/*
 The mechanisms that the server lists here, with spaces in between, in any order. Where the client speaks first, those of the last time stand until this is
 called.
 */
enum fr_result fr_client_connection_offered(const struct fr_client_connection *connection,
                                            struct fr_octets mechanisms);

/*
 How to log in here. FR_OK: the server knows this client; send what `out` has, and wait for nothing. FR_FULL_LOGIN, FR_FULL_HANDSHAKE, FR_ABANDON: there is no
 attempt to make, do that instead.
 */
enum fr_result fr_client_connection_plan(const struct fr_client_connection *connection,
                                         uint64_t now,
                                         struct fr_attempt **out);

/*
 What to send: the mechanism's name, and the message, which the protocol encodes. FR_SPENT after fr_client_connection_finish().
 */
enum fr_result fr_attempt_message(const struct fr_attempt *attempt,
                                  struct fr_buf *mechanism,
                                  struct fr_buf *message);

/*
 1 where the client has to be saved before the message is sent, as it has a counter; and for NULL or an attempt that is finished. 0 otherwise.
 */
int fr_attempt_save_first(const struct fr_attempt *attempt);

/*
 HT: `count` for XMPP's fast element; 0 where there is none.
 */
uint64_t fr_attempt_count(const struct fr_attempt *attempt);

/*
 Takes what came of an attempt: FR_OK as `outcome` where the protocol says that the client is logged in, FR_STALE where it refuses (or another one of the outcomes, where
 its codes tell); and the server's message, or nothing.

 Returns FR_OK if and only if the client is logged in and the server showed that it is the server: whatever the protocol says, a connection with
 another result is not to be used. Otherwise what to do next: FR_TRY_PREDECESSOR, FR_FULL_LOGIN, FR_FULL_HANDSHAKE, FR_ABANDON, FR_LATER.

 Save the client afterwards. The attempt is spent, and still to be freed; a second call is FR_SPENT. FR_INVALID, which spends nothing: an outcome that is none, or
 another connection's attempt.
 */
enum fr_result fr_client_connection_finish(const struct fr_client_connection *connection,
                                           const struct fr_attempt *attempt,
                                           int32_t outcome,
                                           struct fr_octets message,
                                           uint64_t now);

/*
 Frees an attempt, finished or not.
 */
void fr_attempt_free(struct fr_attempt *attempt);

/*
 After a full login: makes what the next connection will use, here and at the siblings that the account's settings name. The login name has to be that
 of the connection. Save the client afterwards.

 The login stands whatever is returned. FR_NOT_KNOWN: there is nothing for this service; for the siblings there may be.
 */
enum fr_result fr_client_connection_logged_in(const struct fr_client_connection *connection,
                                              const struct fr_login *full_login,
                                              const struct fr_sibling *siblings,
                                              size_t siblings_len,
                                              uint64_t now);

/*
 After a login: what to keep beside each TLS session of this connection, and to give as `predecessor` of the connection that resumes it. It is secret, and for the
 same account only; so keep the sessions by account, and none of a connection before its login, whose result here is FR_NOT_KNOWN. After FR_FULL_HANDSHAKE
 and FR_ABANDON forget the account's sessions.

 A TLS 1.2 session that was resumed stays that of its full handshake, so this gives what `predecessor` was.

 FR_NOT_KNOWN: there was no login, or the channel has no exporter; or it resumed a TLS 1.2 session, and had no `predecessor`.
 */
enum fr_result fr_client_connection_session(const struct fr_client_connection *connection,
                                            struct fr_buf *out);

/*
 After a full login with which the server sent a token, for this HT mechanism, that ends then (seconds since 1970). Save the client afterwards.
 */
enum fr_result fr_client_connection_token_issued(const struct fr_client_connection *connection,
                                                 const struct fr_login *full_login,
                                                 struct fr_octets mechanism,
                                                 struct fr_octets token,
                                                 uint64_t expires,
                                                 uint64_t now);

/*
 After a login with a token whose success brought another one. Save the client afterwards.
 */
enum fr_result fr_client_connection_token_rotated(const struct fr_client_connection *connection,
                                                  struct fr_octets token,
                                                  uint64_t expires,
                                                  uint64_t now);

/*
 Frees a connection. Its attempts are still to be freed.
 */
void fr_client_connection_free(struct fr_client_connection *connection);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* Whether the library that runs is the one that this header is of; 0 where it is not, and then nothing else is to be called. */
static inline int fr_is_of_this_header(void) {
  return fr_abi() == FR_ABI;
}

/* A C string as octets; none for NULL. */
static inline fr_octets fr_str(const char *string) {
  fr_octets octets;
  octets.data = (const uint8_t *)string;
  octets.len = string ? strlen(string) : 0;
  return octets;
}

/* What a buffer holds as octets, for as long as it holds them. */
static inline fr_octets fr_buf_octets(const fr_buf *buf) {
  fr_octets octets;
  octets.data = buf->data;
  octets.len = buf->len;
  return octets;
}
