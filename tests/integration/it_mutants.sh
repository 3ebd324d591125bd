#!/bin/sh
# Faults that are planted in Ferry and in its adapter for libraft are each caught by some seed of the simulation.
#
# A mutant is one source file with one line changed, compiled alone and linked with the simulation's test in front of the
# library, so that it takes the place of the real one.  A change that no longer fits its file fails, as does a mutant that
# lives through all of its seeds; the same test linked with the unchanged file has to pass them.
# What only sockets have is no matter of seeds: check_chunk_writer and check_http_stream are the judges of promises in
# chunks and of shares of a turn.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

[ -z "$sanitize" ] || skip_all "the plain build does it"
cd "$builddir" || exit 1
renice -n 10 $$ >/dev/null 2>&1 # it computes; others, whose deadlines are real, go first
[ -f tests/integration/mutant-flags ] || skip_all "run this through make check"
. tests/integration/mutant-flags

sim_objects=tests/integration/it_sim.o
raft_objects="tests/integration/it_raft_sim_test-it_raft_sim.o tests/harness/it_raft_sim_test-raft_heap.o
    tests/harness/it_raft_sim_test-raft_safety.o tests/harness/it_raft_sim_test-raft_store.o
    tests/harness/it_raft_sim_test-raft_versions.o"
mail_objects="tests/integration/it_mailbox_sim.o tests/harness/mail_store.o"
RIG_TIMEOUT=30
export RIG_TIMEOUT

# build SOURCE PROGRAM TEST: link PROGRAM, which is TEST with SOURCE in front of the library.
# shellcheck disable=SC2086,SC2154  # words; mutant-flags has them
build()
{
    $compile -I"$srcdir/src/$(dirname "$file")" -c "$1" -o "$2.o" || return 1
    case $3 in
    sim) $link -o "$2" $sim_objects "$2.o" $libs ;;
    raft) $link -o "$2" $raft_objects "$2.o" $raft_libs ;;
    mail) $link -o "$2" $mail_objects "$2.o" $mail_libs ;;
    esac
}

# run PROGRAM SEEDS: it says what it found on $work/seen.  Each of the test's parts stops at its first bad seed.
run()
{
    FERRY_SIM_SEEDS=$2 "$1" >"$work/said" 2>&1
    status=$?
    grep -E '^not ok|^it_raft_sim: ' "$work/said" | head -n 1 | cut -c 1-300 >"$work/seen"
    return $status
}

# mutant TEST SEEDS FILE DESCRIPTION SED-SCRIPT
mutant()
{
    kind=$1 seeds=$2 file=$3 description=$4 script=$5
    if [ "$kind" = raft ] && [ ! -f it_raft_sim.test ]; then
        skip "$description" "there is no libraft"
        return
    fi
    if [ "$kind" = mail ] && [ ! -f it_mailbox_sim.test ]; then
        skip "$description" "there is no mailbox"
        return
    fi
    name=$work/$(basename "$file" .c)
    sed "$script" "$srcdir/src/$file" >"$name-mutant.c"
    if [ "$(diff "$srcdir/src/$file" "$name-mutant.c" | grep -c '^[0-9]')" -ne 1 ]; then
        echo "the change does not fit src/$file at one place" >"$work/seen"
        result 1 "$description"
        return
    fi
    if ! build "$name-mutant.c" "$work/mutant" "$kind" >"$work/seen" 2>&1; then
        result 1 "$description: it compiles"
        return
    fi
    if run "$work/mutant" "$seeds"; then
        echo "$seeds seeds did not notice it" >"$work/seen"
        result 1 "$description"
    else
        result 0 "$description"
        sed 's/^not ok [0-9]* - //; s/^/# caught: /' "$work/seen"
    fi
}

# What is not mutated passes, when it is built in the same way.
for kind in sim raft mail; do
    [ $kind != raft ] || [ -f it_raft_sim.test ] || continue
    [ $kind != mail ] || [ -f it_mailbox_sim.test ] || continue
    file=wire/decoder.c
    [ $kind != mail ] || file=mailbox/journal.c
    build "$srcdir/src/$file" "$work/real" $kind >"$work/seen" 2>&1 && run "$work/real" 200
    result $? "without a mutant the seeds of $kind pass"
done

# ---- wire ----
mutant sim 40 wire/encoder.c "msgappv2 sends compactly without a look at the index" \
    's/enc->index == msg->index && enc->term/enc->term/'
mutant sim 40 wire/decoder.c "msgappv2 does not learn the term of a full message" \
    '/^    dec->term = msg->term;/d'
mutant sim 40 wire/outgoing.c "the context of a heartbeat is lost" \
    's/^    if (!is_plain && msg->context.data)$/    if (!is_plain \&\& msg->context.data \&\& msg->type != FERRY_MSG_HEARTBEAT)/'

# ---- member and peer ----
mutant sim 500 peer/stream_reader.c "bytes of a stale connection go before those of the next one" \
    's/^    fy_decoder_init(/    if (r->decoder.max_bytes == 0) fy_decoder_init(/'
mutant sim 40 peer/stream_reader.c "a stream that broke is not dialled again" \
    '/^static void fail(/,/^}/{/^    wait_to_dial(r);/d}'
mutant sim 500 peer/stream_writer.c "messages are held for ever for a stream that was reset" \
    '/^    fy_channel_close(&w->channel, &dropped);/d'
mutant sim 40 peer/stream_writer.c "a connection that was replaced is still served" \
    '/^        fy_outflow_end(older);/d'
