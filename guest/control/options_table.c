// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every option name of QEMU 7.2, and which of them exist here.
#include <stdio.h>
#include <string.h>

#include "guest/control/options.h"

#ifndef KONUK_VERSION
#define KONUK_VERSION "0.1.0"
#endif

#define NO_ARG false
#define ARG true

// What exists, in the order of the help text.
static const struct option supported[] = {
    {"h", NO_ARG, option_help, "-h or -help\nprint this text and end"},
    {"help", NO_ARG, option_help, NULL},
    {"version", NO_ARG, option_version, "-version\nprint the version and end"},
    {"machine", ARG, option_machine,
     "-machine [type=]name[,prop=value...]\nthe kind of machine: q35 (default)\n"
     "accel=a1[:a2...] which engines to try, in order\nhpet=on|off, i8042=on|off"},
    {"M", ARG, option_machine, "-M ...\nthe same as -machine"},
    {"cpu", ARG, option_cpu, "-cpu model[,+feature][,-feature]\nthe CPU model ('-cpu help' lists them)"},
    {"accel", ARG, option_accelerator,
     "-accel name[,prop=value...]\nwhat runs the vCPUs: jit (tcg means the same) or kvm; may be repeated;\n"
     "default: kvm where the CPU has it, else jit\ntb-size=n  translated code, in MiB\nstats=on  print counters at the end\n"
     "one-insn-per-tb=on  the slow reference mode"},
    {"icount", ARG, option_icount,
     "-icount [shift=]n[,sleep=on|off]\nguest time by the instructions executed, 2^n ns each (0 to 10), with the\n"
     "software engine and one vCPU: the same start has the same course\nsleep=off  an idle guest's time passes at once"},
    {"enable-kvm", NO_ARG, option_kvm, "-enable-kvm\nthe same as -accel kvm"},
    {"smp", ARG, option_smp,
     "-smp [cpus=]n[,sockets=n][,dies=n][,cores=n][,threads=n][,maxcpus=n]\nhow many vCPUs, and "
     "how they are arranged"},
    {"m", ARG, option_memory, "-m [size=]n[M|G]\nguest memory, in MiB unless said (default 128)"},
    {"name", ARG, option_name, "-name name\nhow the guest is called"},
    {"uuid", ARG, option_uuid, "-uuid uuid\nits identity"},
    {"kernel", ARG, option_kernel, "-kernel file\na Linux or PVH kernel to start"},
    {"initrd", ARG, option_initrd, "-initrd file\nits initial RAM disk"},
    {"append", ARG, option_append, "-append text\nits command line"},
    {"device", ARG, option_device,
     "-device driver[,prop=value...]\na device ('-device help' lists them, '-device driver,help' their "
     "properties)"},
    {"drive", ARG, option_drive,
     "-drive file=file,format=raw,if=virtio|none[,id=id][,index=n][,cache=mode][,aio=mode]\n"
     "       [,readonly=on][,discard=unmap][,detect-zeroes=on|unmap][,werror=action][,rerror=action]\n"
     "a disk; cache: writeback, none, writethrough, directsync, unsafe; aio: threads, native, io_uring;\n"
     "action: report, ignore, stop, enospc"},
    {"blockdev", ARG, option_blockdev,
     "-blockdev driver=raw|file,node-name=name[,file.driver=file,file.filename=file]...\n"
     "a disk's contents for -device ...,drive=name"},
    {"netdev", ARG, option_netdev,
     "-netdev user,id=id[,net=addr/mask][,hostfwd=tcp|udp:[addr]:port-[addr]:port]...\n"
     "a network for -device ...,netdev=id: the host's, behind a NAT"},
    {"nic", ARG, option_nic, "-nic none|user[,model=model][,mac=addr]...\na network and a card on it"},
    {"net", ARG, option_net, "-net none|nic|user[,...]\nthe older form of that"},
    {"object", ARG, option_object,
     "-object rng-random|rng-builtin|iothread,id=id[,prop=value...]\nwhat devices are given"},
    {"boot", ARG, option_boot, "-boot [order=drives][,once=drives][,strict=on|off]\n"
     "what to start from; a -kernel is started in any case"},
    {"smbios", ARG, option_smbios, "-smbios file=file or type=n[,field=value...]\nwhat the SMBIOS tables say"},
    {"fw_cfg", ARG, option_fw_cfg, "-fw_cfg [name=]name,file=file|string=text\na file for the guest's firmware"},
    {"display", ARG, option_display, "-display none\nno graphical display"},
    {"nographic", NO_ARG, option_nographic,
     "-nographic\nno display; serial port and monitor share the terminal (Ctrl-A h helps)"},
    {"chardev", ARG, option_chardev,
     "-chardev null|pty|stdio|file|pipe|socket|ringbuf,id=id[,mux=on][,logfile=file]...\n"
     "stdio: signal=on|off\nfile, pipe: path=\nsocket: path= or host=,port=; server=on, wait=off\n"
     "ringbuf: size="},
    {"serial", ARG, option_serial,
     "-serial dev\nwhere a serial port goes: stdio, mon:stdio, pty, null, none, file:path,\n"
     "pipe:path, unix:path[,server=on][,wait=off], tcp:host:port[,...], chardev:id"},
    {"monitor", ARG, option_monitor, "-monitor dev\nwhere the human monitor goes"},
    {"qmp", ARG, option_qmp, "-qmp dev\nwhere a QMP monitor goes"},
    {"qmp-pretty", ARG, option_qmp_pretty, "-qmp-pretty dev\nthe same, with line breaks"},
    {"mon", ARG, option_mon, "-mon [chardev=]id[,mode=readline|control][,pretty=on]\na monitor on a -chardev"},
    {"parallel", ARG, option_parallel, NULL},
    {"vga", ARG, option_vga, "-vga none\nno display adapter"},
    {"pidfile", ARG, option_pidfile, "-pidfile file\nwrite the process id there"},
    {"daemonize", NO_ARG, option_daemonize, "-daemonize\ngo to the background once all is set up"},
    {"S", NO_ARG, option_start_paused, "-S\ndon't start the vCPUs before 'cont'"},
    {"gdb", ARG, option_gdb, "-gdb dev\nwait for gdb there"},
    {"s", NO_ARG, option_gdb_default, "-s\nthe same as -gdb tcp::1234"},
    {"d", ARG, option_log_items, "-d item[,...]\nlog what these parts do ('-d help')"},
    {"D", ARG, option_log_file, "-D file\nwhere the log goes (default: standard error)"},
    {"singlestep", NO_ARG, option_one_instruction, NULL},
    {"no-reboot", NO_ARG, option_no_reboot, "-no-reboot\nend instead of restarting"},
    {"no-shutdown", NO_ARG, option_no_shutdown, "-no-shutdown\nstop instead of ending"},
    {"action", ARG, option_action,
     "-action reboot=reset|shutdown, shutdown=poweroff|pause,\n"
     "panic=shutdown|pause|exit-failure|none\nwhat follows when the guest does that"},
    {"rtc", ARG, option_rtc, "-rtc [base=utc|localtime|date][,clock=host|rt|vm]\n"
     "what the clock shows at the start; what it follows while the guest is paused"},
    {"no-hpet", NO_ARG, option_no_hpet, "-no-hpet\nleave the HPET out"},
    {"incoming", ARG, option_incoming, "-incoming file:path or defer\ncontinue a saved guest"},
    {"echr", ARG, option_echr, "-echr n\nthe escape key of the terminal (1: Ctrl-A)"},
    {"nodefaults", NO_ARG, option_nodefaults, "-nodefaults\nno devices but those asked for"},
    {"no-user-config", NO_ARG, option_no_user_config, "-no-user-config\n(there is no such file)"},
    {"msg", ARG, option_msg, "-msg timestamp=on|off\nthe time before each message"},
};

