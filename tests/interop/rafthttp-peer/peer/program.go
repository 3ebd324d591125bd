package peer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Config is what an adapter builds its transport from.  The functions may be called from any goroutine.
type Config struct {
	ID          uint64
	ClusterID   uint64
	URL         string
	CertFile    string // "": plain HTTP
	KeyFile     string
	CAFile      string
	SnapDir     string    // where snapshots that come are stored
	Log         io.Writer // takes the log of the package, one JSON object a line
	Fatal       chan error
	Deliver     func(m *Message)
	Unreachable func()
	Snapshot    func(finished bool)
	IsRemoved   func(id uint64) bool
}

// Transport is one version's rafthttp.Transport.
type Transport interface {
	Handler() http.Handler
	SecureListener(plain net.Listener) (net.Listener, error) // as etcd makes one of Config's files
	AddPeer(id uint64, url string)
	AddRemote(id uint64, url string)
	Metrics() ([]interface{}, error) // what the package has in Prometheus' default registry, family by family
	Send(msgs []Message)
	SendSnapshot(m *Message, body io.ReadCloser, size int64) <-chan bool
	IsActive(id uint64) bool
	Stop()
}

// program holds the state of one run.  Commands come as lines on standard input and answers go as JSON lines to
// standard output; README.md lists them.
type program struct {
	cfg       Config
	transport Transport
	peerID    uint64

	outMu sync.Mutex
	out   *json.Encoder

	mu      sync.Mutex
	changed *sync.Cond
	journal *Journal
	acked   uint64
	removed uint64 // the id of a member that was; 0: of none
	counts  counts
}

// counts is what the driver looks at to know which way the messages took.
type counts struct {
	Writers          uint64 `json:"writers"` // streams that the other side has dialled and we write to
	StreamRequests   uint64 `json:"stream_requests"`
	PipelineRequests uint64 `json:"pipeline_requests"`
	Unreachable      uint64 `json:"unreachable"`
	SnapshotFinish   uint64 `json:"snapshot_finish"`
	SnapshotFailure  uint64 `json:"snapshot_failure"`
	Probes           uint64 `json:"probes"`       // that the other side made
	ProbeAlarms      uint64 `json:"probe_alarms"` // lines of the log on unhealthy peers and clocks that differ
}

// Main is the whole program but for the package that it is about.
func Main(newTransport func(Config) (Transport, error)) {
	p := &program{out: json.NewEncoder(os.Stdout)}
	p.changed = sync.NewCond(&p.mu)
	flag.Uint64Var(&p.cfg.ID, "id", 2, "this member's id")
	flag.Uint64Var(&p.cfg.ClusterID, "cluster-id", 1, "the cluster's id")
	listen := flag.String("listen", "127.0.0.1:0", "where to serve")
	flag.StringVar(&p.cfg.CertFile, "cert", "", "this member's certificate: mutual TLS")
	flag.StringVar(&p.cfg.KeyFile, "key", "", "its key")
	flag.StringVar(&p.cfg.CAFile, "ca", "", "whom to trust")
	flag.Parse()

	if err := p.run(*listen, newTransport); err != nil {
		fmt.Fprintln(os.Stderr, "rafthttp-peer:", err)
		os.Exit(1)
	}
}

func (p *program) run(listen string, newTransport func(Config) (Transport, error)) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if p.cfg.SnapDir, err = os.MkdirTemp("", "rafthttp-peer-"); err != nil {
		return err
	}
	defer os.RemoveAll(p.cfg.SnapDir)
	p.cfg.URL = "http://" + listener.Addr().String()
	if p.cfg.CertFile != "" {
		p.cfg.URL = "https://" + listener.Addr().String()
	}
	p.cfg.Log = (*logWatch)(p)
	p.cfg.Fatal = make(chan error, 1)
	p.cfg.Deliver = p.deliver
	p.cfg.Unreachable = func() { p.update(func() { p.counts.Unreachable++ }) }
	p.cfg.Snapshot = func(finished bool) {
		p.update(func() {
			if finished {
				p.counts.SnapshotFinish++
			} else {
				p.counts.SnapshotFailure++
			}
		})
	}
	p.cfg.IsRemoved = func(id uint64) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.removed != 0 && id == p.removed
	}
	if p.transport, err = newTransport(p.cfg); err != nil {
		return err
	}
	if p.cfg.CertFile != "" {
		if listener, err = p.transport.SecureListener(listener); err != nil {
			return err
		}
	}
	handler := p.transport.Handler()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.countRequest(r)
		handler.ServeHTTP(w, r)
	}))
	go func() {
		for err := range p.cfg.Fatal {
			p.print(map[string]interface{}{"event": "fatal", "error": err.Error()})
		}
	}()
	p.print(map[string]interface{}{"event": "listening", "url": p.cfg.URL})

	// The end of the input is a stop: this process never outlives the one that drives it.
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		more, err := p.command(lines.Text())
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	p.transport.Stop()
	return nil
}

