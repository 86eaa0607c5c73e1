// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/block/block.h"

static struct io_thread *thread;
static char path[64];
static struct err err;

enum { FILE_BYTES = (1 << 18) + 700, DISK_BYTES = (1 << 18) + 1024 };

static void make_image(size_t size_bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
    close(fd);
}

static int setup_in(const char *folder)
{
    err = (struct err){0};
    snprintf(path, sizeof path, "%s/konuk-test-block-%d", folder, (int)getpid());
    thread = io_thread_create("test", NULL, NULL);
    make_image(FILE_BYTES);
    return thread ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    return setup_in("/tmp");
}

// Where nothing waits for a disk; and where a range can't be zeroed but by writing.
static int setup_in_memory(void **state)
{
    (void)state;
    return setup_in(access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
}

static int teardown(void **state)
{
    (void)state;
    io_thread_destroy(thread);
    unlink(path);
    return 0;
}

static struct block *open_with(struct block_config config)
{
    config.path = config.path ? config.path : path;
    return block_open(&config, thread, &err);
}

static struct block *must_open(struct block_config config)
{
    config.format = "raw";
    struct block *b = open_with(config);
    if (!b)
        print_error("%s\n", err.text);
    assert_non_null(b);
    return b;
}

static void refuses(struct block_config config, const char *sentence)
{
    struct block *b = open_with(config);
    assert_null(b);
    assert_string_equal(err.text, sentence);
}

static int run(struct block *b, enum block_operation operation, unsigned flags, uint64_t offset, void *bytes,
               size_t size_bytes)
{
    struct iovec iov = {bytes, size_bytes};
    struct block_request r = {.operation = operation, .flags = flags, .offset_bytes = offset,
                              .size_bytes = size_bytes, .iov = &iov, .iov_count = bytes ? 1 : 0};
    return block_call(b, &r);
}

// Random operations, many at once but none overlapping, beside an array that should look the same.
enum { SLOTS = 16, SLOT_BYTES = 16384, OPERATIONS = 16000, PIECES = 4 };

struct random_op {
    struct block_request request;
    struct iovec iov[PIECES];
    uint8_t *memory, *bytes;
};

struct world {
    struct block *block;
    uint8_t *shadow;
    uint64_t seed;
    bool direct;
    struct random_op op[SLOTS];
    sem_t drained;
    unsigned done;
};

static uint64_t pick(struct world *w, uint64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % below;
}

static void op_done(struct block_request *request)
{
    assert_true(request->result == 0);
    ((struct world *)(void *)request->block->batch_opaque)->done++;
}

static void split(struct world *w, struct random_op *op, size_t size_bytes)
{
    size_t used = 0;
    unsigned i = 0;
    for (; i < PIECES - 1 && used < size_bytes; i++) {
        size_t piece = pick(w, size_bytes - used + 1);
        if (pick(w, 4))
            piece &= ~(size_t)511;
        op->iov[i] = (struct iovec){op->bytes + used, piece};
        used += piece;
    }
    op->iov[i] = (struct iovec){op->bytes + used, size_bytes - used};
    op->request.iov_count = i + 1;
}

static void fill(struct world *w, struct random_op *op, size_t size_bytes)
{
    bool zero = pick(w, 8) == 0;
    uint8_t first = (uint8_t)pick(w, 256);
    for (size_t i = 0; i < size_bytes; i++)
        op->bytes[i] = zero ? 0 : (uint8_t)(first + i + i / 512);
}

static void prepare(struct world *w, unsigned slot)
{
    static const enum block_operation kinds[] = {
        BLOCK_READ, BLOCK_READ, BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES,
        BLOCK_DISCARD,
    };
    struct random_op *op = &w->op[slot];
    uint64_t first = pick(w, SLOT_BYTES / 512), count = 1 + pick(w, SLOT_BYTES / 512 - first);
    if (slot == SLOTS - 1 && pick(w, 2)) {  // the end of the disk, which the file doesn't reach
        first = SLOT_BYTES / 512;
        count = 2;
    }
    op->bytes = op->memory + (w->direct ? pick(w, 2) * 512 + (pick(w, 4) ? 0 : 1) : pick(w, 64));
    op->request = (struct block_request){
        .operation = pick(w, 256) ? kinds[pick(w, sizeof kinds / sizeof kinds[0])] : BLOCK_FLUSH,
        .flags = pick(w, 256) ? (unsigned)pick(w, 2) * BLOCK_UNMAP : BLOCK_FUA,
        .offset_bytes = slot * (uint64_t)SLOT_BYTES + first * 512, .size_bytes = count * 512,
        .iov = op->iov, .done = op_done,
    };
    split(w, op, count * 512);
    fill(w, op, count * 512);
}

static void drained(void *opaque)
{
    sem_post(&((struct world *)opaque)->drained);
}

static void submit_all(void *opaque)
{
    struct world *w = opaque;
    unsigned before = w->done;
    for (unsigned i = 0; i < SLOTS; i++)
        block_submit(w->block, &w->op[i].request);
    assert_int_equal(w->done, before);  // never from within
    block_drain(w->block, drained, w);
}

static void check(struct world *w, struct random_op *op)
{
    struct block_request *r = &op->request;
    uint8_t *shadow = w->shadow + r->offset_bytes;
    if (r->operation == BLOCK_READ)
        assert_memory_equal(op->bytes, shadow, r->size_bytes);
    else if (r->operation == BLOCK_WRITE)
        memcpy(shadow, op->bytes, r->size_bytes);
    else if (r->operation != BLOCK_FLUSH)
        memset(shadow, 0, r->size_bytes);
}

static void check_whole(struct world *w)
{
    uint8_t *bytes = malloc(DISK_BYTES);
    assert_int_equal(run(w->block, BLOCK_READ, 0, 0, bytes, DISK_BYTES), 0);
    assert_memory_equal(bytes, w->shadow, DISK_BYTES);
    free(bytes);
}

static void random_operations(struct block_config config, unsigned operations)
{
    struct world w = {.seed = 88172645463325252, .direct = config.cache == BLOCK_NONE};
    config.discard_unmap = true;
    w.block = must_open(config);
    assert_int_equal(w.block->info.size_bytes, DISK_BYTES);
    w.block->batch_opaque = &w;
    w.shadow = calloc(1, DISK_BYTES);
    sem_init(&w.drained, 0, 0);
    for (unsigned i = 0; i < SLOTS; i++)
        w.op[i].memory = aligned_alloc(4096, SLOT_BYTES + 4096);
    for (unsigned done = 0; done < operations; done += SLOTS) {
        for (unsigned i = 0; i < SLOTS; i++)
            prepare(&w, i);
        io_thread_call(thread, submit_all, &w);
        sem_wait(&w.drained);
        for (unsigned i = 0; i < SLOTS; i++)
            check(&w, &w.op[i]);
    }
    assert_int_equal(w.done, operations);
    check_whole(&w);
    block_close(w.block);
    for (unsigned i = 0; i < SLOTS; i++)
        free(w.op[i].memory);
    free(w.shadow);
}

static void threads_do_what_an_array_does(void **state)
{
    (void)state;
    random_operations((struct block_config){.aio = BLOCK_AIO_THREADS}, OPERATIONS);
}

static void a_ring_does_what_an_array_does(void **state)
{
    (void)state;
    random_operations((struct block_config){.aio = BLOCK_AIO_IO_URING}, OPERATIONS);
}

static void direct_io_does_too(void **state)
{
    (void)state;
    random_operations((struct block_config){.cache = BLOCK_NONE, .aio = BLOCK_AIO_THREADS}, 800);
    make_image(FILE_BYTES);
    random_operations((struct block_config){.cache = BLOCK_NONE}, 800);
}

static void other_caches_do_too(void **state)
{
    (void)state;
    random_operations((struct block_config){.cache = BLOCK_WRITETHROUGH}, 160);
    make_image(FILE_BYTES);
    random_operations((struct block_config){.cache = BLOCK_UNSAFE, .detect_zeroes = true}, 800);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[1024] = {0};
    struct block *b = must_open((struct block_config){0});
    assert_int_equal(run(b, BLOCK_READ, 0, 0, bytes, 511), -EINVAL);
    assert_int_equal(run(b, BLOCK_READ, 0, 100, bytes, 512), -EINVAL);
    assert_int_equal(run(b, BLOCK_READ, 0, DISK_BYTES, bytes, 512), -EINVAL);
    assert_int_equal(run(b, BLOCK_READ, 0, DISK_BYTES - 512, bytes, 1024), -EINVAL);
    assert_int_equal(run(b, BLOCK_READ, 0, UINT64_MAX - 511, bytes, 512), -EINVAL);
    assert_int_equal(run(b, BLOCK_DISCARD, 0, 512, NULL, -512), -EINVAL);
    assert_int_equal(run(b, BLOCK_READ, 0, DISK_BYTES, NULL, 0), 0);
    struct iovec iov = {bytes, 512};
    struct block_request short_iov = {.operation = BLOCK_READ, .size_bytes = 1024, .iov = &iov, .iov_count = 1};
    assert_int_equal(block_call(b, &short_iov), -EINVAL);
    block_close(b);
    b = must_open((struct block_config){.read_only = true});
    assert_true(b->info.read_only);
    assert_int_equal(run(b, BLOCK_WRITE, 0, 0, bytes, 512), -EROFS);
    assert_int_equal(run(b, BLOCK_DISCARD, 0, 0, NULL, 512), -EROFS);
    assert_int_equal(run(b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    block_close(b);
}

static void what_is_no_image_gets_qemus_sentence(void **state)
{
    (void)state;
    char sentence[256], fifo[80];
    refuses((struct block_config){.path = "/nonexistent", .format = "raw"},
            "Could not open '/nonexistent': No such file or directory");
    refuses((struct block_config){.path = "/tmp", .format = "raw"},
            "'file' driver requires '/tmp' to be a regular file");
    refuses((struct block_config){.path = "/tmp", .format = "raw", .read_only = true},
            "'file' driver requires '/tmp' to be a regular file");
    refuses((struct block_config){.format = "foo"}, "Unknown driver 'foo'");
    refuses((struct block_config){.format = "qcow2"}, "Block format 'qcow2' is not supported yet");
    refuses((struct block_config){.format = "raw", .aio = BLOCK_AIO_NATIVE},
            "aio=native was specified, but it requires cache.direct=on, which was not specified.");
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    snprintf(sentence, sizeof sentence, "'file' driver requires '%s' to be a regular file", fifo);
    refuses((struct block_config){.path = fifo, .format = "raw"}, sentence);
    unlink(fifo);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    char sentence[256];
    struct block *b = must_open((struct block_config){0});
    snprintf(sentence, sizeof sentence,
             "Failed to get \"write\" lock. Is another process using the image [%s]?", path);
    refuses((struct block_config){.format = "raw"}, sentence);
    snprintf(sentence, sizeof sentence,
             "Failed to get shared \"write\" lock. Is another process using the image [%s]?", path);
    refuses((struct block_config){.format = "raw", .read_only = true}, sentence);
    block_close(must_open((struct block_config){.share_writers = true}));
    block_close(b);
    b = must_open((struct block_config){.read_only = true});
    block_close(must_open((struct block_config){.read_only = true}));
    block_close(b);
}

static void write_file(const void *bytes, size_t size_bytes)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, size_bytes, 0), size_bytes);
    close(fd);
}

