// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/chr/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"

enum { FIRST_BUFFER_BYTES = 4096, READ_BYTES = 4096, LAST_FLUSH_MS = 500 };

static struct chr_stream *to_stream(struct chr *chr)
{
    return (struct chr_stream *)chr;
}

// Takes as many as fit below the limit; the rest is lost, as on a cable that nobody reads.
static void append(struct chr_bytes *buffer, const uint8_t *bytes, size_t size_bytes)
{
    size_t room = CHR_OUTPUT_LIMIT_BYTES - buffer->used_bytes;
    size_t taken = size_bytes < room ? size_bytes : room;
    size_t capacity = buffer->capacity_bytes ? buffer->capacity_bytes : FIRST_BUFFER_BYTES;
    while (capacity < buffer->used_bytes + taken)
        capacity *= 2;
    if (capacity != buffer->capacity_bytes) {
        uint8_t *grown = realloc(buffer->at, capacity);
        if (!grown)
            return;
        buffer->at = grown;
        buffer->capacity_bytes = capacity;
    }
    memcpy(buffer->at + buffer->used_bytes, bytes, taken);
    buffer->used_bytes += taken;
}

static void close_log(struct chr_stream *s)
{
    if (s->log_fd >= 0)
        close(s->log_fd);
    s->log_fd = -1;
}

// When all of `sending` is out, exchanges it for what came in the meantime. False: nothing to send.
static bool refill(struct chr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->sent_bytes == s->sending.used_bytes) {
        struct chr_bytes empty = s->sending;
        empty.used_bytes = s->sent_bytes = 0;
        s->sending = s->waiting;
        s->waiting = empty;
        if (s->sending.used_bytes && s->log_fd >= 0 &&
            write(s->log_fd, s->sending.at, s->sending.used_bytes) < 0)
            close_log(s);  // a full disk must not stop the guest's console
    }
    s->sending_left_bytes = s->sending.used_bytes - s->sent_bytes;
    bool more = s->sending_left_bytes && s->connected;
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void forget_output(struct chr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->sending.used_bytes = s->waiting.used_bytes = s->sent_bytes = s->sending_left_bytes = 0;
    pthread_mutex_unlock(&s->lock);
}

static void hang_up(struct chr_stream *s)
{
    s->ended = true;
    if (s->hangup)
        s->hangup(s);
    else if (s->in)
        watch_enable(s->in, false);
}

// Writes until all is out or the other end takes no more. Returns 0 or the errno that stopped it.
static int send_all(struct chr_stream *s)
{
    while (refill(s)) {
        ssize_t n = write(s->out_fd, s->sending.at + s->sent_bytes,
                          s->sending.used_bytes - s->sent_bytes);
        if (n < 0 && errno != EINTR)
            return errno;
        s->sent_bytes += n > 0 ? n : 0;
    }
    return 0;
}

// A front that waited for the backlog to shrink is asked again for its room.
static void let_input_go_on(struct chr_stream *s)
{
    if (__atomic_exchange_n(&s->starved, 0, __ATOMIC_ACQ_REL) && s->in && !s->ended)
        watch_enable(s->in, true);
}

static void flush(void *opaque)
{
    struct chr_stream *s = opaque;
    if (s->out_fd < 0)
        return forget_output(s);
    int error = send_all(s);
    watch_enable(s->out, error == EAGAIN);
    if (error && error != EAGAIN) {
        forget_output(s);
        hang_up(s);
    } else if (!error) {
        let_input_go_on(s);
    }
}

static void flush_posted(void *opaque)
{
    struct chr_stream *s = opaque;
    pthread_mutex_lock(&s->lock);
    s->flush_posted = false;
    pthread_mutex_unlock(&s->lock);
    flush(s);
}

