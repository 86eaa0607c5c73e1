// SPDX-License-Identifier: GPL-2.0-or-later
//
// The back ends, with their other ends in this process.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "guest/chr/backend.h"
#include "guest/chr/mux.h"
#include "guest/chr/ring.h"

// What a device or monitor would be.
struct end {
    struct chr *chr;
    char got[8192];
    size_t got_bytes, room;
    unsigned breaks, opened, closed, focused;
};
static struct end ends[2];
static char folder[] = "/tmp/konuk-chr-XXXXXX", path[64];

static size_t end_room(void *opaque) { return ((struct end *)opaque)->room; }
static void end_receive(void *opaque, const uint8_t *bytes, size_t size_bytes)
{
    struct end *e = opaque;
    assert_true(size_bytes <= e->room);
    memcpy(e->got + e->got_bytes, bytes, size_bytes);
    e->got_bytes += size_bytes;
    e->room -= size_bytes;
}
static void end_break(void *opaque) { ((struct end *)opaque)->breaks++; }
static void end_event(void *opaque, enum chr_event event)
{
    struct end *e = opaque;
    e->opened += event == CHR_OPENED;
    e->closed += event == CHR_CLOSED;
    e->focused += event == CHR_FOCUSED;
}
static const struct chr_front end_front = {end_room, end_receive, end_break};

static void attach(struct end *e, struct chr_backend *b)
{
    *e = (struct end){.chr = chr_take(b, NULL), .room = 4096};
    assert_non_null(e->chr);
    e->chr->event = end_event;
    e->chr->ops->attach(e->chr, &end_front, e);
}

static void say(struct end *e, const char *text)
{
    e->chr->ops->write(e->chr, (const uint8_t *)text, strlen(text));
}

static void run_loop(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(loop(), UV_RUN_NOWAIT);
        usleep(500);
    }
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct chr_backend *open_kind(struct chr_config config)
{
    struct err err = {0};
    config.label = config.label ? config.label : "a";
    struct chr_backend *b = chr_open(&config, &err);
    if (!b)
        print_error("%s\n", err.text);
    return b;
}

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(address.sun_path, in_folder(name));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static const char *read_all(int fd)
{
    static char text[1 << 16];
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/konuk-chr-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"s", "f", "log", "p.in", "p.out"};
    run_loop();
    chr_close_all();
    run_loop();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

static void a_server_serves_one_peer_after_the_other(void **state)
{
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_SOCKET, .path = in_folder("s"),
                                                          .server = true});
    (void)state;
    attach(&ends[0], b);
    say(&ends[0], "nobody hears this");
    assert_non_null(strstr(b->filename, "disconnected:unix:"));
    int peer = connect_to("s");
    run_loop();
    assert_int_equal(ends[0].opened, 1);
    say(&ends[0], "hello");
    assert_int_equal(write(peer, "world", 5), 5);
    run_loop();
    assert_string_equal(read_all(peer), "hello");
    assert_memory_equal(ends[0].got, "world", 5);
    close(peer);
    run_loop();
    assert_int_equal(ends[0].closed, 1);
    peer = connect_to("s");
    run_loop();
    say(&ends[0], "again");
    run_loop();
    assert_string_equal(read_all(peer), "again");
    close(peer);
}

static void reads_only_what_the_front_has_room_for(void **state)
{
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_SOCKET, .path = in_folder("s"),
                                                          .server = true});
    (void)state;
    attach(&ends[0], b);
    ends[0].room = 2;
    int peer = connect_to("s");
    assert_int_equal(write(peer, "12345", 5), 5);
    run_loop();
    assert_int_equal(ends[0].got_bytes, 2);
    ends[0].room = 1;
    ends[0].chr->ops->room_changed(ends[0].chr);
    run_loop();
    assert_int_equal(ends[0].got_bytes, 3);
    ends[0].room = 9;
    ends[0].chr->ops->room_changed(ends[0].chr);
    run_loop();
    assert_memory_equal(ends[0].got, "12345", 5);
    close(peer);
}

