/*
 * terminal.c: reading passwords. Byte by byte, so that what follows the line stays unread; what
 * does not fit is dropped, and shows in the length.
 */
#include "ctl/terminal.h"

#include <termios.h>

/* A line, without its newline. -1 with errno, also when the character `cancel` comes. */
static int read_line(struct terminal_password *password, int cancel)
{
    unsigned char byte = 0;
    ssize_t got;

    password->length = 0;
    while ((got = read(STDIN_FILENO, &byte, 1)) != 0 && byte != '\n') {
        if (got == -1 && errno != EINTR)
            return -1;
        if (got == 1 && byte == cancel) {
            errno = ECANCELED;
            return -1;
        }
        if (got == 1 && password->length < sizeof password->bytes)
            password->bytes[password->length++] = (char)byte;
    }
    return 0;
}

/*
 * Without echo. Control-C is read as a character that ends the line, so that no signal can end the
 * program while the terminal is mute.
 */
static int read_mute(const char *prompt, struct terminal_password *password)
{
    struct termios before;
    struct termios mute;
    int saved;
    int result;

    if (tcgetattr(STDIN_FILENO, &before) == -1)
        return -1;
    mute = before;
    mute.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
    mute.c_cc[VEOL] = before.c_cc[VINTR];
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute) == -1)
        return -1;
    fputs(prompt, stderr);
    result = read_line(password, before.c_cc[VINTR]);
    saved = errno;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    errno = saved;
    return result;
}

int terminal_password(struct terminal_password *password)
{
    struct terminal_password again;
    bool same;

    if (isatty(STDIN_FILENO) == 0)
        return read_line(password, -1);
    if (read_mute("Password: ", password) == -1 || read_mute("Once more: ", &again) == -1)
        return -1;
    same =
        again.length == password->length && memcmp(again.bytes, password->bytes, again.length) == 0;
    explicit_bzero(&again, sizeof again);
    errno = EINVAL;
    return same ? 0 : -1;
}
