package peer

import "encoding/binary"

// Sequence is an endless row of messages, each a pure function of the seed and its number, so that a receiver can
// generate what it should have got.  tests/interop/sequence.c is its twin in C: what is drawn, and in which order, must
// be the same in both.
//
// The number travels in Commit, the one free field that every frame form keeps.  Every second block of 64 messages is
// mostly a run of MsgApps as a leader in steady state sends them, which msgappv2 packs into compact frames; all other
// MsgApps have a LogTerm that differs from their Term, which forces full frames, so that their other fields survive.
type Sequence struct {
	Seed  uint64
	From  uint64
	To    uint64
	Types uint64 // message types 0 to Types - 1
	Late  bool   // use the fields of etcd 3.6 as well
}

// A block ends with its only MsgSnap: they all go by the pipeline, whose queue is short.
const (
	blockLen      = 64
	surveyLen     = 2 * blockLen // the first messages go through all types in turn
	newTermSlot   = 30           // in a run, the append with which a new leader begins: a full frame
	messageSalt   = 1
	blockSalt     = 2
	goldenGamma   = 0x9e3779b97f4a7c15
	largeDataSize = 1 << 20
)

// Base is the Commit of message 0.
func (s *Sequence) Base() uint64 { return mix(s.Seed) }

// Number is the number of a message; garbage for one of another sequence.
func (s *Sequence) Number(m *Message) uint64 { return m.Commit - s.Base() }

func (s *Sequence) Message(k uint64) Message {
	d := newDraws(s.Seed, messageSalt, k)
	m := Message{To: s.To, From: s.From, Commit: s.Base() + k}
	if s.inRun(k) {
		s.runMessage(&d, k, &m)
	} else {
		m.Type = s.typeOf(&d, k)
		s.fullMessage(&d, &m)
	}
	return m
}

func (s *Sequence) inRun(k uint64) bool {
	slot := k % blockLen
	return k >= surveyLen && k/blockLen%2 == 0 && slot != blockLen-1 && slot%4 != 3
}

func (s *Sequence) typeOf(d *draws, k uint64) int32 {
	if k%blockLen == blockLen-1 {
		return MsgSnap
	}
	if k < surveyLen {
		return int32(k % s.Types)
	}
	drawn := d.below(s.Types + s.Types/2)
	switch {
	case drawn >= s.Types:
		return MsgApp
	case drawn == MsgSnap:
		return MsgHeartbeat
	default:
		return int32(drawn)
	}
}

// runMessage is a MsgApp that continues where the one before it in its block ended.
func (s *Sequence) runMessage(d *draws, k uint64, m *Message) {
	b := newDraws(s.Seed, blockSalt, k/blockLen)
	term := b.number() | 1
	first := b.number()
	n := b.below(4)
	slot := k % blockLen

	m.Type = MsgApp
	m.Term = term
	m.LogTerm = term
	m.Index = first + n*(slot-slot/4)
	if slot == newTermSlot {
		m.Term++
	}
	for i := uint64(0); i < n; i++ {
		e := d.entry()
		e.Index = m.Index + 1 + i
		m.Entries = append(m.Entries, e)
	}
}

func (s *Sequence) fullMessage(d *draws, m *Message) {
	// a forwarded MsgTransferLeader, for one, names another sender than the member that sends it
	if d.below(16) == 0 {
		m.From = s.From + 1 + d.below(7)
	}
	m.Term = d.number()
	m.LogTerm = d.number()
	if m.Type == MsgApp {
		m.LogTerm = m.Term + 1 + d.below(3)
	}
	m.Index = d.number()
	m.Reject = d.below(2) == 1
	m.RejectHint = d.number()
	m.Context = d.bytes()
	for n := d.below(4); n > 0; n-- {
		m.Entries = append(m.Entries, d.entry())
	}
	switch {
	case m.Type == MsgSnap && d.below(16) == 0:
		m.Snapshot = &Snapshot{}
	case m.Type == MsgSnap || d.below(8) == 0:
		m.Snapshot = d.snapshot()
	}
	if s.Late {
		m.Vote = d.number()
		if d.below(8) == 0 {
			for n := 1 + d.below(3); n > 0; n-- {
				m.Responses = append(m.Responses, s.response(d, 0))
			}
		}
	}
}

func (s *Sequence) response(d *draws, depth int) Message {
	m := Message{Type: int32(d.below(s.Types))}
	m.To = d.number()
	m.From = d.number()
	m.Term = d.number()
	m.LogTerm = d.number()
	m.Index = d.number()
	m.Commit = d.number()
	m.Reject = d.below(2) == 1
	m.RejectHint = d.number()
	m.Context = d.bytes()
	m.Vote = d.number()
	if d.below(2) == 1 {
		m.Entries = append(m.Entries, d.entry())
	}
	if depth == 0 && d.below(4) == 0 {
		m.Responses = append(m.Responses, s.response(d, depth+1))
	}
	return m
}

// draws is a splitmix64 generator.
type draws struct {
	state uint64
}

func newDraws(seed, salt, k uint64) draws {
	return draws{state: mix(seed+salt) ^ mix(k+goldenGamma)}
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *draws) next() uint64 {
	d.state += goldenGamma
	return mix(d.state)
}

func (d *draws) below(n uint64) uint64 { return d.next() % n }

// number is of any magnitude from 0 to 2^64 - 1, and a small one as often as a large one.
func (d *draws) number() uint64 {
	v := d.next()
	return v >> d.below(64)
}

func (d *draws) numbers() []uint64 {
	var list []uint64
	for n := d.below(4); n > 0; n-- {
		list = append(list, d.number())
	}
	return list
}

// bytes is nil, empty, short, longer, or longer than the buffer that msgappv2 packs entries into.
func (d *draws) bytes() []byte {
	var size uint64
	switch d.below(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		size = 1 + d.below(4096)
		if d.below(256) == 0 {
			size = largeDataSize + d.below(largeDataSize)
		}
	default:
		size = 1 + d.below(64)
	}
	data := make([]byte, (size+7)/8*8)
	for at := 0; at < len(data); at += 8 {
		binary.LittleEndian.PutUint64(data[at:], d.next())
	}
	return data[:size]
}

func (d *draws) entry() Entry {
	var e Entry
	e.Term = d.number()
	e.Index = d.number()
	e.Type = int32(d.below(3))
	e.Data = d.bytes()
	return e
}

func (d *draws) snapshot() *Snapshot {
	s := &Snapshot{}
	s.Data = d.bytes()
	s.Index = d.number() | 1 // never an empty one
	s.Term = d.number()
	s.Voters = d.numbers()
	s.Learners = d.numbers()
	s.VotersOutgoing = d.numbers()
	s.LearnersNext = d.numbers()
	s.AutoLeave = d.below(2) == 1
	return s
}
