// rafthttp-bench - the workloads of ferry-bench on etcd's own rafthttp, so that both are measured in one run.
//
// Two transports in one process over loopback.  msgapp: MsgApps of one entry with consecutive indices, at most so many
// undelivered.  pingpong: a MsgHeartbeat answered by a MsgHeartbeatResp, one round at a time.  Prints one line of JSON
// with ferry-bench's keys.  Built in GOPATH mode with Debian's golang-etcd-server-dev (etcd 3.4).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"sort"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/etcdserver/api/rafthttp"
	stats "go.etcd.io/etcd/etcdserver/api/v2stats"
	"go.etcd.io/etcd/pkg/types"
	"go.etcd.io/etcd/raft"
	"go.etcd.io/etcd/raft/raftpb"
	"go.uber.org/zap"
)

// core is a Raft core that hands each message to a function.
type core struct {
	onMessage func(m raftpb.Message)
	drops     int64
}

func (c *core) Process(_ context.Context, m raftpb.Message) error {
	c.onMessage(m)
	return nil
}
func (c *core) IsIDRemoved(uint64) bool                        { return false }
func (c *core) ReportUnreachable(uint64)                       { atomic.AddInt64(&c.drops, 1) }
func (c *core) ReportSnapshot(_ uint64, _ raft.SnapshotStatus) {}

func newMember(id types.ID, c *core) (*rafthttp.Transport, *httptest.Server) {
	t := &rafthttp.Transport{
		Logger:      zap.NewNop(),
		ID:          id,
		ClusterID:   1,
		Raft:        c,
		ServerStats: stats.NewServerStats("", id.String()),
		LeaderStats: stats.NewLeaderStats(id.String()),
	}
	if err := t.Start(); err != nil {
		panic(err)
	}
	return t, httptest.NewServer(t.Handler())
}

// cpu is the processor time of the whole process, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// awaitActive waits until both members say that the other one is active.
func awaitActive(a, b *rafthttp.Transport) {
	for a.ActiveSince(2).IsZero() || b.ActiveSince(1).IsZero() {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // active may also mean a POST; the streams come with the next dial, in 100 ms
}

func main() {
	mode := flag.String("mode", "msgapp", "msgapp or pingpong")
	n := flag.Int("messages", 300000, "messages or rounds")
	size := flag.Int("size", 64, "bytes of an entry (msgapp)")
	window := flag.Int("window", 2048, "messages undelivered at one time (msgapp)")
	flag.Parse()

	var got int64
	pong := make(chan struct{}, 1)
	var t1, t2 *rafthttp.Transport
	c1 := &core{onMessage: func(m raftpb.Message) {
		if m.Type == raftpb.MsgHeartbeatResp {
			pong <- struct{}{}
		}
	}}
	c2 := &core{onMessage: func(m raftpb.Message) {
		if m.Type == raftpb.MsgHeartbeat {
			t2.Send([]raftpb.Message{{Type: raftpb.MsgHeartbeatResp, From: 2, To: 1, Term: 1}})
		} else {
			atomic.AddInt64(&got, 1)
		}
	}}
	t1, s1 := newMember(1, c1)
	var s2 *httptest.Server
	t2, s2 = newMember(2, c2)
	t1.AddPeer(2, []string{s2.URL})
	t2.AddPeer(1, []string{s1.URL})
	awaitActive(t1, t2)

	out := map[string]interface{}{"impl": "rafthttp-3.4 " + runtime.Version(), "mode": *mode, "size": *size, "messages": *n}
	began, cpuBefore := time.Now(), cpu()
	switch *mode {
	case "msgapp":
		data := make([]byte, *size)
		for i := 0; i < *n; i++ {
			for int64(i)-atomic.LoadInt64(&got) >= int64(*window) {
				runtime.Gosched()
			}
			t1.Send([]raftpb.Message{{Type: raftpb.MsgApp, From: 1, To: 2, Term: 1, LogTerm: 1, Index: uint64(i),
				Entries: []raftpb.Entry{{Term: 1, Index: uint64(i + 1), Data: data}}}})
		}
		for atomic.LoadInt64(&got) < int64(*n) && time.Since(began) < 2*time.Minute {
			time.Sleep(100 * time.Microsecond)
		}
		took := time.Since(began)
		out["msgs_per_s"] = float64(got) / took.Seconds()
		out["mb_per_s"] = float64(got) * float64(*size) / took.Seconds() / 1e6
	case "pingpong":
		rounds := make([]float64, *n)
		for i := range rounds {
			sent := time.Now()
			t1.Send([]raftpb.Message{{Type: raftpb.MsgHeartbeat, From: 1, To: 2, Term: 1}})
			<-pong
			rounds[i] = float64(time.Since(sent).Nanoseconds()) / 1e3
		}
		out["msgs_per_s"] = float64(*n) / time.Since(began).Seconds()
		sort.Float64s(rounds)
		out["p50_us"] = rounds[len(rounds)/2]
		out["p99_us"] = rounds[len(rounds)*99/100]
		out["p999_us"] = rounds[len(rounds)*999/1000]
	default:
		fmt.Fprintf(os.Stderr, "rafthttp-bench: %q is no mode\n", *mode)
		os.Exit(2)
	}
	out["cpu_ns_per_msg"] = float64((cpu() - cpuBefore).Nanoseconds()) / float64(*n)
	out["drops"] = atomic.LoadInt64(&c1.drops)
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}
