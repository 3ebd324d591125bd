// Package peer is the part of rafthttp-peer that no version of etcd has a say in: the messages as plain structs, the
// sequence both sides can generate, the journal of what arrived, and the line protocol of the program.  One adapter
// per version stands between it and that version's rafthttp package.
package peer

import (
	"bytes"
	"fmt"
)

// Message is raftpb.Message with the fields of all versions.  A nil slice and an empty one are different, as they are
// on the wire.
type Message struct {
	Type       int32
	To         uint64
	From       uint64
	Term       uint64
	LogTerm    uint64
	Index      uint64
	Entries    []Entry
	Commit     uint64
	Snapshot   *Snapshot
	Reject     bool
	RejectHint uint64
	Context    []byte
	Vote       uint64    // etcd 3.6 on
	Responses  []Message // etcd 3.6 on
}

type Entry struct {
	Term  uint64
	Index uint64
	Type  int32
	Data  []byte
}

type Snapshot struct {
	Data           []byte
	Index          uint64
	Term           uint64
	Voters         []uint64
	Learners       []uint64
	VotersOutgoing []uint64
	LearnersNext   []uint64
	AutoLeave      bool
}

// The types that the sequence or an adapter treats in a way of its own.
const (
	MsgProp      = 2
	MsgApp       = 3
	MsgSnap      = 7
	MsgHeartbeat = 8
)

// NormalSnapshot is the snapshot of a message as the Raft core understands it: etcd up to 3.5 writes an empty one into
// every message, which means none unless the message is a MsgSnap.
func NormalSnapshot(msgType int32, s *Snapshot) *Snapshot {
	if s == nil || msgType == MsgSnap {
		return s
	}
	if s.Data != nil || s.Index != 0 || s.Term != 0 || s.AutoLeave ||
		len(s.Voters)+len(s.Learners)+len(s.VotersOutgoing)+len(s.LearnersNext) != 0 {
		return s
	}
	return nil
}

// Difference says in words where got departs from want; "" when nowhere.
func Difference(got, want *Message) string {
	d := differ{}
	d.message("", got, want)
	return d.first
}

// differ keeps the first difference that it is shown.
type differ struct {
	first string
}

func (d *differ) note(field string, got, want interface{}) {
	if d.first == "" {
		d.first = fmt.Sprintf("%s is %v, expected %v", field, got, want)
	}
}

func (d *differ) number(field string, got, want uint64) {
	if got != want {
		d.note(field, got, want)
	}
}

func (d *differ) flag(field string, got, want bool) {
	if got != want {
		d.note(field, got, want)
	}
}

func (d *differ) bytes(field string, got, want []byte) {
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		d.note(field, bytesInWords(got), bytesInWords(want))
	}
}

func (d *differ) numbers(field string, got, want []uint64) {
	d.number("the count of "+field, uint64(len(got)), uint64(len(want)))
	for i := 0; i < len(got) && i < len(want); i++ {
		d.number(field, got[i], want[i])
	}
}

func (d *differ) message(where string, got, want *Message) {
	d.number(where+"type", uint64(got.Type), uint64(want.Type))
	d.number(where+"to", got.To, want.To)
	d.number(where+"from", got.From, want.From)
	d.number(where+"term", got.Term, want.Term)
	d.number(where+"logTerm", got.LogTerm, want.LogTerm)
	d.number(where+"index", got.Index, want.Index)
	d.number(where+"commit", got.Commit, want.Commit)
	d.flag(where+"reject", got.Reject, want.Reject)
	d.number(where+"rejectHint", got.RejectHint, want.RejectHint)
	d.bytes(where+"context", got.Context, want.Context)
	d.number(where+"vote", got.Vote, want.Vote)
	d.number("the count of "+where+"entries", uint64(len(got.Entries)), uint64(len(want.Entries)))
	for i := 0; i < len(got.Entries) && i < len(want.Entries); i++ {
		d.entry(where+"entry ", &got.Entries[i], &want.Entries[i])
	}
	d.snapshot(where+"snapshot ", got.Snapshot, want.Snapshot)
	d.number("the count of "+where+"responses", uint64(len(got.Responses)), uint64(len(want.Responses)))
	for i := 0; i < len(got.Responses) && i < len(want.Responses); i++ {
		d.message(where+"response ", &got.Responses[i], &want.Responses[i])
	}
}

func (d *differ) entry(where string, got, want *Entry) {
	d.number(where+"term", got.Term, want.Term)
	d.number(where+"index", got.Index, want.Index)
	d.number(where+"type", uint64(got.Type), uint64(want.Type))
	d.bytes(where+"data", got.Data, want.Data)
}

func (d *differ) snapshot(where string, got, want *Snapshot) {
	if got == nil || want == nil {
		d.flag(where+"presence", got != nil, want != nil)
		return
	}
	d.bytes(where+"data", got.Data, want.Data)
	d.number(where+"index", got.Index, want.Index)
	d.number(where+"term", got.Term, want.Term)
	d.numbers(where+"voters", got.Voters, want.Voters)
	d.numbers(where+"learners", got.Learners, want.Learners)
	d.numbers(where+"voters_outgoing", got.VotersOutgoing, want.VotersOutgoing)
	d.numbers(where+"learners_next", got.LearnersNext, want.LearnersNext)
	d.flag(where+"auto_leave", got.AutoLeave, want.AutoLeave)
}

func bytesInWords(b []byte) string {
	switch {
	case b == nil:
		return "nil"
	case len(b) > 16:
		return fmt.Sprintf("%d bytes %x...", len(b), b[:16])
	default:
		return fmt.Sprintf("%d bytes %x", len(b), b)
	}
}
