/*
 * base_config.c: every way a configuration can be wrong, as a table of files and of the exact
 * message that each deserves; that what -T prints can be read again and says the same; and what a
 * reload may change.
 */
#include "base/config.h"
#include "place.h"

#include <check.h>
#include <sched.h>
#include <sys/stat.h>

static char path[64];
static char message[512];

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

static struct config *read_text(const char *text)
{
    write_file(text, strlen(text));
    message[0] = '\0';
    return config_read(path, message, sizeof message);
}

static void set_up(void)
{
    int fd;

    place(path, sizeof path, "base_config");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void tear_down(void)
{
    unlink(path);
}

#define API                                                                                        \
    "[pool]\nname = api\nlisten = /run/pets/api.sock\n"                                            \
    "[http]\ncursor_key_file = /etc/pets/cursor\n"                                                 \
    "[token]\nissuer = https://pets.example\npublic_keys_dir = /etc/pets/keys\n"
#define AUTH                                                                                       \
    "[pool]\nname = auth\nlisten = /run/pets/auth.sock\n"                                          \
    "[http]\ncursor_key_file = /etc/pets/cursor\n"                                                 \
    "[token]\nissuer = https://pets.example\npublic_keys_dir = /etc/pets/keys\n"

/* "%s" is the path of the file. */
static const struct {
    const char *text;
    const char *message;
} bad[] = {
    {"", "%s: pool.name: is missing; allowed: one of api, auth, ops, mail, prune, watch"},
    {"[pool]\n", "%s: pool.name: is missing; allowed: one of api, auth, ops, mail, prune, watch"},
    {"name = api\n", "%s:1: name: stands before the first [section]"},
    {"[pool]\nname = pets\n", "%s:2: pool.name: \"pets\" is not known; allowed: one of api, auth, "
                              "ops, mail, prune, watch"},
    {"[pool]\nname =\n",
        "%s:2: pool.name: \"\" is not known; allowed: one of api, auth, ops, mail, prune, watch"},
    {"[pool\nname = api\n", "%s:1: is neither [section] nor option = value"},
    {"[pool]\nname\n", "%s:2: is neither [section] nor option = value"},
    {"[pool]\nname = api\n\n# comment\nname = auth\n",
        "%s:5: pool.name: is given twice, first in line 2"},
    {"[pools]\nname = api\n", "%s:2: [pools]: there is no such section"},
    {"[pool]\nname = api\nworker = 1\n", "%s:3: pool.worker: there is no such option"},
    {"[pool]\nhost = x\n", "%s:2: pool.host: there is no such option"},
    {"[pool]\nworkers = many\n",
        "%s:2: pool.workers: \"many\" is not a whole number; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = 2.5\n",
        "%s:2: pool.workers: \"2.5\" is not a whole number; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = +2\n",
        "%s:2: pool.workers: \"+2\" is not a whole number; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = 0x2\n",
        "%s:2: pool.workers: \"0x2\" is not a whole number; allowed: 0 to 256 processes"},
    {"[pool]\nworkers =\n",
        "%s:2: pool.workers: \"\" is not a whole number; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = -1\n",
        "%s:2: pool.workers: \"-1\" is out of range; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = 257\n",
        "%s:2: pool.workers: \"257\" is out of range; allowed: 0 to 256 processes"},
    {"[pool]\nworkers = 99999999999999999999\n",
        "%s:2: pool.workers: \"99999999999999999999\" is not a whole number; allowed: 0 to 256 "
        "processes"},
    {"[pool]\nmax_requests = 1000000000001\n",
        "%s:2: pool.max_requests: \"1000000000001\" is out of range; allowed: 0 to 1000000000000 "
        "requests"},
    {"[pool]\nlisten_mode = 0668\n",
        "%s:2: pool.listen_mode: \"0668\" is not an octal number; allowed: octal 0600 to 0666"},
    {"[pool]\nlisten_mode = 0777\n",
        "%s:2: pool.listen_mode: \"0777\" is out of range; allowed: octal 0600 to 0666"},
    {"[pool]\nlisten = api.sock\n",
        "%s:2: pool.listen: \"api.sock\" is not an address; allowed: an "
        "absolute path, ADDRESS:PORT, systemd or fd:0"},
    {"[pool]\nlisten = 127.0.0.1:65536\n", "%s:2: pool.listen: \"127.0.0.1:65536\" is not an "
                                           "address; allowed: an absolute path, ADDRESS:PORT, "
                                           "systemd or fd:0"},
    {"[database]\nsslmode = prefer\n", "%s:2: database.sslmode: \"prefer\" is not known; allowed: "
                                       "one of disable, require, verify-ca, verify-full"},
    {"[database]\nname =\n", "%s:2: database.name: \"\" is empty; allowed: 1 to 63 characters"},
    {"[database]\nport = 0\n", "%s:2: database.port: \"0\" is out of range; allowed: 1 to 65535"},
    {"[database]\nsslrootcert = ca.pem\n",
        "%s:2: database.sslrootcert: \"ca.pem\" is not an absolute path; allowed: an absolute path "
        "of 0 to 180 characters"},
    {"[password]\nbcrypt_cost = 9\n",
        "%s:2: password.bcrypt_cost: \"9\" is out of range; allowed: 10 to 15"},
    {"[log]\naccess = maybe\n", "%s:2: log.access: \"maybe\" is not known; allowed: on or off"},
    {"[log]\nlevel = INFO\n",
        "%s:2: log.level: \"INFO\" is not known; allowed: one of debug, info, warning, error"},
    {"[log]\nfile = a\tb\n",
        "%s:2: log.file: \"a b\" is not an absolute path; allowed: an absolute "
        "path of 0 to 180 characters"},
    {"[log]\nfile = /\x1b[31m\n", "%s:2: the line contains a control character"},
    /* Syntax errors and bad values in the order of the file. */
    {"[pool]\nname\nworkers = x\n", "%s:2: is neither [section] nor option = value"},
    {"[pool]\nworkers = 300\nname\n",
        "%s:2: pool.workers: \"300\" is out of range; allowed: 0 to 256 processes"},
    /* What belongs together. */
    {"[pool]\nname = ops\n[database]\nhost = /run,db2\nsslmode = require\n",
        "%s:5: database.sslmode: \"require\" does not prove who answers at /run,db2; allowed by "
        "TCP: "
        "verify-full"},
    {"[pool]\nname = api\n",
        "%s: pool.listen: is missing; allowed: an absolute path, ADDRESS:PORT, systemd or fd:0"},
    {"[pool]\nname = api\nlisten = /a\nops_listen = /a\n",
        "%s:4: pool.ops_listen: is the same socket as pool.listen"},
    {"[pool]\nname = api\nlisten = /a\nrequest_timeout_ms = 5000\n",
        "%s:4: database.statement_timeout_ms: 5000 ms is not less than pool.request_timeout_ms: "
        "5000 ms"},
    {"[pool]\nname = api\nlisten = /a\nkill_timeout_ms = 10000\n",
        "%s:4: pool.request_timeout_ms: 10000 ms is not less than pool.kill_timeout_ms: 10000 ms"},
    {"[pool]\nname = api\nlisten = /a\nqueue_max_wait_ms = 10000\n",
        "%s:4: pool.queue_max_wait_ms: 10000 ms is not less than pool.request_timeout_ms: 10000 "
        "ms"},
    {"[pool]\nname = api\nlisten = /a\nio_timeout_ms = 30000\n",
        "%s:4: pool.io_timeout_ms: 30000 ms is not less than pool.kill_timeout_ms: 30000 ms"},
    {"[pool]\nname = api\nlisten = /a\n", "%s: token.issuer: is missing"},
    {"[pool]\nname = api\nlisten = /a\n[token]\nissuer = x\n",
        "%s: token.public_keys_dir: is missing"},
    {"[pool]\nname = api\nlisten = /a\n[token]\nissuer = x\npublic_keys_dir = /k\n",
        "%s: http.cursor_key_file: is missing"},
    {API "signing_key_file = /etc/pets/key.pem\n",
        "%s:9: token.signing_key_file: the api pool must not have this secret"},
    {API "[password]\npepper_file = /etc/pets/pepper\n",
        "%s:10: password.pepper_file: the api pool must not have this secret"},
    {AUTH, "%s: token.signing_key_file: is missing"},
    {AUTH "signing_key_file = /etc/pets/key.pem\n", "%s: session.refresh_key_file: is missing"},
    {AUTH "signing_key_file = /etc/pets/key.pem\n[session]\nrefresh_key_file = /etc/pets/refresh\n",
        "%s: mfa.key_file: is missing"},
    {AUTH "signing_key_file = /etc/pets/key.pem\n[session]\nrefresh_key_file = /etc/pets/refresh\n"
          "[mfa]\nkey_file = /etc/pets/mfa\n",
        "%s: password.pepper_file: is missing"},
    {API "[mfa]\nkey_file = /etc/pets/mfa\n",
        "%s:10: mfa.key_file: the api pool must not have this secret"},
    {API "[mfa]\nprevious_key_file = /etc/pets/mfa\n",
        "%s:10: mfa.previous_key_file: the api pool must not have this secret"},
    {API "[mfa]\nissuer = Pets: the service\n", "%s:10: mfa.issuer: \"Pets: the service\" has a "
                                                "colon, which authenticator apps do not allow"},
    {API "[session]\nrefresh_key_file = /etc/pets/refresh\n",
        "%s:10: session.refresh_key_file: the api pool must not have this secret"},
    {API "[session]\nidle_s = 599\n",
        "%s:10: token.lifetime_s: 600 s is more than session.idle_s: 599 s"},
    {API "[session]\nidle_s = 7776001\n",
        "%s:10: session.idle_s: 7776001 s is more than session.absolute_s: 7776000 s"},
};

START_TEST(refuses)
{
    char expected[512];

    ck_assert_ptr_null(read_text(bad[_i].text));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(expected, sizeof expected, bad[_i].message, path);
#pragma GCC diagnostic pop
    ck_assert_str_eq(message, expected);
}
END_TEST

START_TEST(refuses_odd_files)
{
    char long_line[300] = "[log]\nfile = /";

    ck_assert_ptr_null(config_read("/nonexistent/pets.ini", message, sizeof message));
    ck_assert_str_eq(message, "/nonexistent/pets.ini: No such file or directory");
    ck_assert_ptr_null(config_read("/", message, sizeof message));
    ck_assert_str_eq(message, "/: Is a directory");
    write_file("[pool]\nname = a\0pi\n", 19);
    ck_assert_ptr_null(config_read(path, message, sizeof message));
    ck_assert_ptr_nonnull(strstr(message, ":2: the line contains a control character"));
    memset(long_line + strlen(long_line), 'x', 250);
    ck_assert_ptr_null(read_text(long_line));
    ck_assert_ptr_nonnull(strstr(message, ":2: the line is longer than "));
}
END_TEST

/* A message is cut, never overrun. */
START_TEST(short_buffers)
{
    char buffer[64];

    write_file("[pool]\nworkers = x\n", 19);
    for (size_t size = 1; size < sizeof buffer; size++) {
        memset(buffer, '#', sizeof buffer);
        ck_assert_ptr_null(config_read(path, buffer, size));
        ck_assert_uint_lt(strnlen(buffer, size), size);
        ck_assert_int_eq(buffer[size], '#');
    }
}
END_TEST

START_TEST(defaults)
{
    struct config *config = read_text(API);
    cpu_set_t set;

    ck_assert_msg(config != NULL, "%s", message);
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_str_eq(config->path, path);
    ck_assert_str_eq(config->pool.name, "api");
    ck_assert_int_eq(config->pool.workers, CPU_COUNT(&set));
    ck_assert_int_eq(config->pool.listen_mode, 0660);
    ck_assert_int_eq(config->pool.backlog, 511);
    ck_assert_int_eq(config->pool.max_requests, 0);
    ck_assert_str_eq(config->pool.ops_listen, "");
    ck_assert_str_eq(config->database.sslmode, "verify-full");
    ck_assert_int_eq(config->database.connections, 4);
    ck_assert_str_eq(config->token.audience, "pets-api");
    ck_assert_int_eq(config->password.bcrypt_cost, 12);
    ck_assert_int_eq(config->http.max_body_bytes, 65536);
    ck_assert_int_eq(config->log.level, 1);
    ck_assert(!config->log.access);
    config_free(config);
}
END_TEST

/* Byte order mark, CRLF, indentation, comments of any length, colons, no newline at the end. */
START_TEST(tolerates)
{
    char text[2000] = "\xef\xbb\xbf; ";
    struct config *config;

    memset(text + strlen(text), '#', 1000);
    strncat(text,
        "\r\n[pool]\r\n  name : api ; why\r\n\tworkers = 3\r\n    listen = [::1]:9000\r\n# x\r\n"
        "[token]\r\nissuer = https://pets.example/a;b=c\r\npublic_keys_dir = /k\r\n"
        "[http]\r\ncursor_key_file = /c\r\n[log]\r\n"
        "access = yes\r\nlevel = error",
        sizeof text - strlen(text) - 1);
    config = read_text(text);
    ck_assert_msg(config != NULL, "%s", message);
    ck_assert_int_eq(config->pool.workers, 3);
    ck_assert_str_eq(config->pool.listen, "[::1]:9000");
    ck_assert_str_eq(config->token.issuer, "https://pets.example/a;b=c");
    ck_assert_int_eq(config->log.level, 3);
    ck_assert(config->log.access);
    config_free(config);
}
END_TEST

START_TEST(tools_need_little)
{
    struct config *config = read_text("[pool]\nname = ops\n");

    ck_assert_msg(config != NULL, "%s", message);
    config_free(config);
}
END_TEST

static char *dump(const struct config *config)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    ck_assert_ptr_nonnull(out);
    config_dump(config, out);
    fclose(out);
    return text;
}

