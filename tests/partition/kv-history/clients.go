package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	requestTimeout = time.Second
	pause          = 4 * time.Millisecond  // between two operations of a client
	retryPause     = 20 * time.Millisecond // after one that certainly had no effect
	epoch          = 500 * time.Millisecond
	keysPerEpoch   = 4 // so that few operations of unknown outcome fall on one key, which checking suffers from
	finalTimeout   = 20 * time.Second
)

type outcome int

const (
	done outcome = iota
	unknown
	none
)

// clients is what all of them share.
type clients struct {
	urls    []string
	http    *http.Client
	begin   time.Time
	history history
	stop    chan struct{}

	nDone, nUnknown, nNone atomic.Int64
	nValues                atomic.Int64
}

func newClients(urls []string) *clients {
	return &clients{
		urls:  urls,
		begin: time.Now(),
		stop:  make(chan struct{}),
		http: &http.Client{
			Timeout: requestTimeout,
			// A connection that is used twice may have a request sent twice: it counts as one that can be repeated.
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *clients) now() int64 {
	return int64(time.Since(c.begin))
}

// ask sends one request to one member.  Where somebody else is to be asked, that one's URL is returned, too.
func (c *clients) ask(base string, op *operation) (outcome, string) {
	methods := map[string]string{"put": http.MethodPut, "get": http.MethodGet, "delete": http.MethodDelete}
	var body io.Reader
	if op.Kind == "put" {
		body = strings.NewReader(op.Value)
	}
	req, err := http.NewRequest(methods[op.Kind], base+"/kv/"+op.Key, body)
	if err != nil {
		panic(err)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		var opErr *net.OpError
		if errors.As(err, &opErr) && opErr.Op == "dial" {
			return none, ""
		}
		return unknown, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return unknown, ""
	}
	return judge(answer.StatusCode, answer.Header.Get("Location"), text, op)
}

func judge(status int, location string, text []byte, op *operation) (outcome, string) {
	var failure struct {
		Outcome string `json:"outcome"`
	}
	switch {
	case status == http.StatusOK:
		if op.Kind == "get" {
			op.Value = string(text)
		}
		return done, ""
	case status == http.StatusNotFound && op.Kind == "get":
		op.Value = ""
		return done, ""
	case status == http.StatusTemporaryRedirect:
		if leader, err := url.Parse(location); err == nil {
			return none, leader.Scheme + "://" + leader.Host
		}
		return none, ""
	case json.Unmarshal(text, &failure) == nil && failure.Outcome == "none":
		return none, ""
	}
	return unknown, ""
}

// perform asks once and records what may have had an effect.
func (c *clients) perform(base string, op operation) (outcome, string) {
	op.Call = c.now()
	result, leader := c.ask(base, &op)
	op.Return = c.now()
	switch result {
	case none:
		c.nNone.Add(1)
	case unknown:
		c.nUnknown.Add(1)
		op.Return = never
		if op.Kind != "get" {
			c.history.add(op)
		}
	case done:
		c.nDone.Add(1)
		c.history.add(op)
	}
	return result, leader
}

func (c *clients) random(random *rand.Rand, client int) operation {
	key := fmt.Sprintf("e%d-%d", c.now()/int64(epoch), random.Intn(keysPerEpoch))
	op := operation{Client: client, Key: key, Kind: "get"}
	switch n := random.Intn(20); {
	case n < 10:
		op.Kind = "put"
		op.Value = fmt.Sprintf("%d-%d", client, c.nValues.Add(1))
	case n < 11:
		op.Kind = "delete"
	}
	return op
}

// run is one client: it goes to a member at random, to the leader that it is sent to, and on when it is refused.
func (c *clients) run(client int, seed int64) {
	random := rand.New(rand.NewSource(seed))
	base := c.urls[random.Intn(len(c.urls))]
	for {
		wait := pause
		result, leader := c.perform(base, c.random(random, client))
		switch {
		case leader != "":
			base = leader
		case result != done:
			base = c.urls[random.Intn(len(c.urls))]
			wait = retryPause
		case random.Intn(50) == 0:
			base = c.urls[random.Intn(len(c.urls))]
		}
		select {
		case <-c.stop:
			return
		case <-time.After(wait):
		}
	}
}

// readAll reads each key that was ever written, so that a write that was acknowledged and lost is found.
func (c *clients) readAll() error {
	keys := map[string]bool{}
	for _, op := range c.history.operations {
		keys[op.Key] = true
	}
	base := c.urls[0]
	for key := range keys {
		deadline := time.Now().Add(finalTimeout)
		for i := 1; ; i++ {
			result, leader := c.perform(base, operation{Client: 0, Kind: "get", Key: key})
			if result == done {
				break
			}
			base = leader
			if base == "" {
				base = c.urls[i%len(c.urls)]
				time.Sleep(retryPause)
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("no member answers for %s any more", key)
			}
		}
	}
	return nil
}

// load lets n clients work until the channel is closed, and then reads all keys.
func (c *clients) load(n int, seed int64) error {
	var group sync.WaitGroup
	for i := range n {
		group.Add(1)
		go func() {
			defer group.Done()
			c.run(i, seed+int64(i))
		}()
	}
	group.Wait()
	return c.readAll()
}
