// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpu/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(VCPU_KICK_SIGNAL == SIGUSR1, "the constant for assembly differs from the libc's");

// The mailbox. A request is written under the lock before the kick, and the thread reads it under
// the lock after each return of run, so none is lost.
struct vcpu_thread {
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t changed;  // any of the flags
    struct vcpu_events events;
    bool pause_wanted, paused, ending;
    int host_id;  // atomic
};

static void announce_pause(struct vcpu *vcpu)
{
    vcpu->ops->get_state(vcpu);
    vcpu->thread->paused = true;
    pthread_cond_broadcast(&vcpu->thread->changed);
}

// A sleeper must not hold up those who wait for readers of memory maps to pass.
static void sleep_until_change(struct vcpu_thread *t)
{
    mem_thread_offline();
    pthread_cond_wait(&t->changed, &t->lock);
    mem_thread_online();
}

// False: the thread is to end.
static bool wait_until_wanted(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    pthread_mutex_lock(&t->lock);
    while (t->pause_wanted && !t->ending) {
        // resume and pause in quick succession: this pause has not been announced yet.
        if (!t->paused)
            announce_pause(vcpu);
        else
            sleep_until_change(t);
    }
    bool wanted = !t->ending;
    pthread_mutex_unlock(&t->lock);
    return wanted;
}

static void pause_myself(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    pthread_mutex_lock(&t->lock);
    t->pause_wanted = true;
    announce_pause(vcpu);
    pthread_mutex_unlock(&t->lock);
}

static void handle_exit(struct vcpu *vcpu, enum vcpu_exit why)
{
    const struct vcpu_events *events = &vcpu->thread->events;
    if (why == VCPU_EXIT_KICKED)
        return;
    pause_myself(vcpu);
    switch (why) {
    case VCPU_EXIT_SHUTDOWN: events->shutdown(events->opaque, vcpu); break;
    case VCPU_EXIT_DEBUG: events->debug(events->opaque, vcpu); break;
    default: events->failed(events->opaque, vcpu); break;
    }
}

static void *vcpu_main(void *opaque)
{
    struct vcpu *vcpu = opaque;
    char name[16];
    snprintf(name, sizeof name, "vcpu %u", vcpu->index);
    pthread_setname_np(pthread_self(), name);
    __atomic_store_n(&vcpu->thread->host_id, gettid(), __ATOMIC_RELAXED);
    mem_thread_online();
    while (wait_until_wanted(vcpu)) {
        handle_exit(vcpu, vcpu->ops->run(vcpu));
        mem_quiescent();
    }
    mem_thread_offline();
    return NULL;
}

// A new thread inherits its creator's mask, so no signal can reach it before it has one of its own.
static int create_with_vcpu_mask(struct vcpu *vcpu)
{
    static const int open[] = {VCPU_KICK_SIGNAL, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    sigset_t mask, old;
    sigfillset(&mask);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        sigdelset(&mask, open[i]);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    int error = pthread_create(&vcpu->thread->id, NULL, vcpu_main, vcpu);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static void thread_free(struct vcpu_thread *t)
{
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int vcpu_start(struct vcpu *vcpu, const struct vcpu_events *events, struct err *err)
{
    struct vcpu_thread *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(err, -ENOMEM, "vCPU %u: out of memory", vcpu->index);
    t->events = *events;
    t->pause_wanted = t->paused = true;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    vcpu->thread = t;
    int error = create_with_vcpu_mask(vcpu);
    if (!error)
        return 0;
    vcpu->thread = NULL;
    thread_free(t);
    return err_set(err, -error, "vCPU %u: can't start its thread: %s", vcpu->index, strerror(error));
}

void vcpu_pause(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    pthread_mutex_lock(&t->lock);
    bool running = !t->pause_wanted;
    t->pause_wanted = true;
    pthread_mutex_unlock(&t->lock);
    if (running)
        vcpu->ops->kick(vcpu);
}

void vcpu_wait_paused(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    pthread_mutex_lock(&t->lock);
    while (!t->paused)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

bool vcpu_is_paused(struct vcpu *vcpu)
{
    pthread_mutex_lock(&vcpu->thread->lock);
    bool paused = vcpu->thread->paused;
    pthread_mutex_unlock(&vcpu->thread->lock);
    return paused;
}

int vcpu_thread_id(struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->thread->host_id, __ATOMIC_RELAXED);
}

void vcpu_resume(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    pthread_mutex_lock(&t->lock);
    t->pause_wanted = t->paused = false;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void vcpu_reset(struct vcpu *vcpu)
{
    if (vcpu->ops->reset) {
        vcpu->ops->reset(vcpu);
        return;
    }
    x86_reset(vcpu->state, vcpu->state->apic.id, false);
    vcpu->ops->put_state(vcpu);
}

void vcpu_destroy(struct vcpu *vcpu)
{
    struct vcpu_thread *t = vcpu->thread;
    if (t) {
        pthread_mutex_lock(&t->lock);
        t->ending = true;
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->lock);
        vcpu->ops->kick(vcpu);
        pthread_join(t->id, NULL);
        vcpu->thread = NULL;
        thread_free(t);
    }
    vcpu->ops->destroy(vcpu);
}