static void a_guessed_format_stays_what_it_is(void **state)
{
    (void)state;
    uint8_t bytes[2048] = "QFI\xfb\0\0\0\3", back[512];
    char sentence[256];
    write_file(bytes, 8);
    snprintf(sentence, sizeof sentence, "Image '%s' is in qcow2 format, which is not supported yet", path);
    refuses((struct block_config){0}, sentence);
    make_image(FILE_BYTES);
    struct block *b = open_with((struct block_config){0});
    assert_non_null(b);
    assert_int_equal(run(b, BLOCK_WRITE, 0, 0, bytes, sizeof bytes), -EPERM);
    assert_int_equal(run(b, BLOCK_WRITE, 0, 512, bytes, sizeof bytes), 0);
    bytes[0] = 'q';
    assert_int_equal(run(b, BLOCK_WRITE, 0, 0, bytes, sizeof bytes), 0);
    assert_int_equal(run(b, BLOCK_READ, 0, 0, back, 512), 0);
    assert_memory_equal(back, bytes, 512);
    block_close(b);
    b = must_open((struct block_config){0});
    bytes[0] = 'Q';
    assert_int_equal(run(b, BLOCK_WRITE, 0, 0, bytes, sizeof bytes), 0);  // raw was said
    block_close(b);
}