/* Counts lines that begin with `start` and contain `part`. */
static int count_lines(const char *text, char start, const char *part)
{
    int count = 0;

    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, part);

        count += *line == start && found != NULL && (end == NULL || found < end);
        line = end == NULL ? NULL : end + 1;
    }
    return count;
}

START_TEST(dump_is_input)
{
    struct config *config =
        read_text(AUTH "signing_key_file = key.pem\n[session]\nrefresh_key_file = refresh\n"
                       "[mfa]\nkey_file = mfa\n[password]\npepper_file = "
                       "pepper\n[pool]\nworkers = 7\nmax_requests = 12345678901\n"
                       "listen_mode = 0600\n[log]\naccess = on\nlevel = debug\n");
    char *first, *second;

    ck_assert_msg(config != NULL, "%s", message);
    first = dump(config);
    config_free(config);
    config = read_text(first);
    ck_assert_msg(config != NULL, "%s", message);
    second = dump(config);
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "\nworkers = 7\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nmax_requests = 12345678901\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nlisten_mode = 0600\n"));
    ck_assert_ptr_nonnull(strstr(first, "\naccess = on\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nlevel = debug\n"));
    config_free(config);
    free(first);
    free(second);
}
END_TEST

/* Every option has a line that says its default and when a change takes effect. */
START_TEST(dump_explains)
{
    struct config *config = read_text(API);
    char *text = dump(config);
    int restart = count_lines(text, ';', "needs restart)");
    int reload = count_lines(text, ';', "needs reload)");
    int options = 0;

    for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line + 1, '\n'))
        options += line[1] >= 'a' && line[1] <= 'z';
    ck_assert_int_eq(restart, 8);
    ck_assert_int_eq(restart + reload, options);
    ck_assert_int_eq(count_lines(text, ';', ", default "), options);
    ck_assert_int_ge(count_lines(text, '[', "]"), 6);
    config_free(config);
    free(text);
}
END_TEST

