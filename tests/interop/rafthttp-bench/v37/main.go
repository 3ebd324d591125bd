// rafthttp-bench on the rafthttp package of etcd 3.7.
package main

import (
	"context"
	"io"
	"net"

	"ferry/interop/load"

	etcd "go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

func main() { load.Main("rafthttp-3.7", newTransport) }

// transport is etcd's under the plain interface of package load.
type transport struct {
	*rafthttp.Transport
	self *uint64
}

func newTransport(cfg load.Config) (load.Transport, error) {
	logger := zap.NewNop()
	id := types.ID(cfg.ID)
	t := &rafthttp.Transport{Logger: logger, ID: id, ClusterID: 1, Raft: core{cfg},
		ServerStats: stats.NewServerStats("", id.String()), LeaderStats: stats.NewLeaderStats(logger, id.String()),
		Snapshotter: snap.New(logger, cfg.SnapDir)}
	if cfg.CertFile != "" {
		t.TLSInfo = etcd.TLSInfo{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, TrustedCAFile: cfg.CAFile,
			ClientCertAuth: true}
	}
	return transport{t, number(cfg.ID)}, t.Start()
}

// number is how the package has a scalar.  Those that are the same in all messages are made once.
func number(v uint64) *uint64 { return &v }

var one = number(1)

func (t transport) SecureListener(plain net.Listener) (net.Listener, error) {
	return etcd.NewTLSListener(plain, &t.TLSInfo)
}

func (t transport) AddPeer(id uint64, url string) { t.Transport.AddPeer(types.ID(id), []string{url}) }
func (t transport) IsActive(id uint64) bool       { return !t.ActiveSince(types.ID(id)).IsZero() }

func (t transport) SendApp(to []uint64, index uint64, data []byte) {
	entries := []*raftpb.Entry{{Term: one, Index: number(index + 1), Data: data}}
	msgs := make([]*raftpb.Message, len(to))
	for i, id := range to {
		msgs[i] = &raftpb.Message{Type: raftpb.MsgApp.Enum(), From: t.self, To: number(id), Term: one, LogTerm: one,
			Index: number(index), Entries: entries}
	}
	t.Send(msgs)
}

func (t transport) SendHeartbeat(to uint64) {
	t.Send([]*raftpb.Message{{Type: raftpb.MsgHeartbeat.Enum(), From: t.self, To: number(to), Term: one}})
}

func (t transport) SendHeartbeatResp(to uint64) {
	t.Send([]*raftpb.Message{{Type: raftpb.MsgHeartbeatResp.Enum(), From: t.self, To: number(to), Term: one}})
}

func (t transport) SendSnapshot(to, index uint64, body io.ReadCloser, size int64) <-chan bool {
	msg := snap.NewMessage(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: t.self, To: number(to), Term: one,
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: number(index), Term: one,
			ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}}}}}, body, size)
	t.Transport.SendSnapshot(msg)
	return msg.CloseNotify()
}

// core hands on what kind of message came.
type core struct {
	cfg load.Config
}

func (c core) Process(_ context.Context, m *raftpb.Message) error {
	switch m.GetType() {
	case raftpb.MsgApp:
		c.cfg.Deliver(load.App, m.GetFrom())
	case raftpb.MsgHeartbeat:
		c.cfg.Deliver(load.Heartbeat, m.GetFrom())
	case raftpb.MsgHeartbeatResp:
		c.cfg.Deliver(load.HeartbeatResp, m.GetFrom())
	default:
		c.cfg.Deliver(load.Other, m.GetFrom())
	}
	return nil
}

func (c core) IsIDRemoved(uint64) bool                    { return false }
func (c core) ReportUnreachable(uint64)                   { c.cfg.Dropped() }
func (c core) ReportSnapshot(uint64, raft.SnapshotStatus) {}