// command obeys one line; more is false when it was the last.
func (p *program) command(line string) (more bool, err error) {
	var s Sequence
	var count, id, window, index uint64
	var late int
	var url string

	verb := strings.SplitN(line, " ", 2)[0]
	switch verb {
	case "peer":
		_, err = fmt.Sscanf(line, "peer %d %s", &p.peerID, &url)
		if err == nil {
			p.transport.AddPeer(p.peerID, url)
			p.print(map[string]interface{}{"event": "added"})
		}
	case "remote":
		_, err = fmt.Sscanf(line, "remote %d %s", &p.peerID, &url)
		if err == nil {
			p.transport.AddRemote(p.peerID, url)
			p.print(map[string]interface{}{"event": "added"})
		}
	case "removed":
		_, err = fmt.Sscanf(line, "removed %d", &id)
		p.update(func() { p.removed = id })
		p.print(map[string]interface{}{"event": "removed"})
	case "metrics":
		err = p.metrics()
	case "expect", "send":
		_, err = fmt.Sscanf(line, verb+" %d %d %d %d %d %d", &s.Seed, &count, &id, &s.Types, &late, &window)
		if err == nil && (s.Types == 0 || window == 0) {
			err = fmt.Errorf("%q: types and window must not be 0", line)
		}
		s.Late = late != 0
		if err == nil && verb == "expect" {
			p.expect(s, id, count, window)
		} else if err == nil {
			go p.send(s, id, count, window)
		}
	case "ack":
		_, err = fmt.Sscanf(line, "ack %d", &count)
		p.update(func() {
			if count > p.acked {
				p.acked = count
			}
		})
	case "body":
		_, err = fmt.Sscanf(line, "body %d %d %d %d", &s.Seed, &count, &id, &index)
		if err == nil {
			go p.sendBody(s.Seed, count, id, index)
		}
	case "stored":
		_, err = fmt.Sscanf(line, "stored %d", &index)
		if err == nil {
			err = p.stored(index)
		}
	case "report":
		p.report()
	case "status":
		p.status()
	case "stop":
		return false, nil
	default:
		err = fmt.Errorf("unknown command %q", line)
	}
	return true, err
}

func (p *program) expect(s Sequence, from, count, step uint64) {
	s.From, s.To = from, p.cfg.ID
	journal := NewJournal(s, count, step, func(complete uint64) {
		p.print(map[string]interface{}{"event": "received", "count": complete})
	})
	p.update(func() { p.journal = journal })
	p.print(map[string]interface{}{"event": "expecting"})
}

// send puts the messages on their way, never more than window of them beyond what the driver has acknowledged, and
// then waits for the fate of every MsgSnap.
func (p *program) send(s Sequence, to, count, window uint64) {
	const batchLen = 16
	var batch []Message
	var snapshots uint64

	s.From, s.To = p.cfg.ID, to
	flush := func() {
		p.transport.Send(batch)
		batch = nil
	}
	p.mu.Lock()
	p.acked = 0
	settled := p.counts.SnapshotFinish + p.counts.SnapshotFailure
	p.mu.Unlock()
	for k := uint64(0); k < count; k++ {
		p.mu.Lock()
		for k >= p.acked+window {
			if len(batch) > 0 {
				p.mu.Unlock()
				flush()
				p.mu.Lock()
				continue
			}
			p.changed.Wait()
		}
		p.mu.Unlock()
		m := s.Message(k)
		if m.Type == MsgSnap {
			snapshots++
		}
		if batch = append(batch, m); len(batch) == batchLen {
			flush()
		}
	}
	flush()
	p.mu.Lock()
	for p.counts.SnapshotFinish+p.counts.SnapshotFailure < settled+snapshots {
		p.changed.Wait()
	}
	p.mu.Unlock()
	p.print(map[string]interface{}{"event": "sent", "count": count, "snapshots": snapshots})
}

func (p *program) deliver(m *Message) {
	p.mu.Lock()
	journal := p.journal
	p.mu.Unlock()
	if journal != nil {
		journal.Add(m)
	}
}

func (p *program) report() {
	p.mu.Lock()
	journal := p.journal
	p.mu.Unlock()
	if journal == nil {
		journal = NewJournal(Sequence{}, 0, 1, nil)
	}
	p.print(struct {
		Event string `json:"event"`
		Report
	}{"report", journal.Report()})
}

func (p *program) status() {
	p.mu.Lock()
	c := p.counts
	p.mu.Unlock()
	p.print(struct {
		Event  string `json:"event"`
		Active bool   `json:"active"`
		counts
	}{"status", p.transport.IsActive(p.peerID), c})
}

func (p *program) metrics() error {
	families, err := p.transport.Metrics()
	if err != nil {
		return err
	}
	for _, family := range families {
		p.print(map[string]interface{}{"event": "family", "family": family})
	}
	p.print(map[string]interface{}{"event": "families"})
	return nil
}

func (p *program) countRequest(r *http.Request) {
	p.update(func() {
		switch {
		case r.URL.Path == "/raft":
			p.counts.PipelineRequests++
		case strings.HasPrefix(r.URL.Path, "/raft/stream/"):
			p.counts.StreamRequests++
		case r.URL.Path == "/raft/probing":
			p.counts.Probes++
		}
	})
}

func (p *program) update(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.changed.Broadcast()
}

func (p *program) print(v interface{}) {
	p.outMu.Lock()
	defer p.outMu.Unlock()
	if err := p.out.Encode(v); err != nil {
		os.Exit(1) // the driver is gone
	}
}

// logWatch passes the package's log on to standard error.  From it the program learns that a stream writer works: no
// call says so, and a message sent a moment earlier goes by POST.
type logWatch program

func (l *logWatch) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("established TCP streaming connection")) &&
		bytes.Contains(line, []byte("stream-writer-type")) {
		(*program)(l).update(func() { l.counts.Writers++ })
	}
	if bytes.Contains(line, []byte("prober ")) {
		(*program)(l).update(func() { l.counts.ProbeAlarms++ })
	}
	return os.Stderr.Write(line)
}