static void output_waits_in_bounds_and_keeps_its_order(void **state)
{
    enum { LINES = 200000 };
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_SOCKET, .path = in_folder("s"),
                                                          .server = true});
    char line[16];
    (void)state;
    attach(&ends[0], b);
    int peer = connect_to("s");
    run_loop();
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "%07d\n", i);
        say(&ends[0], line);
    }
    assert_int_equal(chr_backlog_bytes(ends[0].chr), CHR_OUTPUT_LIMIT_BYTES);
    char *all = malloc(2 * CHR_OUTPUT_LIMIT_BYTES);
    size_t used = 0;
    for (int idle = 0; idle < 3; idle++) {
        for (ssize_t n; (n = read(peer, all + used, CHR_OUTPUT_LIMIT_BYTES)) > 0; used += n)
            idle = 0;
        run_loop();
    }
    assert_int_equal(used, CHR_OUTPUT_LIMIT_BYTES);
    for (size_t i = 0; i < used / 8; i++)
        assert_int_equal(atoi(all + 8 * i), i);
    free(all);
    assert_int_equal(chr_backlog_bytes(ends[0].chr), 0);
    close(peer);
}

static void a_file_gets_everything_even_at_the_end(void **state)
{
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_FILE, .path = in_folder("f")});
    (void)state;
    attach(&ends[0], b);
    say(&ends[0], "last words");
    chr_close_all();
    int fd = open(in_folder("f"), O_RDONLY);
    assert_string_equal(read_all(fd), "last words");
    close(fd);
}

static void a_pty_is_raw_both_ways(void **state)
{
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_PTY});
    (void)state;
    attach(&ends[0], b);
    assert_memory_equal(b->filename, "pty:/dev/pts/", 13);
    int slave = open(b->filename + 4, O_RDWR | O_NOCTTY | O_NONBLOCK);
    say(&ends[0], "a\nb");
    assert_int_equal(write(slave, "\003x\r", 3), 3);
    run_loop();
    assert_string_equal(read_all(slave), "a\nb");
    assert_memory_equal(ends[0].got, "\003x\r", 3);
    close(slave);
}

static void pipes_are_two_files(void **state)
{
    (void)state;
    mkfifo(in_folder("p.in"), 0600);
    mkfifo(in_folder("p.out"), 0600);
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_PIPE, .path = in_folder("p")});
    attach(&ends[0], b);
    int in = open(in_folder("p.in"), O_WRONLY), out = open(in_folder("p.out"), O_RDONLY | O_NONBLOCK);
    say(&ends[0], "out");
    assert_int_equal(write(in, "in", 2), 2);
    run_loop();
    assert_string_equal(read_all(out), "out");
    assert_memory_equal(ends[0].got, "in", 2);
    close(in);
    close(out);
}

static void a_ring_keeps_the_newest(void **state)
{
    uint8_t bytes[64];
    (void)state;
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_RINGBUF, .size_bytes = 8});
    attach(&ends[0], b);
    say(&ends[0], "0123456789");
    assert_int_equal(chr_ring_read(b, bytes, sizeof bytes), 8);
    assert_memory_equal(bytes, "23456789", 8);
    assert_int_equal(chr_ring_read(b, bytes, sizeof bytes), 0);
    struct err err = {0};
    struct chr_config bad = {.kind = CHR_RINGBUF, .label = "b", .size_bytes = 3};
    assert_null(chr_open(&bad, &err));
    assert_string_equal(err.text, "size of ringbuf chardev must be power of two");
}

static unsigned exits;
static void ask_exit(void) { exits++; }

