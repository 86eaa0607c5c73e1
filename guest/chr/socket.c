// SPDX-License-Identifier: GPL-2.0-or-later
//
// A Unix or TCP socket: a client that connects once, or a server that serves one peer after the
// other. While a peer is there the next ones wait in the kernel's queue.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/chr/kinds.h"
#include "guest/chr/stream.h"

struct chr_socket {
    struct chr_stream *stream;
    int listen_fd;
    struct watch *listen;
    char *unlink_path;
    char address[256];  // "unix:/run/q,server=on"
    struct chr_socket *next;
};
static struct chr_socket *sockets;  // of streams, which know only themselves

static struct chr_socket *of_stream(struct chr_stream *s)
{
    struct chr_socket *socket = sockets;
    while (socket->stream != s)
        socket = socket->next;
    return socket;
}

// One descriptor a direction, since each has a watch of its own.
static int take_peer(struct chr_socket *socket, int fd)
{
    int one = 1, out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (out < 0) {
        close(fd);
        return -errno;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // fails on a Unix socket: fine
    if (socket->listen)
        watch_enable(socket->listen, false);
    chr_backend_rename(&socket->stream->base, "%s", socket->address);
    chr_stream_connect(socket->stream, fd, out);
    return 0;
}

static void accept_peer(void *opaque)
{
    struct chr_socket *socket = opaque;
    int fd = accept4(socket->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        take_peer(socket, fd);
}

static void hangup(struct chr_stream *s)
{
    struct chr_socket *socket = of_stream(s);
    chr_backend_rename(&s->base, "disconnected:%s", socket->address);
    chr_stream_disconnect(s);
    if (socket->listen)
        watch_enable(socket->listen, true);
}

static void put_back(struct chr_stream *s)
{
    struct chr_socket **link = &sockets, *socket = of_stream(s);
    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    watch_destroy(socket->listen);
    if (socket->listen_fd >= 0)
        close(socket->listen_fd);
    if (socket->unlink_path)
        unlink(socket->unlink_path);
    free(socket->unlink_path);
    free(socket);
}

static int unix_address(const char *path, struct sockaddr_un *address, struct err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        return err_set(err, -EINVAL, "UNIX socket path '%s' is too long", path);
    strcpy(address->sun_path, path);
    return 0;
}

static int open_unix(const struct chr_config *config, struct err *err)
{
    struct sockaddr_un address;
    int rc = unix_address(config->path, &address, err);
    int fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rc < 0 ? rc : err_set(err, -errno, "Failed to create Unix socket: %s", strerror(errno));
    if (config->server)
        unlink(config->path);  // of a process that was killed; a live one keeps its connection
    rc = config->server ? bind(fd, (struct sockaddr *)&address, sizeof address)
                        : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (!rc && config->server)
        rc = listen(fd, 1);
    if (!rc)
        return fd;
    rc = err_set(err, -errno, config->server ? "Failed to bind socket to %s: %s"
                 : "Failed to connect to '%s': %s", config->path, strerror(errno));
    close(fd);
    return rc;
}

static int try_tcp(const struct addrinfo *address, bool server)
{
    int one = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = server ? bind(fd, address->ai_addr, address->ai_addrlen)
                    : connect(fd, address->ai_addr, address->ai_addrlen);
    if (!rc && server)
        rc = listen(fd, 1);
    if (!rc)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static int open_tcp(const struct chr_config *config, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = config->server ? AI_PASSIVE : 0};
    struct addrinfo *found;
    const char *host = config->host && *config->host ? config->host : NULL;
    int rc = getaddrinfo(host, config->port, &hints, &found);
    if (rc)
        return err_set(err, -EINVAL, "address resolution failed for %s:%s: %s", host ? host : "",
                       config->port, gai_strerror(rc));
    rc = -EADDRNOTAVAIL;
    for (struct addrinfo *a = found; a && rc < 0; a = a->ai_next)
        rc = try_tcp(a, config->server);
    freeaddrinfo(found);
    if (rc < 0)
        err_set(err, rc, config->server ? "Failed to find an available port: %s"
                : "Failed to connect to '%s:%s': %s",
                config->server ? strerror(-rc) : host ? host : "", config->port, strerror(-rc));
    return rc;
}

static void describe(struct chr_socket *socket, const struct chr_config *config)
{
    const char *server = config->server ? ",server=on" : "";
    if (config->path)
        snprintf(socket->address, sizeof socket->address, "unix:%s%s", config->path, server);
    else
        snprintf(socket->address, sizeof socket->address, "tcp:%s:%s%s",
                 config->host ? config->host : "", config->port, server);
}

static int serve(struct chr_socket *socket, const struct chr_config *config, int fd)
{
    socket->listen_fd = fd;
    socket->unlink_path = config->path ? strdup(config->path) : NULL;
    if (config->wait) {
        fprintf(stderr, "%s: info: QEMU waiting for connection on: %s\n", program_invocation_short_name,
                socket->stream->base.filename);
        struct pollfd peer = {.fd = fd, .events = POLLIN};
        poll(&peer, 1, -1);
    }
    socket->listen = watch_create(fd, WATCH_READ, accept_peer, socket);
    if (!socket->listen)
        return -ENOMEM;
    watch_enable(socket->listen, true);
    if (config->wait)
        accept_peer(socket);
    return 0;
}

// Either of the two may be null.
static struct chr_backend *give_up(struct chr_stream *s, struct chr_socket *socket, int fd)
{
    close(fd);
    free(socket);
    if (s) {
        s->put_back = NULL;
        chr_backend_free(&s->base);
    }
    return NULL;
}

struct chr_backend *chr_socket_open(const struct chr_config *config, struct err *err)
{
    int fd = config->path ? open_unix(config, err) : open_tcp(config, err);
    if (fd < 0)
        return NULL;
    struct chr_stream *s = chr_stream_create(config, "", err);
    struct chr_socket *socket = calloc(1, sizeof *socket);
    if (!s || !socket)
        return give_up(s, socket, fd);
    *socket = (struct chr_socket){.stream = s, .listen_fd = -1, .next = sockets};
    sockets = socket;
    describe(socket, config);
    chr_backend_rename(&s->base, "disconnected:%s", socket->address);
    s->hangup = hangup;
    s->put_back = put_back;
    int rc = config->server ? serve(socket, config, fd) : take_peer(socket, fd);
    if (rc == 0)
        return &s->base;
    err_set(err, rc, "%s: %s", socket->address, strerror(-rc));
    chr_backend_free(&s->base);
    return NULL;
}