static void stream_write(struct chr *chr, const uint8_t *bytes, size_t size_bytes)
{
    struct chr_stream *s = to_stream(chr);
    pthread_mutex_lock(&s->lock);
    bool post = s->connected && !s->flush_posted;
    if (s->connected) {
        append(&s->waiting, bytes, size_bytes);
        s->flush_posted = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (post)
        loop_post(flush_posted, s);
}

static size_t stream_backlog(struct chr_backend *b)
{
    struct chr_stream *s = to_stream(&b->chr);
    pthread_mutex_lock(&s->lock);
    size_t bytes = s->waiting.used_bytes + s->sending_left_bytes;
    pthread_mutex_unlock(&s->lock);
    return bytes;
}

static size_t front_room(struct chr_stream *s)
{
    return s->base.front ? s->base.front->room(s->base.front_opaque) : 0;
}

// The flag is raised before the second look, so that room made in between is not missed.
static size_t room_or_stop(struct chr_stream *s)
{
    size_t room = front_room(s);
    if (room)
        return room;
    __atomic_store_n(&s->starved, 1, __ATOMIC_SEQ_CST);
    room = front_room(s);
    watch_enable(s->in, room);
    return room;
}

static void readable(void *opaque)
{
    struct chr_stream *s = opaque;
    uint8_t bytes[READ_BYTES];
    size_t room = room_or_stop(s);
    if (!room)
        return;
    ssize_t n = read(s->in_fd, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (n > 0)
        s->base.front->receive(s->base.front_opaque, bytes, n);
    else if (!n || (errno != EAGAIN && errno != EINTR))
        hang_up(s);
}

static void room_posted(void *opaque)
{
    struct chr_stream *s = opaque;
    if (s->in && !s->ended)
        watch_enable(s->in, true);
}

static void stream_room_changed(struct chr *chr)
{
    struct chr_stream *s = to_stream(chr);
    if (__atomic_exchange_n(&s->starved, 0, __ATOMIC_ACQ_REL))
        loop_post(room_posted, s);
}

static void stream_attach(struct chr *chr, const struct chr_front *front, void *opaque)
{
    struct chr_stream *s = to_stream(chr);
    chr_backend_attach(chr, front, opaque);
    if (s->in && !s->ended)
        watch_enable(s->in, true);
}

static const struct chr_ops stream_chr_ops = {
    .attach = stream_attach, .write = stream_write, .room_changed = stream_room_changed,
};
static const struct chr_backend_ops stream_ops = {
    .backlog_bytes = stream_backlog, .close = chr_stream_close,
};

static int open_log(struct chr_stream *s, const struct chr_config *config, struct err *err)
{
    if (!config->logfile)
        return 0;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (config->log_append ? O_APPEND : O_TRUNC);
    s->log_fd = open(config->logfile, flags, 0666);
    if (s->log_fd < 0)
        return err_set(err, -errno, "Unable to open logfile %s: %s", config->logfile,
                       strerror(errno));
    return 0;
}

struct chr_stream *chr_stream_create(const struct chr_config *config, const char *filename,
                                     struct err *err)
{
    struct chr_stream *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(err, -ENOMEM, "%s: out of memory", config->label);
        return NULL;
    }
    s->in_fd = s->out_fd = s->log_fd = -1;
    if (open_log(s, config, err) < 0) {
        free(s);
        return NULL;
    }
    chr_backend_init(&s->base, &stream_chr_ops, &stream_ops, config->label, filename);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void chr_stream_connect(struct chr_stream *s, int in_fd, int out_fd)
{
    s->in_fd = in_fd;
    s->out_fd = out_fd;
    s->ended = in_fd < 0;
    s->in = in_fd < 0 ? NULL : watch_create(in_fd, WATCH_READ, readable, s);
    s->out = out_fd < 0 ? NULL : watch_create(out_fd, WATCH_WRITE, flush, s);
    pthread_mutex_lock(&s->lock);
    s->connected = s->out;
    pthread_mutex_unlock(&s->lock);
    chr_backend_event(&s->base, CHR_OPENED);
    if (s->in && s->base.front)
        watch_enable(s->in, true);
}

static void close_ends(struct chr_stream *s)
{
    watch_destroy(s->in);
    watch_destroy(s->out);
    s->in = s->out = NULL;
    if (s->in_fd >= 0)
        close(s->in_fd);
    if (s->out_fd >= 0)
        close(s->out_fd);
    s->in_fd = s->out_fd = -1;
}

void chr_stream_disconnect(struct chr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->connected = false;
    pthread_mutex_unlock(&s->lock);
    close_ends(s);
    forget_output(s);
    chr_backend_event(&s->base, CHR_CLOSED);
}

// The guest's last words must get out, but a reader that sleeps must not keep the process.
static void send_last(struct chr_stream *s)
{
    struct pollfd writable = {.fd = s->out_fd, .events = POLLOUT};
    while (s->out_fd >= 0 && send_all(s) == EAGAIN && poll(&writable, 1, LAST_FLUSH_MS) > 0 &&
           !(writable.revents & (POLLERR | POLLHUP)))
        ;
}

// Tasks that were posted before find it closed, but there.
static void release(void *opaque)
{
    struct chr_stream *s = opaque;
    free(s->sending.at);
    free(s->waiting.at);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void chr_stream_close(struct chr_backend *b)
{
    struct chr_stream *s = to_stream(&b->chr);
    send_last(s);
    if (s->put_back)
        s->put_back(s);
    close_ends(s);
    close_log(s);
    b->front = NULL;
    s->ended = true;
    loop_post(release, s);
}
