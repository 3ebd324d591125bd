/*
 * sim.h - the members of a cluster on a network in memory, with a virtual clock, from one seed.
 *
 * For testing a Raft core: the transports are the real ones of ferry.h, only the network below them is simulated. There
 * are no threads, no descriptors, no real time and no real random numbers: the same seed with the same calls gives the
 * same events in the same order, on every machine, with the same version of the library.  So a failure of a core can be
 * repeated.
 *
 * The order of use: ferry_sim_new, _add_member for each, _transport_new in place of ferry_transport_new, then all of
 * ferry.h as usual; _step or _run_until advances the clock, and calls the callbacks.  doc/simulation.md shows it.
 *
 * The network: each member is a host of its own, and each call to another member has a connection of its own, opened by
 * one round trip.  Bytes of one direction of a connection are neither lost nor reordered; between connections there is
 * no order.  A connection holds at most window_bytes in each direction that are not acknowledged yet, like TCP's
 * buffers. A cut link loses nothing: bytes wait, and arrive after the link is mended, unless a timeout ends the
 * connection before. A closed end answers further bytes with a reset, unless its host is down: then they wait as on a
 * cut link.  As on real networks, bytes are only lost together with their connection.  There is no TLS.
 *
 * Threads: all functions here, and those of ferry.h for the simulated transports, belong to one thread.
 * Callbacks: no function of this header makes events happen but _step and _run_until; all others may be called from
 * inside a callback, unless they say otherwise.
 * Times are in nanoseconds of the virtual clock, which starts at 0.
 */
#ifndef FERRY_SIM_H
#define FERRY_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_SIM_US UINT64_C(1000)
#define FERRY_SIM_MS UINT64_C(1000000)
#define FERRY_SIM_S UINT64_C(1000000000)

#define FERRY_SIM_MAX_MEMBERS 128
#define FERRY_SIM_MAX_DELAY_NS (UINT64_C(3600) * FERRY_SIM_S)
#define FERRY_SIM_MAX_NS (UINT64_C(1) << 62) /* the clock goes no further: 146 years */

/* ---- The simulation ---------------------------------------------------------------------------------------------- */

struct ferry_sim;

/* What can change at any time.  Chances are in millionths. */
struct ferry_sim_weather {
    uint64_t min_delay_ns; /* one way, drawn anew for each run of bytes */
    uint64_t max_delay_ns; /* from min_delay_ns to FERRY_SIM_MAX_DELAY_NS */
    unsigned pieces_ppm;   /* a run of bytes is read, and comes, in pieces of any size */
    unsigned bytes_ppm;    /* a run of bytes comes one byte at a time */
    unsigned resets_ppm;   /* after a delivery of bytes both ends lose the connection, mid-run or between runs */
};

/* A line for an event, without a newline, valid during the call.  Must not call back into the simulation. */
typedef void ferry_sim_trace_fn(void *ctx, const char *line);

/* Begin with FERRY_SIM_CONFIG_INIT or ferry_sim_config_init. */
struct ferry_sim_config {
    size_t size; /* of this struct: set by FERRY_SIM_CONFIG_INIT, so that it can grow */

    struct ferry_sim_weather weather; /* at the start */
    size_t window_bytes;              /* of each direction of a connection; not 0 */
    unsigned write_timeout_ms; /* a stream whose window stays full for so long is cut, in place of the transports'
                                  own write_timeout_ms */

    ferry_sim_trace_fn *trace; /* NULL: not wanted */
    void *trace_ctx;
};

#define FERRY_SIM_CONFIG_INIT                                                                                          \
    {                                                                                                                  \
        .size = sizeof(struct ferry_sim_config),                                                                       \
        .weather = {.min_delay_ns = 100 * FERRY_SIM_US, .max_delay_ns = 2 * FERRY_SIM_MS},                             \
        .window_bytes = (size_t)64 << 10, .write_timeout_ms = 5000,                                                    \
    }

/* Fill *cfg as FERRY_SIM_CONFIG_INIT does; see ferry_config_init. */
FERRY_API void ferry_sim_config_init_sized(struct ferry_sim_config *cfg, size_t size);

static inline void ferry_sim_config_init(struct ferry_sim_config *cfg)
{
    ferry_sim_config_init_sized(cfg, sizeof(*cfg));
}

