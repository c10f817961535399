/*
 * pools.c: asking, and saying it again: to programs as JSON, in which the pool's own document
 * stands as it came; to people by pools_text.c. On a terminal that goes on until a key is pressed;
 * there are no signal handlers, signals are read from a descriptor like keys.
 */
#include "ctl/pools.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "ctl/opsock.h"
#include "ctl/pools_text.h"
#include "http/json_out.h"

static const double INTERVAL_MIN_S = 0.1, INTERVAL_MAX_S = 3600;

/* --- looking --- */

int64_t pools_number(const struct json *object, const char *name, const char *member)
{
    const struct json *value = object == NULL ? NULL : json_member(object, name);
    int64_t number;

    if (member != NULL && value != NULL)
        value = json_kind(value) == JSON_KIND_OBJECT ? json_member(value, member) : NULL;
    return value != NULL && json_kind(value) == JSON_KIND_INTEGER && json_whole(value, &number)
               ? number
               : -1;
}

bool pools_serves(const struct pools_pool *pool)
{
    const struct json *health =
        pool->now.status == NULL ? NULL : json_member(pool->now.status, "health");
    size_t length;
    const char *word;

    if (health == NULL || json_kind(health) != JSON_KIND_STRING)
        return false;
    word = json_text(health, &length);
    return strcmp(word, "ok") == 0 || strcmp(word, "degraded") == 0;
}

int64_t pools_errors(const struct pools_look *look)
{
    int64_t failed = pools_number(look->status, "requests", "5xx");
    int64_t unanswered = pools_number(look->status, "requests", "unanswered");

    return failed == -1 || unanswered == -1 ? -1 : failed + unanswered;
}

double pools_rate(const struct pools_pool *pool, int64_t now, int64_t before)
{
    const struct pools_look *look = &pool->now, *last = &pool->before;

    if (now < before || before < 0 || look->at_us <= last->at_us ||
        pools_number(look->status, "pid", NULL) != pools_number(last->status, "pid", NULL))
        return -1;
    return (double)(now - before) * 1e6 / (double)(look->at_us - last->at_us);
}

static void look_at(struct pools_pool *pool)
{
    struct pools_look look = pool->before;
    const char *reason;

    pool->before = pool->now;
    arena_reset(look.arena);
    look.status = NULL;
    look.body = opsock_get(pool->socket, "/status?format=json&full=1", look.arena, &look.length,
        pool->error, sizeof pool->error);
    look.at_us = base_now_us();
    if (look.body != NULL) {
        look.status = json_parse(look.arena, look.body, look.length, &reason);
        if (look.status == NULL || json_kind(look.status) != JSON_KIND_OBJECT) {
            look.status = NULL;
            snprintf(pool->error, sizeof pool->error, "%s: its status is not JSON", pool->socket);
        }
    }
    pool->now = look;
}

static void look_at_all(struct pools *pools)
{
    for (size_t i = 0; i < pools->count; i++)
        look_at(&pools->pool[i]);
}

/* --- for programs --- */

static void put_rate(struct json_out *json, const char *name, double rate)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%.3f", rate);

    json_key(json, name);
    if (rate < 0)
        json_put_null(json);
    else
        json_put_raw(json, text, (size_t)length);
}

static void put_pool(struct json_out *json, const struct pools_pool *pool)
{
    const struct pools_look *now = &pool->now, *before = &pool->before;

    json_open_object(json);
    json_key(json, "pool");
    json_put_string(json, pool->name);
    json_key(json, "serves");
    json_put_bool(json, pools_serves(pool));
    json_key(json, "error");
    json_put_string(json, now->status == NULL ? pool->error : NULL);
    put_rate(json, "requests_per_s",
        pools_rate(pool, pools_number(now->status, "requests", "total"),
            pools_number(before->status, "requests", "total")));
    put_rate(json, "errors_per_s", pools_rate(pool, pools_errors(now), pools_errors(before)));
    json_key(json, "status");
    if (now->status == NULL)
        json_put_null(json);
    else
        json_put_raw(json, now->body, now->length);
    json_close_object(json);
}