START_TEST(reload_keeps_what_is_fixed)
{
    struct config *old = read_text(API), *config;
    char names[128], few[8];

    config =
        read_text("[pool]\nname = auth\nlisten = /other.sock\nbacklog = 7\nworkers = 9\n"
                  "listen_mode = 0600\n[token]\nissuer = y\npublic_keys_dir = /k\n"
                  "signing_key_file = /s\n[session]\nrefresh_key_file = /r\n[mfa]\nkey_file = /m\n"
                  "[password]\npepper_file = /p\n[http]\ncursor_key_file = /c\n");
    ck_assert_msg(config != NULL, "%s", message);
    ck_assert_uint_eq(config_keep_fixed(config, old, few, sizeof few), 4);
    ck_assert_uint_lt(strlen(few), sizeof few);
    ck_assert_uint_eq(config_keep_fixed(config, old, names, sizeof names), 0);
    ck_assert_str_eq(names, "");
    config_free(config);
    config =
        read_text("[pool]\nname = auth\nlisten = /other.sock\nbacklog = 7\nworkers = 9\n"
                  "[token]\nissuer = y\npublic_keys_dir = /k\n"
                  "signing_key_file = /s\n[session]\nrefresh_key_file = /r\n[mfa]\nkey_file = /m\n"
                  "[password]\npepper_file = /p\n[http]\ncursor_key_file = /c\n");
    ck_assert_uint_eq(config_keep_fixed(config, old, names, sizeof names), 3);
    ck_assert_str_eq(names, "pool.name, pool.listen, pool.backlog");
    config_free(old);
    ck_assert_str_eq(config->pool.name, "api");
    ck_assert_str_eq(config->pool.listen, "/run/pets/api.sock");
    ck_assert_int_eq(config->pool.backlog, 511);
    ck_assert_int_eq(config->pool.workers, 9);
    ck_assert_str_eq(config->token.issuer, "y");
    config_free(config);
}
END_TEST

