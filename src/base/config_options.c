/*
 * config_options.c: the table itself. The manual and petsd.conf(5) are checked against it.
 */
#include "base/config_options.h"
#include "base/config.h"

#define AT(member) offsetof(struct config, member)

enum {
    TEXT_MAX = 180,
    SOCKET_MAX = 107,
    HOURS_MS = 3600000,
    YEARS_S = 315360000,
    RELOAD = true,
    RESTART = false
};

static const char *const pool_words[] = {"api", "auth", "ops", NULL};
static const char *const sslmode_words[] = {"disable", "require", "verify-ca", "verify-full", NULL};
/* In the order of enum log_level. */
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};

/* clang-format off */
const struct config_option config_options[] = {
{"pool", "name", CONFIG_WORD, AT(pool.name), "", 1, 0, "", pool_words, RESTART,
    "which pool this is: api serves pets, auth accounts; ops is for the tools"},
{"pool", "workers", CONFIG_INT, AT(pool.workers), "0", 0, 256, "processes", NULL, RELOAD,
    "worker processes; 0: one for each processor this process may use"},
{"pool", "listen", CONFIG_LISTEN, AT(pool.listen), "", 0, SOCKET_MAX, "", NULL, RESTART,
    "FastCGI socket; systemd: passed in LISTEN_FDS; fd:0: passed by spawn-fcgi"},
{"pool", "listen_mode", CONFIG_MODE, AT(pool.listen_mode), "0660", 0600, 0666, "", NULL, RESTART,
    "mode of the socket when it is a path"},
{"pool", "listen_group", CONFIG_STRING, AT(pool.listen_group), "", 0, 32, "", NULL, RESTART,
    "group of the socket when it is a path; empty: that of the process"},
{"pool", "ops_listen", CONFIG_LISTEN, AT(pool.ops_listen), "", 0, SOCKET_MAX, "", NULL, RESTART,
    "FastCGI socket of the ops worker (/live /ready /status /metrics); empty: no ops worker"},
{"pool", "ops_listen_mode", CONFIG_MODE, AT(pool.ops_listen_mode), "0660", 0600, 0666, "", NULL, RESTART,
    "mode of that socket"},
{"pool", "ops_listen_group", CONFIG_STRING, AT(pool.ops_listen_group), "", 0, 32, "", NULL, RESTART,
    "group of that socket"},
{"pool", "backlog", CONFIG_INT, AT(pool.backlog), "511", 1, 65535, "connections", NULL, RESTART,
    "connections waiting to be accepted; beyond it nginx answers 502 at once"},
{"pool", "max_connections", CONFIG_INT, AT(pool.max_connections), "512", 1, 65535, "connections", NULL, RELOAD,
    "connections of the web server that a worker keeps"},
{"pool", "max_requests", CONFIG_INT64, AT(pool.max_requests), "0", 0, INT64_C(1000000000000), "requests", NULL, RELOAD,
    "a worker is replaced after so many, or up to a quarter more; 0: never"},
{"pool", "request_timeout_ms", CONFIG_INT, AT(pool.request_timeout_ms), "10000", 10, HOURS_MS, "ms", NULL, RELOAD,
    "a request that takes longer is answered with 504"},
{"pool", "slow_request_ms", CONFIG_INT, AT(pool.slow_request_ms), "1000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "a request that takes longer is logged while it runs; 0: never"},
{"pool", "kill_timeout_ms", CONFIG_INT, AT(pool.kill_timeout_ms), "30000", 100, HOURS_MS, "ms", NULL, RELOAD,
    "a worker that is stuck for so long is killed"},
{"pool", "queue_max", CONFIG_INT, AT(pool.queue_max), "256", 1, 65535, "requests", NULL, RELOAD,
    "requests of a worker waiting for a database connection; more are answered with 503"},
{"pool", "queue_max_wait_ms", CONFIG_INT, AT(pool.queue_max_wait_ms), "2000", 1, HOURS_MS, "ms", NULL, RELOAD,
    "a request that has waited for longer is answered with 503"},
{"pool", "io_timeout_ms", CONFIG_INT, AT(pool.io_timeout_ms), "1000", 10, 60000, "ms", NULL, RELOAD,
    "how long the web server may hold up a worker in the middle of a request or an answer"},
{"pool", "drain_timeout_ms", CONFIG_INT, AT(pool.drain_timeout_ms), "30000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "how long a leaving worker serves its kept connections before it gets TERM"},
{"pool", "term_timeout_ms", CONFIG_INT, AT(pool.term_timeout_ms), "5000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "how long after TERM it gets KILL"},
{"pool", "start_timeout_ms", CONFIG_INT, AT(pool.start_timeout_ms), "10000", 10, HOURS_MS, "ms", NULL, RELOAD,
    "how long a new worker may take to be ready"},

{"database", "host", CONFIG_STRING, AT(database.host), "/run/postgresql", 1, TEXT_MAX, "", NULL, RELOAD,
    "the directory of PostgreSQL's Unix socket, or host names separated by commas"},
{"database", "port", CONFIG_INT, AT(database.port), "5432", 1, 65535, "", NULL, RELOAD,
    "port of the server, also in the name of its Unix socket"},
{"database", "name", CONFIG_STRING, AT(database.name), "pets", 1, 63, "", NULL, RELOAD,
    "name of the database"},
{"database", "user", CONFIG_STRING, AT(database.user), "", 0, 63, "", NULL, RELOAD,
    "role to log in as; empty: the name of the system user"},
{"database", "password_file", CONFIG_SECRET, AT(database.password_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the password of the role; empty: none (peer authentication)"},
{"database", "sslmode", CONFIG_WORD, AT(database.sslmode), "verify-full", 0, 0, "", sslmode_words, RELOAD,
    "how a connection is secured: verify-full by TCP; a Unix socket needs no TLS"},
{"database", "sslrootcert", CONFIG_PATH, AT(database.sslrootcert), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the certificates of the authorities to trust; empty: libpq's default"},
{"database", "connections", CONFIG_INT, AT(database.connections), "4", 1, 64, "connections", NULL, RELOAD,
    "connections of each worker to the database"},
{"database", "connect_timeout_ms", CONFIG_INT, AT(database.connect_timeout_ms), "3000", 10, 60000, "ms", NULL, RELOAD,
    "how long a connection may take to be ready"},
{"database", "statement_timeout_ms", CONFIG_INT, AT(database.statement_timeout_ms), "5000", 1, HOURS_MS, "ms", NULL, RELOAD,
    "PostgreSQL cancels a statement that takes longer"},
{"database", "reconnect_max_ms", CONFIG_INT, AT(database.reconnect_max_ms), "5000", 10, 600000, "ms", NULL, RELOAD,
    "longest pause between two attempts to connect"},

{"token", "issuer", CONFIG_STRING, AT(token.issuer), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "issuer of access tokens: the address of the service"},
{"token", "audience", CONFIG_STRING, AT(token.audience), "pets-api", 1, TEXT_MAX, "", NULL, RELOAD,
    "audience of access tokens"},
{"token", "lifetime_s", CONFIG_INT, AT(token.lifetime_s), "600", 10, 86400, "s", NULL, RELOAD,
    "how long an access token is valid"},
{"token", "leeway_s", CONFIG_INT, AT(token.leeway_s), "5", 0, 300, "s", NULL, RELOAD,
    "difference of clocks that is tolerated"},
{"token", "signing_key_file", CONFIG_SECRET, AT(token.signing_key_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "private key that signs access tokens (KID.pem); pool auth only"},
{"token", "public_keys_dir", CONFIG_PATH, AT(token.public_keys_dir), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "directory of the public keys (KID.pub.pem) that access tokens are verified with"},

{"session", "idle_s", CONFIG_INT, AT(session.idle_s), "1209600", 60, YEARS_S, "s", NULL, RELOAD,
    "a session ends when it was not refreshed for so long"},
{"session", "absolute_s", CONFIG_INT, AT(session.absolute_s), "7776000", 60, YEARS_S, "s", NULL, RELOAD,
    "a session ends so long after its login, whatever happens"},
{"session", "refresh_grace_s", CONFIG_INT, AT(session.refresh_grace_s), "30", 0, 300, "s", NULL, RELOAD,
    "for so long a refresh token that was used already gives the same successor once more"},
{"session", "step_up_s", CONFIG_INT, AT(session.step_up_s), "600", 10, 86400, "s", NULL, RELOAD,
    "what is sensitive needs a proof of identity that is not older"},
{"session", "refresh_key_file", CONFIG_SECRET, AT(session.refresh_key_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the key that refresh tokens are derived from; pool auth only"},

{"mfa", "required", CONFIG_BOOL, AT(mfa.required), "on", 0, 0, "", NULL, RELOAD,
    "whether an administrator must have used a second factor; without one he is a user"},

{"password", "bcrypt_cost", CONFIG_INT, AT(password.bcrypt_cost), "12", 10, 15, "", NULL, RELOAD,
    "cost of hashing a password: one more doubles the time"},
{"password", "pepper_file", CONFIG_SECRET, AT(password.pepper_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the pepper of password hashes; pool auth and tools only"},
{"password", "hash_queue", CONFIG_INT, AT(password.hash_queue), "16", 1, 1024, "passwords", NULL, RELOAD,
    "passwords of a worker waiting to be hashed; more are refused"},
{"password", "hash_slots", CONFIG_INT, AT(password.hash_slots), "0", 0, 256, "passwords", NULL, RELOAD,
    "hashed at once over all workers; 0: half as many as this process may use processors"},

{"http", "max_body_bytes", CONFIG_INT, AT(http.max_body_bytes), "65536", 1024, 16777216, "bytes", NULL, RELOAD,
    "a larger body is answered with 413"},

{"log", "file", CONFIG_PATH, AT(log.file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file that log lines are appended to; empty: standard error"},
{"log", "level", CONFIG_CHOICE, AT(log.level), "info", 0, 0, "", level_words, RELOAD,
    "the least important events that are logged"},
{"log", "access", CONFIG_BOOL, AT(log.access), "off", 0, 0, "", NULL, RELOAD,
    "whether every request is logged here too (nginx has its own access log)"},
};
/* clang-format on */

_Static_assert(countof(config_options) <= CONFIG_OPTIONS_MAX, "too many options");
const size_t config_options_count = countof(config_options);