mutant sim 40 peer/stream_writer.c "messages of one queue go out of order" \
    's/^    node = fy_list_take_first(&w->taken);/    node = fy_list_first(\&w->taken); if (node \&\& fy_list_next(\&w->taken, node)) node = fy_list_next(\&w->taken, node); if (node) fy_list_remove(node);/'
mutant sim 40 peer/stream_writer.c "what was shown and not sent is lost" \
    's/^        fy_encoder_skip(&w->encoder, left);/        fy_encoder_skip(\&w->encoder, fy_encoder_left(\&w->encoder));/'
mutant sim 500 peer/peer_base.c "a report_unreachable is lost" \
    's/^    if (!is_worth_reporting(base, reason) ||/    if (!is_worth_reporting(base, reason) || reason == FERRY_DROP_STREAM_CLOSED ||/'
mutant sim 40 member/account.c "a message is dropped without an account" \
    's/^    fy_count(&account->counts.dropped\[/    if (reason != FERRY_DROP_POST_FAILED) &/'
mutant sim 500 peer/peer_base.c "the fate of a snapshot is not told" \
    's/^    if (class == FERRY_CLASS_SNAPSHOT)/    if (class == FERRY_CLASS_SNAPSHOT \&\& reason != FERRY_DROP_REMOVED)/'
mutant sim 40 peer/peer_base.c "a message is delivered twice" \
    's/^        base->raft->up.deliver(base->raft->up.ctx, base->peer, msg);/        if (msg->term % 8 == 3) base->raft->up.deliver(base->raft->up.ctx, base->peer, ferry_message_ref(msg));\n&/'
mutant sim 500 peer/peer_base.c "a paused peer is heard" \
    's/^    return !atomic_load_explicit(&base->is_paused, memory_order_relaxed) &&/    return/'

# ---- transport ----
mutant sim 40 transport/peer_table.c "two peers are mixed up" \
    's/^    return place < table->n && fy_peer_id(table->peers\[place\]) == id ? table->peers\[place\] : NULL;/    return place < table->n \&\& fy_peer_id(table->peers[place]) == id ? table->peers[id == 0x300 ? 0 : place] : NULL;/'
mutant sim 40 transport/members.c "a peer that was removed goes on being read" \
    '/^static void expel_and_unlock/,/^}/{/fy_peer_ask_for_attention(peer);/d}'

# ---- adapters/libraft, and what Raft makes of it ----
mutant raft 40 adapters/libraft/raft_message.c "libraft: the term before the entries is lost" \
    's/^    out->msg.log_term = from->prev_log_term;/    out->msg.log_term = from->term;/'
mutant raft 40 adapters/libraft/raft_message.c "libraft: a refused vote is taken for a vote" \
    's/^    to->vote_granted = !msg->reject;/    to->vote_granted = true;/'
mutant raft 40 adapters/libraft/raft_message.c "libraft: a refusal is taken for an acceptance" \
    's/^    to->rejected = msg->reject ? msg->index : 0;/    to->rejected = 0;/'
mutant raft 40 adapters/libraft/raft_message.c "libraft: the commit index is ahead by one" \
    's/^    out->msg.commit = from->leader_commit;/    out->msg.commit = from->leader_commit + 1;/'
mutant raft 40 adapters/libraft/raft_io.c "libraft: the first of several sends is not called back" \
    's/^    for (size_t i = 0; i < lr->firing.n; i++)/    for (size_t i = lr->firing.n > 1; i < lr->firing.n; i++)/'
mutant raft 400 wire/decoder.c "msgappv2 does not learn the term, and Raft suffers" \
    '/^    dec->term = msg->term;/d'

# ---- mailbox ----
mutant mail 400 mailbox/dispatch.c "a message that failed does not hold its successors until that is stored" \
    's/was_put && stream && mail->end != FY_END_DELIVERED/false/'
mutant mail 40 mailbox/dispatch.c "a missed answer is taken for one" \
    's/^        miss(box, mail, FERRY_ERR_TIMEOUT, 0);/        fy_outbox_settle(box, mail, FY_END_DELIVERED);/'
mutant mail 40 mailbox/dispatch.c "the next message of a stream is forgotten" \
    's/^    if (!fy_queues_drop_idle_stream(&box->queues, stream) && was_head)/    if (!fy_queues_drop_idle_stream(\&box->queues, stream) \&\& false)/'
mutant mail 40 mailbox/outbox_post.c "a message is told to be stored before it is" \
    's/^    record_put(box, mail, post->timeout_ms);/&  box->config.stored(box->config.ctx, mail);/'
mutant mail 40 mailbox/outbox_post.c "numbers are used before they are reserved" \
    's/^    if (box->next_sequence >= box->reserved)/    if (false)/'
mutant mail 400 mailbox/receiver.c "a message is taken after its successor" \
    's/^    if (head->sequence <= window->highest)/    if (false)/'
mutant mail 400 mailbox/receiver.c "an outcome is told before it is stored" \
    's/^    if ((turn->head.flags & FY_MAIL_DURABLE) == 0) {/    if (true) {/'
mutant mail 40 mailbox/receiver.c "two messages of a subject are handled at a time" \
    's/^        if (turn->is_called)$/        if (false)/'
mutant mail 400 mailbox/window.c "what the store knows of duplicates is not believed" \
    's/^    seen->is_final = true;/    seen->is_final = false;/'
mutant mail 40 mailbox/journal.c "a group that failed is lost" \
    's/^    fy_list_splice(&journal->gathering, &journal->storing);/    while (fy_list_take_first(\&journal->storing));/'
finish