static const char *const known_with_argument[] = {
    "numa", "add-fd", "set", "global", "mem-path", "k", "audio", "audiodev", "fda", "fdb",
    "hda", "hdb", "hdc", "hdd", "cdrom", "mtdblock", "sd", "pflash", "fsdev",
    "virtfs", "iscsi", "usbdevice", "spice", "rotate", "vnc", "acpitable",
    "tpmdev", "bios", "dtb", "compat", "debugcon", "overcommit", "dfilter", "seed", "L",
    "xen-domid", "loadvm", "option-rom", "watchdog-action", "chroot", "runas", "sandbox",
    "readconfig", "trace", "plugin", "dump-vmstate", "qtest", "qtest-log", "prom-env",
};
static const char *const known_alone[] = {
    "mem-prealloc", "audio-help", "snapshot", "usb", "portrait", "full-screen", "win2k-hack",
    "no-fd-bootchk", "no-acpi", "preconfig", "xen-attach", "xen-domid-restrict", "only-migratable",
    "async-teardown", "enable-sync-profile",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct option *option_find(const char *name)
{
    static const struct option refused = {"", NO_ARG, NULL, NULL};
    static const struct option refused_with_argument = {"", ARG, NULL, NULL};
    for (size_t i = 0; i < COUNT(supported); i++)
        if (!strcmp(supported[i].name, name))
            return &supported[i];
    if (options_holds(known_with_argument, COUNT(known_with_argument), name))
        return &refused_with_argument;
    return options_holds(known_alone, COUNT(known_alone), name) ? &refused : NULL;
}

// The first line of a help is the usage, the others say what it does.
static void print_option(const char *help)
{
    const char *line_end = strchr(help, '\n');
    printf("%.*s\n", (int)(line_end - help), help);
    while (line_end) {
        const char *line = line_end + 1;
        line_end = strchr(line, '\n');
        printf("                %.*s\n", line_end ? (int)(line_end - line) : (int)strlen(line), line);
    }
}

// The first word is what programs look for that ask a qemu-system for its version.
void options_print_version(void)
{
    puts("QEMU emulator version " OPTIONS_QEMU_VERSION " (Konuk " KONUK_VERSION ")\n"
         "Konuk emulator version " KONUK_VERSION ", which answers as QEMU " OPTIONS_QEMU_VERSION);
}

void options_print_help(void)
{
    options_print_version();
    puts("usage: qemu-system-x86_64 [options]\n");
    for (size_t i = 0; i < COUNT(supported); i++)
        if (supported[i].help)
            print_option(supported[i].help);
    puts("\nA QEMU option that is not listed is not supported yet and is refused.");
}
