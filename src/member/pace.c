/*
 * pace - a token bucket, and a line of users that wait for it.
 *
 * The bucket holds the bytes of a twentieth of a second, so that a user which waited does not catch up in one burst.
 * It must be half full before the first in line gets its turn: fewer and larger pieces.
 */
#include "member/pace.h"

#include <assert.h>

#include "net/net.h"

#define NS_PER_S UINT64_C(1000000000)
#define BURSTS_PER_S 20
#define MOST_BYTES_PER_S UINT64_C(100000000000) /* above it there is no limit: the sums would overflow */

static void refill(struct fy_pace *pace)
{
    uint64_t now_ns = fy_net_now_ns(pace->net);
    uint64_t elapsed_ns = now_ns - pace->at_ns;
    uint64_t n;

    if (elapsed_ns >= NS_PER_S / BURSTS_PER_S) {
        pace->n_ready = pace->burst;
        pace->at_ns = now_ns;
        return;
    }
    n = elapsed_ns * pace->bytes_per_s / NS_PER_S;
    pace->at_ns += n * NS_PER_S / pace->bytes_per_s; /* the fraction of a byte is not lost */
    pace->n_ready = pace->n_ready + n < pace->burst ? pace->n_ready + n : pace->burst;
}

/* Set the timer for when half a burst is there. */
static void await_turn(struct fy_pace *pace)
{
    uint64_t half = pace->burst / 2;
    uint64_t missing = pace->n_ready < half ? half - pace->n_ready : 0;

    if (!fy_list_is_empty(&pace->waiting) && !fy_timer_is_set(&pace->timer))
        fy_timer_set(&pace->timer, fy_net_now_ns(pace->net) + missing * NS_PER_S / pace->bytes_per_s + 1);
}

static void pace_on_timer(void *arg)
{
    struct fy_pace *pace = arg;
    struct fy_node *node = fy_list_take_first(&pace->waiting);
    struct fy_pace_user *user;

    if (!node)
        return;
    user = fy_container(node, struct fy_pace_user, node);
    refill(pace);
    user->turn_left = pace->n_ready;
    if (!fy_list_is_empty(&pace->waiting)) /* the next turn, when as much has gathered again */
        fy_timer_set(&pace->timer, fy_net_now_ns(pace->net) + (pace->burst / 2 + 1) * NS_PER_S / pace->bytes_per_s);
    user->on_turn(user->arg);
}

void fy_pace_init(struct fy_pace *pace, struct fy_net *net, uint64_t bytes_per_s)
{
    *pace = (struct fy_pace){.net = net, .bytes_per_s = bytes_per_s > MOST_BYTES_PER_S ? 0 : bytes_per_s};
    pace->burst = pace->bytes_per_s / BURSTS_PER_S;
    pace->at_ns = fy_net_now_ns(net);
    fy_list_init(&pace->waiting);
    fy_timer_init(&pace->timer, fy_net_timers(net), pace_on_timer, pace);
}

void fy_pace_release(struct fy_pace *pace)
{
    assert(!pace->net || fy_list_is_empty(&pace->waiting));
    fy_timer_unset(&pace->timer);
}

size_t fy_pace_take(struct fy_pace *pace, struct fy_pace_user *user, size_t want)
{
    size_t n;

    if (pace->bytes_per_s == 0)
        return want;
    refill(pace);
    if (pace->n_ready == 0 || (user->turn_left == 0 && !fy_list_is_empty(&pace->waiting))) {
        user->turn_left = 0;
        if (!fy_node_is_linked(&user->node))
            fy_list_append(&pace->waiting, &user->node);
        await_turn(pace);
        return 0;
    }
    n = want < pace->n_ready ? want : (size_t)pace->n_ready;
    pace->n_ready -= n;
    user->turn_left = user->turn_left > n ? user->turn_left - n : 0;
    return n;
}

void fy_pace_leave(struct fy_pace *pace, struct fy_pace_user *user)
{
    if (fy_node_is_linked(&user->node))
        fy_list_remove(&user->node);
    user->turn_left = 0;
    if (pace->net && fy_list_is_empty(&pace->waiting))
        fy_timer_unset(&pace->timer);
}
