// rafthttp-peer on the rafthttp package of etcd 3.6.
package main

import (
	"context"
	"io"
	"net"
	"strings"

	"ferry/interop/peer"

	"github.com/prometheus/client_golang/prometheus"
	etcd "go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	stats "go.etcd.io/etcd/server/v3/etcdserver/api/v2stats"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() { peer.Main(newTransport) }

// transport is etcd's under the plain interface of package peer.
type transport struct {
	*rafthttp.Transport
}

func newTransport(cfg peer.Config) (peer.Transport, error) {
	id := types.ID(cfg.ID)
	urls, err := types.NewURLs([]string{cfg.URL})
	if err != nil {
		return nil, err
	}
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		zapcore.AddSync(cfg.Log), zapcore.InfoLevel))
	t := &rafthttp.Transport{Logger: logger, ID: id, URLs: urls, ClusterID: types.ID(cfg.ClusterID), Raft: core{cfg},
		ServerStats: stats.NewServerStats("", id.String()), LeaderStats: stats.NewLeaderStats(logger, id.String()),
		ErrorC: cfg.Fatal, TLSInfo: tlsInfo(cfg),
		Snapshotter: snap.New(logger, cfg.SnapDir)}
	return transport{t}, t.Start()
}

func tlsInfo(cfg peer.Config) etcd.TLSInfo {
	if cfg.CertFile == "" {
		return etcd.TLSInfo{}
	}
	return etcd.TLSInfo{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, TrustedCAFile: cfg.CAFile, ClientCertAuth: true}
}

func (t transport) SecureListener(plain net.Listener) (net.Listener, error) {
	return etcd.NewTLSListener(plain, &t.TLSInfo)
}

func (t transport) AddPeer(id uint64, url string) { t.Transport.AddPeer(types.ID(id), []string{url}) }

func (t transport) AddRemote(id uint64, url string) {
	t.Transport.AddRemote(types.ID(id), []string{url})
}

func (t transport) Metrics() (families []interface{}, err error) {
	all, err := prometheus.DefaultGatherer.Gather()
	for _, family := range all {
		if strings.HasPrefix(family.GetName(), "etcd_network_") {
			families = append(families, family)
		}
	}
	return families, err
}

func (t transport) IsActive(id uint64) bool { return !t.ActiveSince(types.ID(id)).IsZero() }

func (t transport) Send(msgs []peer.Message) {
	out := make([]raftpb.Message, len(msgs))
	for i := range msgs {
		out[i] = toEtcd(&msgs[i])
	}
	t.Transport.Send(out)
}

// SendSnapshot sends a snapshot with its body; what it returns tells once whether the other side took it.
func (t transport) SendSnapshot(m *peer.Message, body io.ReadCloser, size int64) <-chan bool {
	msg := snap.NewMessage(toEtcd(m), body, size)
	t.Transport.SendSnapshot(*msg)
	return msg.CloseNotify()
}

// core is a Raft core that only records.
type core struct {
	cfg peer.Config
}

func (c core) Process(_ context.Context, m raftpb.Message) error {
	plain := fromEtcd(&m)
	c.cfg.Deliver(&plain)
	return nil
}

func (c core) IsIDRemoved(id uint64) bool { return c.cfg.IsRemoved(id) }
func (c core) ReportUnreachable(uint64)   { c.cfg.Unreachable() }
func (c core) ReportSnapshot(_ uint64, status raft.SnapshotStatus) {
	c.cfg.Snapshot(status == raft.SnapshotFinish)
}

func toEtcd(m *peer.Message) raftpb.Message {
	out := raftpb.Message{Type: raftpb.MessageType(m.Type), To: m.To, From: m.From, Term: m.Term, LogTerm: m.LogTerm,
		Index: m.Index, Commit: m.Commit, Reject: m.Reject, RejectHint: m.RejectHint, Context: m.Context,
		Vote: m.Vote}
	for _, e := range m.Entries {
		out.Entries = append(out.Entries,
			raftpb.Entry{Term: e.Term, Index: e.Index, Type: raftpb.EntryType(e.Type), Data: e.Data})
	}
	if s := m.Snapshot; s != nil {
		out.Snapshot = &raftpb.Snapshot{Data: s.Data, Metadata: raftpb.SnapshotMetadata{Index: s.Index, Term: s.Term,
			ConfState: raftpb.ConfState{Voters: s.Voters, Learners: s.Learners, VotersOutgoing: s.VotersOutgoing,
				LearnersNext: s.LearnersNext, AutoLeave: s.AutoLeave}}}
	}
	for i := range m.Responses {
		out.Responses = append(out.Responses, toEtcd(&m.Responses[i]))
	}
	return out
}

func fromEtcd(m *raftpb.Message) peer.Message {
	out := peer.Message{Type: int32(m.Type), To: m.To, From: m.From, Term: m.Term, LogTerm: m.LogTerm,
		Index: m.Index, Commit: m.Commit, Reject: m.Reject, RejectHint: m.RejectHint, Context: m.Context,
		Vote: m.Vote}
	for _, e := range m.Entries {
		out.Entries = append(out.Entries, peer.Entry{Term: e.Term, Index: e.Index, Type: int32(e.Type), Data: e.Data})
	}
	if s := m.Snapshot; s != nil {
		conf := &s.Metadata.ConfState
		out.Snapshot = peer.NormalSnapshot(out.Type, &peer.Snapshot{Data: s.Data, Index: s.Metadata.Index,
			Term: s.Metadata.Term, Voters: conf.Voters, Learners: conf.Learners, VotersOutgoing: conf.VotersOutgoing,
			LearnersNext: conf.LearnersNext, AutoLeave: conf.AutoLeave})
	}
	for i := range m.Responses {
		out.Responses = append(out.Responses, fromEtcd(&m.Responses[i]))
	}
	return out
}