/* Files beside the file: path.d/NAME with this text. */
static void write_part(const char *name, const char *text)
{
    char part[128];
    FILE *file;

    snprintf(part, sizeof part, "%s.d", path);
    mkdir(part, 0700);
    snprintf(part, sizeof part, "%s.d/%s", path, name);
    file = fopen(part, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void remove_parts(void)
{
    static const char *const names[] = {
        "10-a.conf", "20-b.conf", "9.conf", ".conf", ".x.conf", "30-c.conf~", "40-d.ini"};
    char part[128];

    for (size_t i = 0; i < countof(names); i++) {
        snprintf(part, sizeof part, "%s.d/%s", path, names[i]);
        unlink(part);
    }
    snprintf(part, sizeof part, "%s.d", path);
    ck_assert_int_eq(rmdir(part), 0);
}

/* In the order of their names, each over those before; what is not NAME.conf is not read. */
START_TEST(parts)
{
    struct config *config;

    write_part("10-a.conf", "[pool]\nworkers = 1\nbacklog = 1\n[token]\nissuer = a\n");
    write_part("20-b.conf", "[pool]\nworkers = 2\nbacklog = 2\n");
    write_part("9.conf", "[pool]\nbacklog = 9\n");
    write_part(".conf", "[pool]\nbacklog = 10\n");
    write_part(".x.conf", "[pool]\nbacklog = 11\n");
    write_part("30-c.conf~", "[pool]\nbacklog = 12\n");
    write_part("40-d.ini", "[pool]\nbacklog = 13\n");
    config = read_text(API "[pool]\nworkers = 3\n");
    ck_assert_msg(config != NULL, "%s", message);
    ck_assert_str_eq(config->path, path);
    ck_assert_int_eq(config->pool.workers, 2);
    ck_assert_int_eq(config->pool.backlog, 9);
    ck_assert_str_eq(config->token.issuer, "a");
    config_free(config);
    remove_parts();
}
END_TEST

/* A message names the file in which what is wrong stands. */
START_TEST(bad_parts)
{
    char expected[256];

    write_part("10-a.conf", "[pool]\nkill_timeout_ms = 10000\n");
    ck_assert_ptr_null(read_text(API));
    snprintf(expected, sizeof expected,
        "%s.d/10-a.conf:2: pool.request_timeout_ms: 10000 ms is not less than "
        "pool.kill_timeout_ms: 10000 ms",
        path);
    ck_assert_str_eq(message, expected);
    write_part("10-a.conf", "[pool]\nworkers = 1\n\nworkers = 1\n");
    write_part("20-b.conf", "[pool]\nworkers = x\n");
    ck_assert_ptr_null(read_text(API));
    snprintf(expected, sizeof expected,
        "%s.d/10-a.conf:4: pool.workers: is given twice, first in line 2", path);
    ck_assert_str_eq(message, expected);
    write_part("10-a.conf", "");
    ck_assert_ptr_null(read_text(API));
    snprintf(expected, sizeof expected,
        "%s.d/20-b.conf:2: pool.workers: \"x\" is not a whole number; allowed: 0 to 256 processes",
        path);
    ck_assert_str_eq(message, expected);
    ck_assert_ptr_null(read_text("[pool]\nworkers = y\n"));
    snprintf(expected, sizeof expected,
        "%s:2: pool.workers: \"y\" is not a whole number; allowed: 0 to 256 processes", path);
    ck_assert_str_eq(message, expected);
    remove_parts();
}
END_TEST

START_TEST(secrets_in_the_environment)
{
    static const char *const refused[] = {"PGPASSWORD", "PGPASSFILE", "PETS_PASSWORD",
        "PETS_DB_SECRET", "PETS_PEPPER", "PETS_SIGNING_KEY", "PETS_A_TOKEN"};
    static const char *const allowed[] = {"PETS_PASSWORD_FILE", "PETS_KEYS", "PETSPASSWORD",
        "XPETS_KEY", "PGPASSWORDS", "PETS_", "PGHOST", "MY_TOKEN"};

    clearenv();
    ck_assert_ptr_null(config_secret_in_environment());
    for (size_t i = 0; i < countof(allowed); i++)
        setenv(allowed[i], "x", 1);
    ck_assert_ptr_null(config_secret_in_environment());
    for (size_t i = 0; i < countof(refused); i++) {
        setenv(refused[i], "", 1);
        ck_assert_str_eq(config_secret_in_environment(), refused[i]);
        unsetenv(refused[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("config");
    Suite *suite = suite_create("base_config");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, refuses, 0, countof(bad));
    tcase_add_test(tests, refuses_odd_files);
    tcase_add_test(tests, short_buffers);
    tcase_add_test(tests, defaults);
    tcase_add_test(tests, tolerates);
    tcase_add_test(tests, tools_need_little);
    tcase_add_test(tests, dump_is_input);
    tcase_add_test(tests, dump_explains);
    tcase_add_test(tests, reload_keeps_what_is_fixed);
    tcase_add_test(tests, parts);
    tcase_add_test(tests, bad_parts);
    tcase_add_test(tests, secrets_in_the_environment);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