/*
 * Make a simulation.  cfg is copied; NULL: FERRY_SIM_CONFIG_INIT.
 * Returns FERRY_OK; FERRY_ERR_INVALID (wrong size, invalid weather, window_bytes of 0) or _NOMEM
 * with *ret_sim untouched.
 */
FERRY_API int ferry_sim_new(uint64_t seed, const struct ferry_sim_config *cfg, struct ferry_sim **ret_sim);

/*
 * Free the simulation and its timers.  Takes NULL.  Never from a callback.  No event happens afterwards.  Transports
 * may be freed before or after it: the simulated network stays until the last one is freed.
 */
FERRY_API void ferry_sim_free(struct ferry_sim *sim);

/* ---- Members ----------------------------------------------------------------------------------------------------- */

/*
 * Add a member, up, whose URLs are http://HOST:PORT with any port.  host, 1 to 255 letters, digits, '-', '.' and '_',
 * is copied.
 * Returns FERRY_OK; FERRY_ERR_INVALID (id 0, or no such name), _EXISTS (a member with this id or host), _FULL
 * (FERRY_SIM_MAX_MEMBERS), _NOMEM.
 */
FERRY_API int ferry_sim_add_member(struct ferry_sim *sim, uint64_t id, const char *host);

/*
 * As ferry_transport_new, for the member cfg->id, on the simulated network.  It serves on the member's own URLs and
 * calls the core inside _step and _run_until.  cfg->delivery is ignored, and ferry_transport_fd, _timeout_ms and _run
 * are of no use.  Freed by ferry_transport_free.  A member has one transport at a time. Sources and sinks of snapshots
 * are called inside _step and _run_until, too. Returns what ferry_transport_new does, and FERRY_ERR_NOT_FOUND (no
 * member has this id), _EXISTS (its last transport is not freed), _STATE (it is down), _TLS_CONFIG (cfg->tls is not
 * NULL).
 */
FERRY_API int ferry_sim_transport_new(struct ferry_sim *sim, const struct ferry_config *cfg,
                                      struct ferry_transport **ret_t);

enum ferry_sim_crash {
    FERRY_SIM_CRASH_PROCESS, /* the host stays up: it resets the process's connections and refuses new ones */
    FERRY_SIM_CRASH_HOST     /* the host is down: other ends get no reset, and dials time out */
};

/*
 * Crash a member: it receives nothing any more, nothing that it sends reaches the network, and its timers are unset.
 * The caller then frees its transport (which still counts and reports as usual) and all else that the process had in
 * memory, and restarts the member. Returns FERRY_OK; FERRY_ERR_NOT_FOUND; FERRY_ERR_STATE when it is down, and from
 * inside a callback of a transport; FERRY_ERR_INVALID for an invalid crash.
 */
FERRY_API int ferry_sim_crash(struct ferry_sim *sim, uint64_t id, enum ferry_sim_crash crash);

/*
 * Bring a crashed member back, without a transport.
 * Returns FERRY_OK; FERRY_ERR_NOT_FOUND; FERRY_ERR_STATE when it is up, and while its old transport is not freed.
 */
FERRY_API int ferry_sim_restart(struct ferry_sim *sim, uint64_t id);

/* Does the member exist, and is it up? */
FERRY_API bool ferry_sim_is_up(const struct ferry_sim *sim, uint64_t id);

/* ---- Time -------------------------------------------------------------------------------------------------------- */

/* The virtual clock, which all members share.  Their wall clocks start at 1600000000 s. */
FERRY_API uint64_t ferry_sim_now_ns(const struct ferry_sim *sim);

/*
 * Advance the clock to the next event and run it.  false: there is none, or the call came from a callback.
 * Events of one member (or of the network) at the same time run in the order in which they were created.
 */
FERRY_API bool ferry_sim_step(struct ferry_sim *sim);

/*
 * Run every event up to and at until_ns, and leave the clock there (or where it is, if that is later).
 * Returns FERRY_OK; FERRY_ERR_STATE from inside a callback; FERRY_ERR_INVALID beyond FERRY_SIM_MAX_NS.
 */
FERRY_API int ferry_sim_run_until(struct ferry_sim *sim, uint64_t until_ns);

