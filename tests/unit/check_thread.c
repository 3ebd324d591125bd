/*
 * check_thread - a thread of the library's own, and the host's signals.
 */
#include "config.h" /* _GNU_SOURCE, for pthread_getname_np */

#include "base/thread.h"

#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"

/* What a thread sees of itself. */
static struct {
    char name[16];
    sigset_t blocked;
} seen;

static sem_t may_look; /* its starter gives it the name when it runs already */

static void *look(void *arg)
{
    (void)sem_wait(&may_look);
    (void)pthread_getname_np(pthread_self(), seen.name, sizeof(seen.name));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &seen.blocked);
    return arg;
}

static void run(void)
{
    pthread_t thread;
    void *result;

    ck_assert_int_eq(sem_init(&may_look, 0, 0), 0);
    ck_assert_int_eq(fy_thread_start(&thread, "ferry-test", look, &seen), FERRY_OK);
    ck_assert_int_eq(sem_post(&may_look), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_int_eq(sem_destroy(&may_look), 0);
    ck_assert_ptr_eq(result, &seen);
}

#define N_ATTRIBUTES 12 /* words of the kernel's struct sched_attr */

/* Its policy, its nice value and its slice in ns; a kernel that knows no slices has 0. */
static void read_scheduling(uint32_t *ret_policy, int32_t *ret_nice, uint64_t *ret_slice_ns)
{
    uint32_t attributes[N_ATTRIBUTES] = {sizeof(attributes)};

    ck_assert_int_eq(syscall(SYS_sched_getattr, 0, attributes, sizeof(attributes), 0), 0);
    *ret_policy = attributes[1];
    *ret_nice = (int32_t)attributes[4];
    memcpy(ret_slice_ns, &attributes[6], sizeof(*ret_slice_ns));
}

static void *be_prompt(void *arg)
{
    uint32_t policy_before, policy;
    int32_t nice_before, nice;
    uint64_t slice_before_ns, slice_ns;

    read_scheduling(&policy_before, &nice_before, &slice_before_ns);
    fy_thread_be_prompt();
    read_scheduling(&policy, &nice, &slice_ns);
    ck_assert_uint_eq(policy, policy_before);
    ck_assert_int_eq(nice, nice_before);
    if (policy == SCHED_OTHER)
        ck_assert_uint_le(slice_ns, slice_before_ns > 0 ? 100000 : 0);
    else
        ck_assert_uint_eq(slice_ns, slice_before_ns);
    return arg;
}

START_TEST(a_prompt_thread_has_short_slices_and_is_otherwise_as_before)
{
    pthread_t thread;

    ck_assert_int_eq(fy_thread_start(&thread, "ferry-test", be_prompt, NULL), FERRY_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void *be_prompt_in_a_batch(void *arg)
{
    const struct sched_param none = {.sched_priority = 0};

    ck_assert_int_eq(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    return be_prompt(arg);
}

START_TEST(a_thread_of_another_policy_is_left_alone)
{
    pthread_t thread;

    ck_assert_int_eq(fy_thread_start(&thread, "ferry-test", be_prompt_in_a_batch, NULL), FERRY_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(the_hosts_signals_are_not_for_it)
{
    static const int hosts[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2};

    run();
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        ck_assert_msg(sigismember(&seen.blocked, hosts[i]) == 1, "signal %d", hosts[i]);
}
END_TEST

/* Blocked, they would end the process without a word to the handlers of a host or a sanitizer. */
START_TEST(its_own_faults_reach_the_hosts_handlers)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

    run();
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        ck_assert_msg(sigismember(&seen.blocked, faults[i]) == 0, "signal %d", faults[i]);
}
END_TEST

START_TEST(the_starters_own_mask_is_kept)
{
    sigset_t mine, after;

    sigemptyset(&mine);
    sigaddset(&mine, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &mine, NULL), 0);
    run();
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    ck_assert_int_eq(sigismember(&after, SIGUSR1), 1);
    ck_assert_int_eq(sigismember(&after, SIGTERM), 0);
}
END_TEST

START_TEST(it_has_a_name)
{
    run();
    ck_assert_str_eq(seen.name, "ferry-test");
}
END_TEST

int main(void)
{
    return rig_main("thread", heap_setup, heap_teardown, a_prompt_thread_has_short_slices_and_is_otherwise_as_before,
                    a_thread_of_another_policy_is_left_alone, the_hosts_signals_are_not_for_it,
                    its_own_faults_reach_the_hosts_handlers, the_starters_own_mask_is_kept, it_has_a_name, NULL);
}
