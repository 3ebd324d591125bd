package load

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var errStuck = errors.New("messages were lost, or nothing moves")

// await polls until done says so.
func await(done func() bool) error {
	for until := time.Now().Add(patience); !done(); {
		if time.Now().After(until) {
			return errStuck
		}
		time.Sleep(100 * time.Microsecond)
	}
	return nil
}

// runMsgApp sends MsgApps of one entry with consecutive indices to all peers, at most window undelivered to each.
func runMsgApp(c *cluster) (figures, error) {
	var got int64
	if err := c.start(func(uint64, Kind, uint64) { atomic.AddInt64(&got, 1) }); err != nil {
		return nil, err
	}
	to := make([]uint64, c.peers)
	for i := range to {
		to[i] = uint64(i) + 2
	}
	data := make([]byte, c.size)
	want, window := int64(c.messages)*int64(c.peers), int64(c.window)*int64(c.peers)
	m := begin()
	for i, sent := 0, int64(0); i < c.messages; i, sent = i+1, sent+int64(c.peers) {
		for sent-atomic.LoadInt64(&got) >= window {
			runtime.Gosched()
		}
		c.hub().SendApp(to, uint64(i), data)
	}
	err := await(func() bool { return atomic.LoadInt64(&got)+atomic.LoadInt64(&c.drops) >= want })
	out := m.end(got, got*int64(c.size))
	out["drops"] = want - got
	return out, err
}

// runPingPong has a heartbeat answered, one round at a time; each is sent by the callback that brought the last answer.
func runPingPong(c *cluster) (figures, error) {
	var sent time.Time
	times := make([]time.Duration, 0, c.messages)
	ended := make(chan struct{})
	err := c.start(func(id uint64, kind Kind, from uint64) {
		switch {
		case kind == Heartbeat:
			c.members[id-1].SendHeartbeatResp(from)
		case kind == HeartbeatResp && len(times) < c.messages:
			times = append(times, time.Since(sent))
			if len(times) == c.messages {
				close(ended)
				return
			}
			sent = time.Now()
			c.hub().SendHeartbeat(2)
		}
	})
	if err != nil {
		return nil, err
	}
	m := begin()
	sent = time.Now()
	c.hub().SendHeartbeat(2)
	select {
	case <-ended:
	case <-time.After(10 * patience):
		return nil, errStuck
	}
	out := m.end(int64(len(times)), 0)
	out["drops"] = c.drops
	out.addTimes(times)
	return out, nil
}

// runMixed times heartbeats, a millisecond apart, while a window of large MsgApps is kept under way.
func runMixed(c *cluster) (figures, error) {
	var got, isOver int64
	var sent time.Time
	times := make([]time.Duration, 0, c.messages)
	pong := make(chan struct{}, 1)
	err := c.start(func(id uint64, kind Kind, from uint64) {
		switch kind {
		case Heartbeat:
			c.members[id-1].SendHeartbeatResp(from)
		case HeartbeatResp:
			times = append(times, time.Since(sent))
			pong <- struct{}{}
		case App:
			atomic.AddInt64(&got, 1)
		}
	})
	if err != nil {
		return nil, err
	}
	var feeder sync.WaitGroup
	feeder.Add(1)
	go func() {
		defer feeder.Done()
		data := make([]byte, c.size)
		for i := 0; atomic.LoadInt64(&isOver) == 0; i++ {
			for int64(i)-atomic.LoadInt64(&got) >= int64(c.window) && atomic.LoadInt64(&isOver) == 0 {
				time.Sleep(50 * time.Microsecond)
			}
			c.hub().SendApp([]uint64{2}, uint64(i), data)
		}
	}()
	if err := await(func() bool { return atomic.LoadInt64(&got) >= int64(c.window) }); err != nil {
		return nil, err
	}
	m, before := begin(), atomic.LoadInt64(&got)
	for i := 0; i < c.messages && err == nil; i++ {
		sent = time.Now()
		c.hub().SendHeartbeat(2)
		select {
		case <-pong:
		case <-time.After(patience):
			err = errStuck
		}
		time.Sleep(time.Millisecond)
	}
	out := m.end(int64(len(times)), (atomic.LoadInt64(&got)-before)*int64(c.size))
	atomic.StoreInt64(&isOver, 1)
	feeder.Wait()
	if err == nil {
		out["drops"] = c.drops
		out.addTimes(times)
	}
	return out, err
}

// filler is the body of a snapshot.
type filler struct{ left int64 }

func (f *filler) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	for i := range p {
		p[i] = 0
	}
	f.left -= int64(len(p))
	return len(p), nil
}
func (f *filler) Close() error { return nil }

// runSnapshot sends bodies of snapshots, which the receiver stores.
func runSnapshot(c *cluster) (figures, error) {
	if err := c.start(func(uint64, Kind, uint64) {}); err != nil {
		return nil, err
	}
	m := begin()
	for i := 1; i <= c.messages; i++ {
		if !<-c.hub().SendSnapshot(2, uint64(i), &filler{int64(c.size)}, int64(c.size)) {
			return nil, errors.New("a snapshot failed")
		}
	}
	out := m.end(int64(c.messages), int64(c.messages)*int64(c.size))
	out["drops"] = c.drops
	return out, nil
}

// runPeers looks at peers that are idle.
func runPeers(c *cluster) (figures, error) {
	if err := c.start(func(uint64, Kind, uint64) {}); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	m := begin()
	time.Sleep(time.Duration(c.seconds) * time.Second)
	out := m.end(0, 0)
	out["drops"] = c.drops
	if c.peers > 1 {
		out["rss_kb_per_link_pair"] = (rssKB("VmRSS") - c.firstRSS) / float64(c.peers-1)
	}
	return out, nil
}