// A limit on the size of files is a full disk that needs no privilege. The write that crosses it is a short one
// first.
static void a_full_host_is_an_error_and_nothing_more(enum block_aio aio)
{
    enum { LIMIT = 1 << 19 };
    struct rlimit old, limit;
    uint8_t *bytes = malloc(65536), *back = malloc(65536);
    memset(bytes, 0x5a, 65536);
    make_image(LIMIT / 2);
    assert_int_equal(truncate(path, 1 << 20), 0);
    struct block *b = must_open((struct block_config){.aio = aio});
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){LIMIT, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(run(b, BLOCK_WRITE, 0, LIMIT - 512, bytes, 65536), -EFBIG);
    assert_int_equal(run(b, BLOCK_WRITE, 0, LIMIT, bytes, 512), -EFBIG);
    assert_int_equal(run(b, BLOCK_WRITE, 0, LIMIT - 65536, bytes, 65536), 0);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(run(b, BLOCK_WRITE, 0, LIMIT - 512, bytes, 65536), 0);
    assert_int_equal(run(b, BLOCK_READ, 0, LIMIT - 512, back, 65536), 0);
    assert_memory_equal(bytes, back, 65536);
    assert_int_equal(b->stats.failed[BLOCK_WRITE], 2);
    assert_int_equal(b->stats.operations[BLOCK_WRITE], 2);
    assert_int_equal(b->stats.bytes[BLOCK_READ], 65536);
    block_close(b);
    free(bytes);
    free(back);
}