/* The next of the caller's own random numbers, made from the seed.  The transports use others. */
FERRY_API uint64_t ferry_sim_random(struct ferry_sim *sim);

/* ---- The caller's own events ------------------------------------------------------------------------------------- */

struct ferry_sim_timer;
typedef void ferry_sim_timer_fn(void *ctx);

/*
 * Make a timer, not set: the tick of a core, the end of a write to its disk, the next fault of a test.  One of a member
 * (member != 0) is unset when that crashes, and cannot be set while it is down; one of nobody (0) goes on.
 * Lives until _free or the simulation's own end.
 * Returns FERRY_OK; FERRY_ERR_INVALID (no fn), _NOT_FOUND, _NOMEM.
 */
FERRY_API int ferry_sim_timer_new(struct ferry_sim *sim, uint64_t member, ferry_sim_timer_fn *fn, void *ctx,
                                  struct ferry_sim_timer **ret_timer);

/*
 * Call fn(ctx) at at_ns, once; at the present moment if that has passed.  Moves one that is set.  Never calls it from
 * inside.  fn may do whatever the program may do between two steps, but for _step, _run_until and _sim_free: crash any
 * member, free transports, free the timer.
 * Returns FERRY_OK; FERRY_ERR_STATE when its member is down; FERRY_ERR_INVALID beyond FERRY_SIM_MAX_NS.
 */
FERRY_API int ferry_sim_timer_set(struct ferry_sim_timer *timer, uint64_t at_ns);
FERRY_API void ferry_sim_timer_unset(struct ferry_sim_timer *timer); /* one that is not set is fine */
FERRY_API bool ferry_sim_timer_is_set(const struct ferry_sim_timer *timer);
FERRY_API void ferry_sim_timer_free(struct ferry_sim_timer *timer); /* takes NULL */

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

/* FERRY_OK; FERRY_ERR_INVALID for one that cannot be, and nothing changes. */
FERRY_API int ferry_sim_set_weather(struct ferry_sim *sim, const struct ferry_sim_weather *weather);

/*
 * Of one direction, from the one to the other: the way back has a cut and a delay of its own.  Attempts to connect are
 * cut as well.  more_delay_ns is in addition to the weather's; 0: as fast as the others.
 * Return FERRY_OK; FERRY_ERR_NOT_FOUND; FERRY_ERR_INVALID for a delay above FERRY_SIM_MAX_DELAY_NS.
 */
FERRY_API int ferry_sim_cut(struct ferry_sim *sim, uint64_t from, uint64_t to);
FERRY_API int ferry_sim_heal(struct ferry_sim *sim, uint64_t from, uint64_t to);
FERRY_API int ferry_sim_delay(struct ferry_sim *sim, uint64_t from, uint64_t to, uint64_t more_delay_ns);
FERRY_API void ferry_sim_heal_all(struct ferry_sim *sim); /* every cut and every delay; who is down stays down */

enum ferry_sim_reset {
    FERRY_SIM_RESET_BOTH, /* both ends learn of it soon */
    FERRY_SIM_RESET_ONE   /* one end, any of the two; the other does when its next bytes arrive there */
};

/*
 * Break every connection between a and b, whoever dialled, cut or not.  FERRY_OK; FERRY_ERR_NOT_FOUND;
 * FERRY_ERR_INVALID for no such reset.
 */
FERRY_API int ferry_sim_reset_connections(struct ferry_sim *sim, uint64_t a, uint64_t b, enum ferry_sim_reset reset);

/* ---- The trace --------------------------------------------------------------------------------------------------- */

/*
 * Put a line of the caller's own into the trace and its hash, so that what a core decides is part of what must repeat.
 * member 0: of nobody.  FERRY_OK or FERRY_ERR_NOT_FOUND.
 */
FERRY_API int ferry_sim_note(struct ferry_sim *sim, uint64_t member, const char *text);

/* Over all events and notes so far: equal for two runs of one seed, or one of them went another way. */
FERRY_API uint64_t ferry_sim_trace_hash(const struct ferry_sim *sim);
FERRY_API uint64_t ferry_sim_n_events(const struct ferry_sim *sim);

/* The number, from 1, of the connection that the running event is about; 0 when it is about none. */
FERRY_API uint64_t ferry_sim_event_connection(const struct ferry_sim *sim);

#ifdef __cplusplus
}
#endif

#endif