static void print_json(const struct pools *pools, bool well)
{
    struct arena *arena = arena_new(65536);
    struct json_out json;
    struct buf buf;

    buf_init(&buf, arena, 65536);
    json_out_init(&json, &buf);
    json_open_object(&json);
    json_key(&json, "serves");
    json_put_bool(&json, well);
    json_key(&json, "pools");
    json_open_array(&json);
    for (size_t i = 0; i < pools->count; i++)
        put_pool(&json, &pools->pool[i]);
    json_close_array(&json);
    json_close_object(&json);
    puts(buf.data);
    arena_free(arena);
}

/* --- once --- */

static enum ctl_exit say_once(struct pools *pools, bool as_json)
{
    bool well = true;

    look_at_all(pools);
    if (pools->interval_s > 0) {
        poll(NULL, 0, (int)(pools->interval_s * 1000));
        look_at_all(pools);
    }
    for (size_t i = 0; i < pools->count; i++)
        well = well && pools_serves(&pools->pool[i]);
    if (as_json)
        print_json(pools, well);
    else
        pools_text(pools, stdout);
    return well ? CTL_DONE : CTL_UNWELL;
}

/* --- again and again --- */

/* From the upper left corner; lines that are too long are cut by the terminal, and those that are
 * too many are left out here. */
