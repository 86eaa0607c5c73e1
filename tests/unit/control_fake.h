// SPDX-License-Identifier: GPL-2.0-or-later
//
// A machine and a terminal for tests of the monitors: the machine writes down what it was asked, the
// terminal what was written to it.
#pragma once

#include <stdio.h>
#include <string.h>

#include "guest/chr/backend.h"
#include "guest/control/vm_control.h"

struct fake {
    struct chr_backend chr;  // first
    struct vm_control vm;
    const struct chr_front *front;
    void *opaque;
    char sent[1 << 16];
    size_t sent_bytes, backlog_bytes;
    char asked[256];  // "stop cont "
    const char *status;
    bool cont_fails;
    struct vm_migration migration;
    struct x86_state state;
};
static struct fake fake;

static void fake_asked(const char *what)
{
    strncat(fake.asked, what, sizeof fake.asked - strlen(fake.asked) - 1);
    strncat(fake.asked, " ", sizeof fake.asked - strlen(fake.asked) - 1);
}

static const char *fake_status(struct vm_control *c) { (void)c; return fake.status; }
static void fake_stop(struct vm_control *c) { (void)c; fake_asked("stop"); fake.status = "paused"; }
static int fake_cont(struct vm_control *c, struct err *err)
{
    (void)c;
    fake_asked("cont");
    if (fake.cont_fails)
        return err_set(err, -1, "Resetting the Virtual Machine is required");
    fake.status = "running";
    return 0;
}
static void fake_reset(struct vm_control *c) { (void)c; fake_asked("reset"); }
static void fake_powerdown(struct vm_control *c) { (void)c; fake_asked("powerdown"); }
static void fake_quit(struct vm_control *c, const char *why) { (void)c; fake_asked(why); }
static void fake_nmi(struct vm_control *c) { (void)c; fake_asked("nmi"); }
static int fake_thread(struct vm_control *c, unsigned vcpu) { (void)c; return 1000 + (int)vcpu; }
static void fake_read(struct vm_control *c, unsigned vcpu, struct x86_state *s)
{
    (void)c, (void)vcpu;
    *s = fake.state;
}
static void fake_statistics(struct vm_control *c, void (*line)(void *, const char *), void *opaque)
{
    (void)c;
    line(opaque, "blocks 7");
}
static void fake_migrate(struct vm_control *c, const char *uri) { (void)c; fake_asked(uri); }
static int fake_incoming(struct vm_control *c, const char *uri, struct err *err)
{
    (void)c, (void)uri;
    return err_set(err, -1, "'-incoming' was not specified on the command line");
}
static const struct vm_migration *fake_migration(struct vm_control *c)
{
    (void)c;
    return &fake.migration;
}
static int fake_gdb(struct vm_control *c, const char *spec, struct err *err)
{
    (void)c, (void)err;
    fake_asked(spec ? spec : "no gdb");
    return 0;
}

static const struct vm_control_ops fake_ops = {
    fake_status, fake_stop, fake_cont, fake_reset, fake_powerdown, fake_quit, fake_nmi, fake_thread,
    fake_read, fake_statistics, fake_migrate, fake_incoming, fake_migration, fake_gdb,
};

static void fake_attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    fake.front = front;
    fake.opaque = opaque;
    chr->event(opaque, CHR_OPENED);
}
static void fake_write(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    (void)chr;
    size_t room = sizeof fake.sent - 1 - fake.sent_bytes;
    size_t taken = size_bytes < room ? size_bytes : room;
    memcpy(fake.sent + fake.sent_bytes, bytes, taken);
    fake.sent_bytes += taken;
    fake.sent[fake.sent_bytes] = 0;
}
static void fake_room(struct chr *chr) { (void)chr; }
static size_t fake_backlog(struct chr_backend *b) { (void)b; return fake.backlog_bytes; }
static void fake_close(struct chr_backend *b) { (void)b; }

static const struct chr_ops fake_chr_ops = {fake_attach, fake_write, fake_room};
static const struct chr_backend_ops fake_backend_ops = {fake_backlog, fake_close};

static void fake_init(struct mem *memory, struct mem *ports)
{
    fake = (struct fake){.chr = {.chr.ops = &fake_chr_ops, .ops = &fake_backend_ops},
                         .vm = {.ops = &fake_ops, .name = "guest", .machine = "pc-q35-7.2", .vcpus = 2,
                                .cores = 2, .threads = 1, .memory = memory, .ports = ports},
                         .status = "running"};
}

static void fake_forget(void)
{
    fake.sent_bytes = 0;
    fake.sent[0] = fake.asked[0] = 0;
}

static inline void fake_type(const char *text)
{
    fake.front->receive(fake.opaque, (const uint8_t *)text, strlen(text));
}
