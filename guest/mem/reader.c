// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads that read address spaces, and waiting until they have let go: liburcu's QSBR flavour.
#include "guest/mem/reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <urcu-qsbr.h>

#include "guest/mem/mem.h"

// liburcu's barriers are assembly that ThreadSanitizer can't see, so it is told of them.
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static char grace;
static void saw_let_go(void) { __tsan_release(&grace); }
static void saw_grace_period(void) { __tsan_acquire(&grace); }
#else
static void saw_let_go(void) {}
static void saw_grace_period(void) {}
#endif

static pthread_key_t thread_key;
static __thread bool registered;

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
}

void mem_thread_offline(void)
{
    saw_let_go();
    if (registered)
        rcu_thread_offline();
}

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
