// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/hmp.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/chr/backend.h"
#include "guest/control/options.h"

struct monitor {
    struct chr *chr;
    struct vm_control *vm;
    bool greeted;
    uint8_t escape;  // of a key's sequence: 1 after ESC, 2 after ESC [
    size_t used;
    char line[HMP_LINE_BYTES], last[HMP_LINE_BYTES];
    struct monitor *next;
};

static struct monitor *monitors;

static void say(struct monitor *m, const char *text)
{
    m->chr->ops->write(m->chr, (const uint8_t *)text, strlen(text));
}

static void prompt(struct monitor *m)
{
    m->used = 0;
    say(m, "(qemu) ");
}

static void run_line(struct monitor *m)
{
    struct text text = {0};
    m->line[m->used] = 0;
    say(m, "\r\n");
    if (m->used)
        strcpy(m->last, m->line);
    hmp_execute(m->vm, m->line, &text);
    if (text.at)
        m->chr->ops->write(m->chr, (const uint8_t *)text.at, text.used_bytes);
    text_finish(&text);
    prompt(m);
}

static void erase(struct monitor *m, size_t count)
{
    for (; count && m->used; count--, m->used--)
        say(m, "\b \b");
}

static void insert(struct monitor *m, char key)
{
    if (m->used + 1 == sizeof m->line)
        return;
    m->line[m->used++] = key;
    m->chr->ops->write(m->chr, (const uint8_t *)&key, 1);
}

static void recall(struct monitor *m)
{
    erase(m, m->used);
    for (const char *at = m->last; *at; at++)
        insert(m, *at);
}

// ESC [ A is the upper arrow; other sequences are taken and do nothing.
static bool in_escape(struct monitor *m, uint8_t key)
{
    if (m->escape == 1) {
        m->escape = key == '[' || key == 'O' ? 2 : 0;
        return true;
    }
    if (m->escape == 2) {
        if (key >= 0x40)
            m->escape = 0;
        if (key == 'A')
            recall(m);
        return true;
    }
    m->escape = key == 27;
    return key == 27;
}

static void take_key(struct monitor *m, uint8_t key)
{
    if (in_escape(m, key))
        return;
    switch (key) {
    case '\r': case '\n': run_line(m); break;
    case 8: case 127: erase(m, 1); break;
    case 21: erase(m, m->used); break;  // Ctrl-U
    case 16: recall(m); break;          // Ctrl-P
    case 3: say(m, "\r\n"); prompt(m); break;
    default:
        if (isprint(key) || key >= 0x80)
            insert(m, (char)key);
    }
}

static void hmp_receive(void *opaque, const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        take_key(opaque, bytes[i]);
}

static size_t hmp_room(void *opaque)
{
    struct monitor *m = opaque;
    return chr_backlog_bytes(m->chr) < HMP_BACKLOG_BYTES ? 64 : 0;
}

static void hmp_break(void *opaque)
{
    (void)opaque;
}

static void hmp_event(void *opaque, enum chr_event event)
{
    struct monitor *m = opaque;
    if (event == CHR_CLOSED) {
        m->greeted = false;
        return;
    }
    if (!m->greeted)
        say(m, "QEMU " OPTIONS_QEMU_VERSION " monitor - type 'help' for more information");
    m->greeted = true;
    say(m, "\r\n");
    prompt(m);
}

static const struct chr_front hmp_front = {hmp_room, hmp_receive, hmp_break};

int hmp_open(struct chr *chr, struct vm_control *vm, struct err *err)
{
    struct monitor *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(err, -ENOMEM, "no memory for a monitor");
    m->chr = chr;
    m->vm = vm;
    m->next = monitors;
    monitors = m;
    chr->event = hmp_event;
    chr->ops->attach(chr, &hmp_front, m);
    return 0;
}

void hmp_close_all(void)
{
    while (monitors) {
        struct monitor *m = monitors;
        monitors = m->next;
        free(m);
    }
}
