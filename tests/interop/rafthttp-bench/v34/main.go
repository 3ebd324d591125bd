// rafthttp-bench on the rafthttp package of etcd 3.4, as Debian packages it in golang-etcd-server-dev.
package main

import (
	"context"
	"io"
	"net"

	"ferry/interop/load"

	"go.etcd.io/etcd/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/etcdserver/api/snap"
	stats "go.etcd.io/etcd/etcdserver/api/v2stats"
	etcd "go.etcd.io/etcd/pkg/transport"
	"go.etcd.io/etcd/pkg/types"
	"go.etcd.io/etcd/raft"
	"go.etcd.io/etcd/raft/raftpb"
	"go.uber.org/zap"
)

func main() { load.Main("rafthttp-3.4", newTransport) }

// transport is etcd's under the plain interface of package load.
type transport struct {
	*rafthttp.Transport
	self uint64
}

func newTransport(cfg load.Config) (load.Transport, error) {
	logger := zap.NewNop()
	id := types.ID(cfg.ID)
	t := &rafthttp.Transport{Logger: logger, ID: id, ClusterID: 1, Raft: core{cfg},
		ServerStats: stats.NewServerStats("", id.String()), LeaderStats: stats.NewLeaderStats(id.String()),
		Snapshotter: snap.New(logger, cfg.SnapDir)}
	if cfg.CertFile != "" {
		t.TLSInfo = etcd.TLSInfo{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, TrustedCAFile: cfg.CAFile,
			ClientCertAuth: true}
	}
	return transport{t, cfg.ID}, t.Start()
}

func (t transport) SecureListener(plain net.Listener) (net.Listener, error) {
	return etcd.NewTLSListener(plain, &t.TLSInfo)
}

func (t transport) AddPeer(id uint64, url string) { t.Transport.AddPeer(types.ID(id), []string{url}) }
func (t transport) IsActive(id uint64) bool       { return !t.ActiveSince(types.ID(id)).IsZero() }

func (t transport) SendApp(to []uint64, index uint64, data []byte) {
	entries := []raftpb.Entry{{Term: 1, Index: index + 1, Data: data}}
	msgs := make([]raftpb.Message, len(to))
	for i, id := range to {
		msgs[i] = raftpb.Message{Type: raftpb.MsgApp, From: t.self, To: id, Term: 1, LogTerm: 1,
			Index: index, Entries: entries}
	}
	t.Send(msgs)
}

func (t transport) SendHeartbeat(to uint64) {
	t.Send([]raftpb.Message{{Type: raftpb.MsgHeartbeat, From: t.self, To: to, Term: 1}})
}

func (t transport) SendHeartbeatResp(to uint64) {
	t.Send([]raftpb.Message{{Type: raftpb.MsgHeartbeatResp, From: t.self, To: to, Term: 1}})
}

func (t transport) SendSnapshot(to, index uint64, body io.ReadCloser, size int64) <-chan bool {
	msg := snap.NewMessage(raftpb.Message{Type: raftpb.MsgSnap, From: t.self, To: to, Term: 1,
		Snapshot: raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{Index: index, Term: 1,
			ConfState: raftpb.ConfState{Voters: []uint64{1, 2}}}}}, body, size)
	t.Transport.SendSnapshot(*msg)
	return msg.CloseNotify()
}

// core hands on what kind of message came.
type core struct {
	cfg load.Config
}

func (c core) Process(_ context.Context, m raftpb.Message) error {
	switch m.Type {
	case raftpb.MsgApp:
		c.cfg.Deliver(load.App, m.From)
	case raftpb.MsgHeartbeat:
		c.cfg.Deliver(load.Heartbeat, m.From)
	case raftpb.MsgHeartbeatResp:
		c.cfg.Deliver(load.HeartbeatResp, m.From)
	default:
		c.cfg.Deliver(load.Other, m.From)
	}
	return nil
}

func (c core) IsIDRemoved(uint64) bool                    { return false }
func (c core) ReportUnreachable(uint64)                   { c.cfg.Dropped() }
func (c core) ReportSnapshot(uint64, raft.SnapshotStatus) {}
