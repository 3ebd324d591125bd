package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// cluster is member 1 and its peers, members 2 and up, all in this process.
type cluster struct {
	options
	newTransport NewTransport
	members      []Transport
	urls         []string
	servers      []*http.Server
	dir          string
	firstRSS     float64 // resident when member 1 had its first peer
	drops        int64
}

// start makes and connects all of them.  deliver is the core of member id.
func (c *cluster) start(deliver func(id uint64, kind Kind, from uint64)) (err error) {
	if c.dir, err = os.MkdirTemp("", "rafthttp-bench-"); err != nil {
		return err
	}
	if c.tls {
		if err = makeCertificate(c.dir); err != nil {
			return err
		}
	}
	for id := uint64(1); id <= uint64(c.peers)+1; id++ {
		if err = c.add(id, deliver); err != nil {
			return err
		}
		if id == 2 {
			if err = c.awaitActive(); err != nil {
				return err
			}
			c.firstRSS = rssKB("VmRSS")
		}
	}
	return c.awaitActive()
}

func (c *cluster) add(id uint64, deliver func(id uint64, kind Kind, from uint64)) error {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cfg := Config{ID: id, URL: "http://" + plain.Addr().String(), SnapDir: filepath.Join(c.dir, fmt.Sprint(id)),
		Deliver: func(kind Kind, from uint64) { deliver(id, kind, from) },
		Dropped: func() { atomic.AddInt64(&c.drops, 1) }}
	if c.tls {
		cfg.URL = "https://" + plain.Addr().String()
		cfg.CertFile, cfg.KeyFile = filepath.Join(c.dir, "cert.pem"), filepath.Join(c.dir, "key.pem")
		cfg.CAFile = cfg.CertFile
	}
	if err := os.Mkdir(cfg.SnapDir, 0o700); err != nil {
		return err
	}
	t, err := c.newTransport(cfg)
	if err != nil {
		return err
	}
	listener := plain
	if c.tls {
		if listener, err = t.SecureListener(plain); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: t.Handler()}
	go server.Serve(listener)
	c.members, c.urls, c.servers = append(c.members, t), append(c.urls, cfg.URL), append(c.servers, server)
	if id > 1 {
		c.hub().AddPeer(id, cfg.URL)
		t.AddPeer(1, c.urls[0])
	}
	return nil
}

func (c *cluster) hub() Transport { return c.members[0] }

// awaitActive waits until the hub and its peers say so of each other.
func (c *cluster) awaitActive() error {
	until := time.Now().Add(patience)
	for i, t := range c.members[1:] {
		for !c.hub().IsActive(uint64(i)+2) || !t.IsActive(1) {
			if time.Now().After(until) {
				return errors.New("the members did not connect")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	time.Sleep(500 * time.Millisecond) // active may also mean a POST; the streams come with the next dial, in 100 ms
	return nil
}

func (c *cluster) close() {
	for i := range c.members {
		c.members[i].Stop()
		c.servers[i].Close()
	}
	if c.dir != "" {
		os.RemoveAll(c.dir)
	}
}

// makeCertificate writes a certificate that is its own CA, as ferry-bench makes it.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rafthttp-bench"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	blocks := map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem": {Type: "EC PRIVATE KEY", Bytes: der}}
	for name, block := range blocks {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