static void a_full_host_is_an_error(void **state)
{
    (void)state;
    a_full_host_is_an_error_and_nothing_more(BLOCK_AIO_THREADS);
    a_full_host_is_an_error_and_nothing_more(BLOCK_AIO_AUTO);
}

// More than run at once, and closed while they are under way.
enum { MANY = 500 };
static struct block_request many[MANY];
static struct iovec many_iov[MANY];
static uint8_t many_bytes[MANY][512];
static unsigned many_done;

static void one_done(struct block_request *r)
{
    assert_int_equal(r->result, 0);
    many_done++;
}

static void submit_many(void *opaque)
{
    for (unsigned i = 0; i < MANY; i++) {
        many_iov[i] = (struct iovec){many_bytes[i], 512};
        many[i] = (struct block_request){.operation = BLOCK_WRITE, .offset_bytes = i * 512, .size_bytes = 512,
                                         .iov = &many_iov[i], .iov_count = 1, .done = one_done};
        block_submit(opaque, &many[i]);
    }
}

static void closing_waits_for_what_is_in_flight(void **state)
{
    (void)state;
    for (enum block_aio aio = BLOCK_AIO_AUTO; aio <= BLOCK_AIO_THREADS; aio++) {
        many_done = 0;
        struct block *b = must_open((struct block_config){.aio = aio});
        io_thread_call(thread, submit_many, b);
        block_close(b);
        assert_int_equal(many_done, MANY);
    }
}

static void discarding_gives_space_back(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    struct stat full, less;
    memset(bytes, 1, sizeof bytes);
    write_file(bytes, sizeof bytes);
    struct block *b = must_open((struct block_config){0});
    stat(path, &full);
    assert_int_equal(run(b, BLOCK_DISCARD, 0, 0, NULL, 1 << 19), 0);
    stat(path, &less);
    assert_int_equal(less.st_blocks, full.st_blocks);  // discard=ignore
    block_close(b);
    b = must_open((struct block_config){.discard_unmap = true});
    assert_int_equal(run(b, BLOCK_DISCARD, 0, 0, NULL, 1 << 19), 0);
    stat(path, &less);
    assert_true(less.st_blocks < full.st_blocks * 3 / 4);
    assert_int_equal(run(b, BLOCK_WRITE_ZEROES, BLOCK_UNMAP, 1 << 19, NULL, 1 << 18), 0);
    stat(path, &full);
    assert_true(full.st_blocks < less.st_blocks);
    block_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_do_what_an_array_does, setup_in_memory, teardown),
        cmocka_unit_test_setup_teardown(a_ring_does_what_an_array_does, setup_in_memory, teardown),
        cmocka_unit_test_setup_teardown(direct_io_does_too, setup, teardown),
        cmocka_unit_test_setup_teardown(other_caches_do_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_image_gets_qemus_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_writer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guessed_format_stays_what_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_host_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_waits_for_what_is_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(discarding_gives_space_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
