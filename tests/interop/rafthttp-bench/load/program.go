// Package load has the workloads of ferry-bench for etcd's rafthttp, whatever its version: each version's main brings
// an adapter (Transport), and Main runs one mode and prints one line of JSON with ferry-bench's keys.
//
// What is timed begins and ends where it does in ferry-bench, and the core does as little: in pingpong each round is
// sent from the callback that brought the last answer.
package load

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"
)

// Kind is what a core has to know of a message.
type Kind int

const (
	App Kind = iota
	Heartbeat
	HeartbeatResp
	Other
)

// Config is what an adapter builds its transport from.  Deliver is called from goroutines of rafthttp's.
type Config struct {
	ID       uint64
	URL      string
	CertFile string // "": plain HTTP
	KeyFile  string
	CAFile   string
	SnapDir  string
	Deliver  func(kind Kind, from uint64)
	Dropped  func()
}

// Transport is one version's rafthttp.Transport.
type Transport interface {
	Handler() http.Handler
	SecureListener(plain net.Listener) (net.Listener, error)
	AddPeer(id uint64, url string)
	SendApp(to []uint64, index uint64, data []byte) // one entry, the same for all of to
	SendHeartbeat(to uint64)
	SendHeartbeatResp(to uint64)
	SendSnapshot(to, index uint64, body io.ReadCloser, size int64) <-chan bool
	IsActive(id uint64) bool
	Stop()
}

// NewTransport makes and starts a transport.
type NewTransport func(cfg Config) (Transport, error)

type options struct {
	mode     string
	messages int
	size     int
	window   int
	peers    int
	seconds  int
	tls      bool
}

// figures are printed as JSON.
type figures map[string]interface{}

// defaults of each mode: messages, size, window, peers.
var defaults = map[string][4]int{
	"msgapp":   {1000000, 64, 2048, 1},
	"pingpong": {100000, 0, 1, 1},
	"mixed":    {1000, 1 << 20, 32, 1},
	"snapshot": {1, 1 << 30, 1, 1},
	"peers":    {0, 0, 1, 200},
	"fanout":   {20000, 16384, 64, 6},
}

func parse() (o options, err error) {
	flag.StringVar(&o.mode, "mode", "msgapp", "msgapp, pingpong, mixed, snapshot, peers or fanout")
	flag.IntVar(&o.messages, "messages", -1, "messages, rounds, snapshots or entries")
	flag.IntVar(&o.size, "size", -1, "bytes of an entry or a snapshot")
	flag.IntVar(&o.window, "window", -1, "messages undelivered at one time")
	flag.IntVar(&o.peers, "peers", -1, "peers of the one in the middle")
	flag.IntVar(&o.seconds, "seconds", 5, "how long to look at what is idle")
	flag.BoolVar(&o.tls, "tls", false, "talk over mutual TLS")
	flag.Parse()
	standard, known := defaults[o.mode]
	if !known {
		return o, fmt.Errorf("%q is no mode", o.mode)
	}
	if flag.NArg() > 0 {
		return o, fmt.Errorf("%q is no option", flag.Arg(0))
	}
	for i, value := range []*int{&o.messages, &o.size, &o.window, &o.peers} {
		if *value < 0 {
			*value = standard[i]
		}
	}
	return o, nil
}

// Main runs the mode that the command line names.  impl names the version of etcd.
func Main(impl string, newTransport NewTransport) {
	o, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rafthttp-bench:", err)
		os.Exit(2)
	}
	modes := map[string]func(*cluster) (figures, error){"msgapp": runMsgApp, "pingpong": runPingPong,
		"mixed": runMixed, "snapshot": runSnapshot, "peers": runPeers, "fanout": runMsgApp}
	c := &cluster{options: o, newTransport: newTransport}
	out, err := modes[o.mode](c)
	c.close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rafthttp-bench:", err)
		os.Exit(1)
	}
	out["impl"] = impl + " " + runtime.Version()
	out["mode"], out["size"], out["window"] = o.mode, o.size, o.window
	out["peers"], out["tls"] = o.peers, o.tls
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		os.Exit(1)
	}
}

const (
	patience = 60 * time.Second
	settle   = 3 * time.Second
)