static void draw(const struct pools *pools)
{
    struct winsize size = {.ws_row = 24};
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        base_out_of_memory();
    pools_text(pools, out);
    if (fclose(out) == EOF)
        base_out_of_memory();
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_row == 0)
        size.ws_row = 24;
    fputs("\033[H", stdout);
    for (char *line = text; *line != '\0' && size.ws_row-- > 1;) {
        size_t end = strcspn(line, "\n");

        printf("%.*s\033[K\n", (int)end, line);
        line += end + (line[end] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
    free(text);
}

/* Waits until it is time to look again; false when it is time to end. */
static bool wait_for(int keys, int signals, int interrupt, int64_t until_us)
{
    struct pollfd events[] = {{.fd = keys, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int64_t left_us;

    while ((left_us = until_us - base_now_us()) > 0) {
        struct signalfd_siginfo got = {0};
        char key = 0;

        if (poll(events, countof(events), (int)(left_us / 1000) + 1) <= 0)
            continue;
        if (events[1].revents != 0)
            return read(signals, &got, sizeof got) == sizeof got && got.ssi_signo == SIGWINCH;
        if (read(keys, &key, 1) != 1 || key == 'q' || key == 'Q' || key == interrupt)
            return false;
    }
    return true;
}

/* Keys come one by one and unseen, and Control-C is one of them, so that nothing can end this while
 * the terminal is not as it was. */
static enum ctl_exit watch(struct pools *pools)
{
    bool has_keys = isatty(STDIN_FILENO) != 0;
    struct termios before = {0}, raw;
    sigset_t ends;
    int signals;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigaddset(&ends, SIGWINCH);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals == -1 || (has_keys && tcgetattr(STDIN_FILENO, &before) == -1))
        return ctl_fail("%s", strerror(errno));
    raw = before;
    raw.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    /* Another screen, no cursor, no wrapping; and back. */
    fputs("\033[?1049h\033[?25l\033[?7l", stdout);
    do {
        look_at_all(pools);
        draw(pools);
    } while (wait_for(has_keys ? STDIN_FILENO : -1, signals, before.c_cc[VINTR],
        base_now_us() + (int64_t)(pools->interval_s * 1e6)));
    fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    close(signals);
    return CTL_DONE;
}

/* --- the verb --- */

static void usage(void)
{
    puts("usage: petsctl status [-c FILE]... [--interval SECONDS] [--once] [--json]\n\n"
         "Shows what the pools do, as their ops sockets tell it: the way top does on a terminal, "
         "until\n"
         "q or Control-C; else once.\n\n"
         "  -c FILE             the configuration of a pool; may be given several times. Without "
         "it\n"
         "                      those of " SYSCONFDIR "/pets-api: api.conf, auth.conf\n"
         "  --interval SECONDS  between two looks (1), of which rates are the difference; 0: one "
         "look\n"
         "                      only, without rates\n"
         "  --once              two looks, and out\n"
         "  --json              the same, for programs\n\n"
         "Exit status with --once and --json: 0 all pools serve, 4 one does not (it is away, "
         "stopping,\n"
         "or has no worker or no database), 1 failed, 2 the command line is wrong.");
}

/* The socket of a configuration whose sockets are systemd's is that of petsd-POOL-ops.socket. */
static enum ctl_exit add_pool(struct pools *pools, const char *file, struct arena *arena)
{
    struct pools_pool *pool = &pools->pool[pools->count];
    char error[512];
    struct config *config = config_read(file, error, sizeof error);

    if (config == NULL)
        return ctl_fail("%s", error);
    pool->name = arena_string(arena, config->pool.name);
    pool->socket = strcmp(config->pool.ops_listen, "systemd") == 0
                       ? arena_format(arena, "/run/pets-api/%s-ops.sock", pool->name)
                       : arena_string(arena, config->pool.ops_listen);
    config_free(config);
    if (pool->socket[0] != '/')
        return ctl_fail("%s: pool.ops_listen is no Unix socket", file);
    pool->now.arena = arena_new(65536);
    pool->before.arena = arena_new(65536);
    pools->count++;
    return CTL_DONE;
}

struct arguments {
    const char *file[POOLS_MAX];
    int files;
    bool once, json;
    double interval_s;
};

/* False: said what is wrong. */
static bool parse(int count, char **words, struct arguments *arguments)
{
    static const struct option options[] = {{"interval", required_argument, NULL, 'i'},
        {"once", no_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    char *end = NULL;
    int option;

    opterr = 0;
    while ((option = getopt_long(count, words, "+c:", options, NULL)) != -1) {
        if (option == 'c' && arguments->files < POOLS_MAX)
            arguments->file[arguments->files++] = optarg;
        else if (option == 'i')
            arguments->interval_s = strtod(optarg, &end);
        else if (option == 'o')
            arguments->once = true;
        else if (option == 'j')
            arguments->json = true;
        else
            return false;
        if (option == 'i' && (end == optarg || *end != '\0'))
            return false;
    }
    return optind == count &&
           (arguments->interval_s == 0 || (arguments->interval_s >= INTERVAL_MIN_S &&
                                              arguments->interval_s <= INTERVAL_MAX_S));
}

enum ctl_exit pools_status(int count, char **words)
{
    static const char *const standard[] = {
        SYSCONFDIR "/pets-api/api.conf", SYSCONFDIR "/pets-api/auth.conf"};
    struct arguments arguments = {.interval_s = 1};
    struct pools pools = {0};
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    bool terminal = isatty(STDOUT_FILENO) != 0 && term != NULL && strcmp(term, "dumb") != 0;
    struct arena *arena;
    enum ctl_exit code = CTL_DONE;

    if (count == 2 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        usage();
        return CTL_DONE;
    }
    if (!parse(count, words, &arguments))
        return ctl_misuse("status takes: [-c FILE]... [--interval SECONDS] [--once] [--json]");
    pools.interval_s = arguments.interval_s;
    pools.live = terminal && !arguments.once && !arguments.json && arguments.interval_s > 0;
    pools.colour = terminal && (plain == NULL || *plain == '\0');
    arena = arena_new(1024);
    if (arguments.files == 0)
        for (size_t i = 0; i < countof(standard); i++)
            arguments.file[arguments.files++] = standard[i];
    for (int i = 0; i < arguments.files && code == CTL_DONE; i++)
        code = add_pool(&pools, arguments.file[i], arena);
    if (code == CTL_DONE)
        code = pools.live ? watch(&pools) : say_once(&pools, arguments.json);
    for (size_t i = 0; i < pools.count; i++) {
        arena_free(pools.pool[i].now.arena);
        arena_free(pools.pool[i].before.arena);
    }
    arena_free(arena);
    return code;
}
