/*
 * config.h: the configuration of one pool, read from an ini file, and from those in the directory
 * beside it, over one table of options. The
 * table parses, checks, prints (-T) and documents; a field here without a row there does not get a
 * value. Durations are milliseconds unless the name says otherwise; sizes are bytes. Strings are
 * never NULL (an unset one is empty) and are owned by the configuration.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/base.h"

struct config {
    const char *path; /* the file it was read from */
    struct {
        const char *name; /* "api", "auth"; "ops", "mail", "prune" and "watch" for tools only */
        int workers;      /* already resolved: never 0 */
        const char *listen;
        int listen_mode;
        const char *listen_group;
        const char *ops_listen;
        int ops_listen_mode;
        const char *ops_listen_group;
        int backlog;
        int max_connections;
        int64_t max_requests;
        int request_timeout_ms;
        int slow_request_ms;
        int kill_timeout_ms;
        int queue_max;
        int queue_max_wait_ms;
        int io_timeout_ms;
        int drain_timeout_ms;
        int term_timeout_ms;
        int start_timeout_ms;
    } pool;
    struct {
        const char *host;
        int port;
        const char *name;
        const char *user;
        const char *password_file;
        const char *sslmode;
        const char *sslrootcert;
        int connections;
        int connect_timeout_ms;
        int statement_timeout_ms;
        int reconnect_max_ms;
    } database;
    struct {
        const char *issuer;
        const char *audience;
        int lifetime_s;
        int leeway_s;
        const char *signing_key_file;
        const char *public_keys_dir;
    } token;
    struct {
        int idle_s;
        int absolute_s;
        int refresh_grace_s;
        int step_up_s;
        const char *refresh_key_file;
        const char *previous_refresh_key_file;
    } session;
    struct {
        bool required;
        const char *issuer;
        const char *key_file;
        const char *previous_key_file;
    } mfa;
    struct {
        int bcrypt_cost;
        const char *pepper_file;
        const char *previous_pepper_file;
        int hash_queue;
        int hash_slots; /* already resolved: never 0 */
        const char *common_list_file;
        const char *breached_list_file;
    } password;
    struct {
        bool mode; /* mail is sent */
        const char *link_key_file;
        int verify_lifetime_s;
        int reset_lifetime_s;
        /* Of the sender: */
        const char *from;
        const char *from_name;
        const char *link_base;
        const char *sendmail_path;
        const char *relay;
        const char *relay_ca_file;
        const char *relay_user;
        const char *relay_password_file;
        int timeout_s;
        int retry_s;
        int attempts_max;
    } mail;
    struct {
        bool enabled;
        int own_burst;
        int own_drain_s;
        int account_burst;
        int account_drain_s;
        int network_burst;
        int network_drain_s;
        int register_burst;
        int register_drain_s;
        int reset_burst;
        int reset_drain_s;
        int mailbox_burst;
        int mailbox_drain_s;
        int success_percent;
        int ipv4_bits;
        int ipv6_bits;
        int known_networks;
        int known_days;
    } throttle;
    struct {
        int restore_days;
        int transfer_days;
    } pets;
    struct {
        int mail_days;
        int session_days;
        int api_key_days;
        int batch_rows;
    } retention;
    struct {
        int max_body_bytes;
        const char *cursor_key_file;
        const char *previous_cursor_key_file;
    } http;
    struct {
        const char *file;
        int level; /* enum log_level */
        bool access;
    } log;
};

/*
 * Reads and checks a file, and behind it the files PATH.d/NAME.conf in the order of their names: an
 * option that is in several has the value of the last one. NULL on an error, with one line for
 * people in `error`: file, line, option, what is wrong and what is allowed. Caller frees with
 * config_free.
 */
struct config *config_read(const char *path, char *error, size_t size);
void config_free(struct config *config);

/* Every option with its effective value, its default, range and help, as a valid ini file. */
void config_dump(const struct config *config, FILE *out);

/*
 * For a reload: options that only a restart can change keep the value they have in `old`. Returns
 * how many of them differ, and their names in `names`: "pool.listen, pool.backlog".
 */
size_t config_keep_fixed(struct config *config, const struct config *old, char *names, size_t size);

/* Refuses secrets in the environment: the name of the first offending variable, or NULL. */
const char *config_secret_in_environment(void);

#endif
