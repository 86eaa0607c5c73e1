// SPDX-License-Identifier: GPL-2.0-or-later
//
// One guest in one process. Answers to the names qemu-system-x86_64 and kvm. This is the place that
// puts the parts together and the only one that knows which there are.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "cmd/daemon.h"
#include "cmd/devices.h"
#include "cmd/drives.h"
#include "cmd/engines.h"
#include "cmd/io_threads.h"
#include "cmd/netdevs.h"
#include "cmd/report.h"
#include "cmd/rng_sources.h"
#include "cmd/tables.h"
#include "guest/chr/mux.h"
#include "guest/control/chardev.h"
#include "guest/control/hmp.h"
#include "guest/control/machine_control.h"
#include "guest/control/qmp.h"
#include "guest/machine/q35.h"

static struct options options;
static struct boot *boot;
static struct q35 *machine;
static struct machine_control control;
static uv_signal_t signals[3];

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    if (!q35_vm(machine)->ending)
        report("terminating on signal %d", number);
    vm_shutdown(q35_vm(machine), false, "host-signal");
}

static void on_terminal_exit(void)
{
    vm_shutdown(q35_vm(machine), false, "host-ui");
}

static void prepare_loop(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    mem_thread_online();
    for (int i = 0; i < 3; i++) {
        uv_signal_init(loop(), &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
}

static int open_logs(struct err *err)
{
    struct err why = {0};
    int rc = options.log_file ? log_to_file(options.log_file, &why) : 0;
    if (rc < 0)
        err_set(err, rc, "Error opening logfile %.900s", why.text);
    return rc < 0 || !options.log_items ? rc : log_enable(options.log_items, err);
}

// Everything outside is there before there is a machine that could use it.
static int open_backends(struct err *err)
{
    int rc = io_threads_open(&options, err);
    if (rc == 0)
        rc = rng_sources_open(&options, err);
    if (rc == 0)
        rc = drives_open(&options, err);
    return rc < 0 ? rc : netdevs_open(&options, err);
}

static int open_chardevs(struct err *err)
{
    for (unsigned i = 0; i < options.chardevs; i++)
        if (!chardev_open(&options.chardev[i], err))
            return -EINVAL;
    return 0;
}

static int take_serials(struct q35_serial serial[Q35_SERIALS], struct err *err)
{
    for (unsigned i = 0; i < options.serials; i++) {
        struct option_serial *s = &options.serial[i];
        struct chr_backend *b = *s->chardev ? chr_find(s->chardev) : NULL;
        if (!*s->chardev)
            continue;
        if (!b) {
            err_set(err, -ENOENT, "could not connect serial device to character backend '%s'",
                    s->use.argument ? s->use.argument : s->chardev);
            return options_blame(&s->use, -ENOENT, err);
        }
        serial[i] = (struct q35_serial){true, chr_take(b, err)};
        if (!serial[i].chr)
            return options_blame(&s->use, -EBUSY, err);
    }
    return 0;
}

static int open_monitor(struct option_monitor *m, struct err *err)
{
    struct chr_backend *b = chr_find(m->chardev);
    if (!b) {
        err_set(err, -ENOENT, "chardev \"%s\" not found", m->chardev);
        return options_blame(&m->use, -ENOENT, err);
    }
    struct chr *chr = chr_take(b, err);
    if (!chr)
        return options_blame(&m->use, -EBUSY, err);
    return m->control ? qmp_open(chr, &control.control, m->pretty, err)
                      : hmp_open(chr, &control.control, err);
}

static int open_monitors(struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < options.monitors && rc == 0; i++)
        rc = open_monitor(&options.monitor[i], err);
    return rc;
}

static int64_t rtc_start(void)
{
    time_t now = time(NULL);
    struct tm local;
    if (options.rtc == RTC_DATE)
        return options.rtc_date;
    if (options.rtc == RTC_LOCALTIME && localtime_r(&now, &local))
        return now + local.tm_gmtoff;
    return now;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t host_clock_ns(void) { return clock_ns(CLOCK_REALTIME); }
static int64_t host_rt_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

// What is wrong with a kernel is said under another name than the program's, as QEMU does, and so
// here; err stays empty.
static int open_kernel(struct err *err)
{
    struct err why = {0};
    (void)err;
    if (!options.kernel)
        return 0;
    boot = boot_open(options.kernel, options.initrd, options.append, NULL, &why);
    if (boot && options.count.on)
        boot_repeat(boot);
    if (boot)
        return 0;
    report_as("qemu", why.text);
    return -EINVAL;
}

// Told when everything else is known to be good.
static int require_kernel(struct err *err)
{
    if (boot || options.incoming.argument)
        return 0;
    return err_set(err, -ENOTSUP, "-kernel is required: starting from firmware or a disk is not supported yet");
}

static int configure(struct q35_config *config, struct err *err)
{
    static int64_t (*const rtc_follows[])(void) = {
        [RTC_CLOCK_HOST] = host_clock_ns, [RTC_CLOCK_RT] = host_rt_ns, [RTC_CLOCK_VM] = NULL,
    };
    *config = (struct q35_config){
        .name = options.machine, .ram_bytes = options.ram_bytes, .vcpus = options.vcpus,
        .cores = options.cores, .threads = options.threads, .count = options.count, .hpet = options.hpet,
        .i8042 = options.i8042, .rtc_start_s = rtc_start(),
        .rtc_host_ns = options.count.on ? NULL : rtc_follows[options.rtc_clock],
        .create_engine = engines_create, .opaque = &options,
        .vm = {.reboot_ends = options.reboot == REBOOT_SHUTDOWN,
               .shutdown_pauses = options.shutdown == SHUTDOWN_PAUSE,
               .panic = (enum vm_panic)options.panic},
    };
    memcpy(config->uuid, options.uuid, sizeof config->uuid);
    config->smbios = tables_smbios(&options, err);
    int rc = config->smbios ? take_serials(config->serial, err) : -EINVAL;
    return rc < 0 ? rc : devices_configure(&options, config, err);
}

static int create_machine(struct err *err)
{
    struct q35_config config;
    int rc = configure(&config, err);
    if (rc == 0)
        rc = open_kernel(err);
    if (rc < 0)
        return rc;
    config.boot = boot;
    machine = q35_create(&config, err);
    if (!machine)
        return -EINVAL;
    rc = tables_fw_cfg(&options, q35_fw_cfg(machine), err);
    if (rc == 0)
        rc = devices_plug(&options, machine, err);
    if (rc == 0)
        rc = require_kernel(err);
    return rc < 0 ? rc : q35_power_up(machine, err);
}

static void fill_inventory(struct inventory *inventory)
{
    *inventory = (struct inventory){
        .disks = drives_list(), .nets = devices_nets(), .threads = io_threads_list(),
        .pci = q35_pci(machine), .keyboard = q35_i8042(machine), .add_forward = netdevs_add_forward,
        .remove_forward = netdevs_remove_forward, .connections = netdevs_connections,
    };
}

static void create_control(void)
{
    struct vm *vm = q35_vm(machine);
    machine_control_init(&control, vm, q35_memory(machine), q35_ports(machine));
    struct vm_control *c = &control.control;
    c->name = options.name;
    c->machine = options.machine;
    memcpy(c->uuid, options.uuid, sizeof c->uuid);
    c->kvm = !strcmp(vm->engine->ops->name, "kvm");
    c->kvm_present = engines_have_kvm();
    c->one_instruction = vm->engine->config.one_instruction_blocks;
    c->cores = options.cores;
    c->threads = options.threads;
    fill_inventory(&c->inventory);
}

static int open_gdb(struct err *err)
{
    if (!options.gdb.argument || machine_control_gdb(&control, options.gdb.argument, err) == 0)
        return 0;
    return options_blame(&options.gdb, -EINVAL, err);
}

static int start_incoming(struct vm *vm, struct err *err)
{
    vm->state = VM_INMIGRATE;
    vm->start_when_loaded = !options.start_paused;
    if (!strcmp(options.incoming.argument, "defer"))
        return 0;
    return vm_migrate_incoming(vm, options.incoming.argument, err);
}

static int start(struct err *err)
{
    struct vm *vm = q35_vm(machine);
    if (options.incoming.argument)
        return start_incoming(vm, err);
    return options.start_paused ? 0 : vm_cont(vm, err);
}

static int set_up(struct err *err)
{
    int (*const steps[])(struct err *err) = {open_logs, open_chardevs, open_backends, create_machine};
    int rc = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && rc == 0; i++)
        rc = steps[i](err);
    if (rc < 0)
        return rc;
    create_control();
    chr_mux_on_exit(on_terminal_exit);
    rc = open_monitors(err);
    if (rc == 0)
        rc = open_gdb(err);
    if (rc == 0 && options.pidfile)
        rc = pidfile_create(options.pidfile, err);
    return rc;
}

static void print_line(void *opaque, const char *text)
{
    (void)opaque;
    fprintf(stderr, "%s\n", text);
}

static void print_statistics(void)
{
    struct engine *engine = q35_vm(machine)->engine;
    for (unsigned i = 0; i < options.accels; i++)
        if (options.accel[i].statistics && engine->ops->statistics) {
            engine->ops->statistics(engine, print_line, NULL);
            return;
        }
}

// What was written to the terminal goes out before the terminal is put back.
static void tear_down(int status)
{
    if (machine) {
        if (control.vm)
            machine_control_finish(&control, status);
        print_statistics();
        q35_destroy(machine);
    }
    netdevs_close();
    drives_close();
    io_threads_close();
    rng_sources_close();
    tables_finish();
    boot_close(boot);
    chr_close_all();
    qmp_close_all();
    hmp_close_all();
    pidfile_remove();
    options_finish(&options);
}

static int run(void)
{
    struct err err = {0};
    prepare_loop();
    int rc = set_up(&err);
    if (rc == 0)
        rc = start(&err);
    if (rc < 0 && *err.text)
        report("%s", err.text);
    if (rc < 0)
        return 1;
    daemon_ready();
    if (!q35_vm(machine)->ending)
        loop_run(&mem_reader_sleep);
    return q35_vm(machine)->exit_status;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    int rc = options_parse(&options, argc, argv, &err);
    bool models = options.cpu && (!strcmp(options.cpu, "help") || !strcmp(options.cpu, "?"));
    if (rc == 0 && models && options.then == OPTIONS_RUN)
        engines_list_models();
    if (rc == 0 && (models || options.then == OPTIONS_EXIT))
        return 0;
    report_timestamps(options.message_timestamp);
    if (rc == 0 && options.daemonize)
        rc = daemon_fork(&err);
    if (rc < 0) {
        report("%s", err.text);
        return 1;
    }
    if (!options.display_none)
        report("warning: no display is supported yet; -nographic or -serial shows a console");
    int status = run();
    tear_down(status);
    return status;
}
