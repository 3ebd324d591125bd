// rafthttp-peer on the rafthttp package of etcd 3.7.
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
	out := make([]*raftpb.Message, len(msgs))
	for i := range msgs {
		out[i] = toEtcd(&msgs[i])
	}
	t.Transport.Send(out)
}

// SendSnapshot sends a snapshot with its body; what it returns tells once whether the other side took it.
func (t transport) SendSnapshot(m *peer.Message, body io.ReadCloser, size int64) <-chan bool {
	msg := snap.NewMessage(toEtcd(m), body, size)
	t.Transport.SendSnapshot(msg)
	return msg.CloseNotify()
}

// core is a Raft core that only records.
type core struct {
	cfg peer.Config
}

func (c core) Process(_ context.Context, m *raftpb.Message) error {
	plain := fromEtcd(m)
	c.cfg.Deliver(&plain)
	return nil
}

func (c core) IsIDRemoved(id uint64) bool { return c.cfg.IsRemoved(id) }
func (c core) ReportUnreachable(uint64)   { c.cfg.Unreachable() }
func (c core) ReportSnapshot(_ uint64, status raft.SnapshotStatus) {
	c.cfg.Snapshot(status == raft.SnapshotFinish)
}

// scalars makes the optional scalars of a message.  etcd 3.7 writes what is set, zero or not, so a zero is left unset
// in one half of the messages and set in the other.
type scalars struct {
	sparse bool
}

func (s scalars) number(v uint64) *uint64 {
	if v == 0 && s.sparse {
		return nil
	}
	return &v
}

func (s scalars) flag(v bool) *bool {
	if !v && s.sparse {
		return nil
	}
	return &v
}

func toEtcd(m *peer.Message) *raftpb.Message {
	s := scalars{sparse: m.Commit%2 == 0}
	out := &raftpb.Message{To: s.number(m.To), From: s.number(m.From), Term: s.number(m.Term),
		LogTerm: s.number(m.LogTerm), Index: s.number(m.Index), Commit: s.number(m.Commit), Reject: s.flag(m.Reject),
		RejectHint: s.number(m.RejectHint), Context: m.Context, Vote: s.number(m.Vote)}
	if m.Type != 0 || !s.sparse {
		out.Type = raftpb.MessageType(m.Type).Enum()
	}
	for i := range m.Entries {
		out.Entries = append(out.Entries, toEtcdEntry(s, &m.Entries[i]))
	}
	if snap := m.Snapshot; snap != nil {
		out.Snapshot = &raftpb.Snapshot{Data: snap.Data, Metadata: &raftpb.SnapshotMetadata{Index: s.number(snap.Index),
			Term: s.number(snap.Term), ConfState: &raftpb.ConfState{Voters: snap.Voters, Learners: snap.Learners,
				VotersOutgoing: snap.VotersOutgoing, LearnersNext: snap.LearnersNext,
				AutoLeave: s.flag(snap.AutoLeave)}}}
	}
	for i := range m.Responses {
		out.Responses = append(out.Responses, toEtcd(&m.Responses[i]))
	}
	return out
}

func toEtcdEntry(s scalars, e *peer.Entry) *raftpb.Entry {
	out := &raftpb.Entry{Term: s.number(e.Term), Index: s.number(e.Index), Data: e.Data}
	if e.Type != 0 || !s.sparse {
		out.Type = raftpb.EntryType(e.Type).Enum()
	}
	return out
}

func fromEtcd(m *raftpb.Message) peer.Message {
	out := peer.Message{Type: int32(m.GetType()), To: m.GetTo(), From: m.GetFrom(), Term: m.GetTerm(),
		LogTerm: m.GetLogTerm(), Index: m.GetIndex(), Commit: m.GetCommit(), Reject: m.GetReject(),
		RejectHint: m.GetRejectHint(), Context: m.GetContext(), Vote: m.GetVote()}
	for _, e := range m.GetEntries() {
		out.Entries = append(out.Entries,
			peer.Entry{Term: e.GetTerm(), Index: e.GetIndex(), Type: int32(e.GetType()), Data: e.GetData()})
	}
	if s := m.GetSnapshot(); s != nil {
		meta, conf := s.GetMetadata(), s.GetMetadata().GetConfState()
		out.Snapshot = peer.NormalSnapshot(out.Type, &peer.Snapshot{Data: s.GetData(), Index: meta.GetIndex(),
			Term: meta.GetTerm(), Voters: conf.GetVoters(), Learners: conf.GetLearners(),
			VotersOutgoing: conf.GetVotersOutgoing(), LearnersNext: conf.GetLearnersNext(),
			AutoLeave: conf.GetAutoLeave()})
	}
	for _, r := range m.GetResponses() {
		out.Responses = append(out.Responses, fromEtcd(r))
	}
	return out
}
