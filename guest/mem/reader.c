// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads that read address spaces, and waiting until they have let go: liburcu's QSBR flavour.
#include "guest/mem/reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "guest/mem/mem.h"

// liburcu's barriers are assembly that ThreadSanitizer can't see, so it is told of them.
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static char grace;
static void saw_let_go(void) { __tsan_release(&grace); }
static void saw_grace_period(void) { __tsan_acquire(&grace); }
static void gave_away(void *object) { __tsan_release(object); }
static void got(void *object) { __tsan_acquire(object); }
#else
static void saw_let_go(void) {}
static void saw_grace_period(void) {}
static void gave_away(void *object) { (void)object; }
static void got(void *object) { (void)object; }
#endif

static pthread_key_t thread_key;
static __thread bool registered, online;

// A thread that ends without going offline must not stay in liburcu's list.
static void thread_ends(void *opaque)
{
    (void)opaque;
    saw_let_go();
    rcu_unregister_thread();
}

static void create_key(void)
{
    pthread_key_create(&thread_key, thread_ends);
}

static void register_thread(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, create_key);
    pthread_setspecific(thread_key, &registered);
    rcu_register_thread();
    registered = true;
}

void mem_thread_online(void)
{
    if (registered)
        rcu_thread_online();
    else
        register_thread();
    online = true;
}

void mem_thread_offline(void)
{
    saw_let_go();
    if (registered)
        rcu_thread_offline();
    online = false;
}

const struct loop_sleep mem_reader_sleep = {mem_thread_offline, mem_thread_online};

void mem_quiescent(void)
{
    saw_let_go();
    rcu_quiescent_state();
}

void reader_wait_for_all(void)
{
    synchronize_rcu();
    saw_grace_period();
}

struct garbage {
    struct rcu_head head;
    void *object;
};
static unsigned pending;

static void free_garbage(struct rcu_head *head)
{
    struct garbage *garbage = (struct garbage *)head;  // its first member
    got(garbage);
    saw_grace_period();
    __atomic_fetch_sub(&pending, 1, __ATOMIC_RELEASE);
    free(garbage->object);
    free(garbage);
}

// A thread that is no reader holds nothing, and may wait.
void reader_free_later(void *object)
{
    if (!online) {
        reader_wait_for_all();
        free(object);
        return;
    }
    struct garbage *garbage = malloc(sizeof *garbage);
    if (!garbage)
        abort();
    *garbage = (struct garbage){.object = object};
    __atomic_fetch_add(&pending, 1, __ATOMIC_RELAXED);
    gave_away(garbage);
    call_rcu(&garbage->head, free_garbage);
}

unsigned reader_pending(void)
{
    return __atomic_load_n(&pending, __ATOMIC_ACQUIRE);
}