static void the_escape_key_moves_the_focus(void **state)
{
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_SOCKET, .path = in_folder("s"),
                                                          .server = true, .mux = true});
    (void)state;
    attach(&ends[0], b);
    attach(&ends[1], b);
    chr_mux_on_exit(ask_exit);
    int peer = connect_to("s");
    run_loop();
    assert_int_equal(ends[0].opened + 10 * ends[1].opened, 1);
    assert_int_equal(write(peer, "serial\001cmonitor\001c\001\001\001b!\001x", 24), 24);
    run_loop();
    assert_memory_equal(ends[0].got, "serial\001!", 8);
    assert_int_equal(ends[0].got_bytes, 8);
    assert_memory_equal(ends[1].got, "monitor", 7);
    assert_int_equal(ends[0].breaks, 1);
    assert_int_equal(ends[1].focused, 1);
    assert_int_equal(exits, 1);
    say(&ends[0], "A");
    say(&ends[1], "B");
    run_loop();
    assert_non_null(strstr(read_all(peer), "AB"));
    close(peer);
}

static void escapes_work_while_the_guest_does_not_read(void **state)
{
    char flood[9000];
    struct chr_backend *b = open_kind((struct chr_config){.kind = CHR_SOCKET, .path = in_folder("s"),
                                                          .server = true, .mux = true});
    (void)state;
    attach(&ends[0], b);
    attach(&ends[1], b);
    ends[0].room = 0;
    int peer = connect_to("s");
    memset(flood, 'f', sizeof flood);
    assert_int_equal(write(peer, flood, sizeof flood), sizeof flood);
    assert_int_equal(write(peer, "\001cm", 3), 3);
    run_loop();
    assert_int_equal(ends[0].got_bytes, 0);
    assert_memory_equal(ends[1].got, "m", 1);
    ends[0].room = 8000;
    ends[0].chr->ops->room_changed(ends[0].chr);
    run_loop();
    assert_int_equal(ends[0].got_bytes, 4096);
    close(peer);
}

static void a_name_is_taken_once_and_a_back_end_too(void **state)
{
    struct err err = {0};
    struct chr_config config = {.kind = CHR_NULL, .label = "a"};
    (void)state;
    struct chr_backend *b = open_kind(config);
    assert_ptr_equal(chr_find("a"), b);
    assert_null(chr_open(&config, &err));
    assert_string_equal(err.text, "Chardev with id 'a' already exists");
    attach(&ends[0], b);
    assert_null(chr_take(b, &err));
    assert_string_equal(err.text, "Device 'a' is in use");
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    static const struct { struct chr_config config; const char *sentence; } cases[] = {
        {{.kind = CHR_FILE, .label = "x", .path = "/nope/f"},
         "Could not open '/nope/f': No such file or directory"},
        {{.kind = CHR_SOCKET, .label = "x", .path = "/nope/s"},
         "Failed to connect to '/nope/s': No such file or directory"},
        {{.kind = CHR_SOCKET, .label = "x", .host = "127.0.0.1", .port = "1"},
         "Failed to connect to '127.0.0.1:1': Connection refused"},
        {{.kind = CHR_PIPE, .label = "x", .path = "/nope/p"},
         "Could not open '/nope/p': No such file or directory"},
        {{.kind = CHR_FILE, .label = "x", .path = "/tmp", .logfile = "/nope/log"},
         "Could not open '/tmp': Is a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_null(chr_open(&cases[i].config, &err));
        assert_string_equal(err.text, cases[i].sentence);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_serves_one_peer_after_the_other),
        TEST(reads_only_what_the_front_has_room_for),
        TEST(output_waits_in_bounds_and_keeps_its_order),
        TEST(a_file_gets_everything_even_at_the_end),
        TEST(a_pty_is_raw_both_ways),
        TEST(pipes_are_two_files),
        TEST(a_ring_keeps_the_newest),
        TEST(the_escape_key_moves_the_focus),
        TEST(escapes_work_while_the_guest_does_not_read),
        TEST(a_name_is_taken_once_and_a_back_end_too),
        TEST(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
