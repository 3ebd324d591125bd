package peer

import (
	"fmt"
	"sync"
)

// Report is what a journal found out.
type Report struct {
	Matched         uint64 `json:"matched"`
	Different       uint64 `json:"different"`
	Duplicates      uint64 `json:"duplicates"`
	Missing         uint64 `json:"missing"`
	Disordered      uint64 `json:"disordered"` // arrived after a later message of their stream
	Foreign         uint64 `json:"foreign"`    // of no number that was expected
	FirstDifference string `json:"first_difference"`
}

// Journal compares what arrives with what a sequence says should.  It may be fed from many goroutines.
type Journal struct {
	sequence Sequence
	count    uint64
	step     uint64
	receipt  func(complete uint64)

	mu       sync.Mutex
	seen     []bool
	arrived  uint64
	complete uint64    // all messages below this number have arrived
	receipts uint64    // complete at the last receipt
	latest   [2]uint64 // of each ordered stream, the highest number + 1
	report   Report
}

// NewJournal expects messages 0 to count-1 of the sequence.  It calls receipt when step more messages are complete, and
// when all are; a message that is late holds the receipts up, so that a sender's window bounds what is under way.
func NewJournal(s Sequence, count, step uint64, receipt func(complete uint64)) *Journal {
	return &Journal{sequence: s, count: count, step: step, receipt: receipt, seen: make([]bool, count)}
}

func (j *Journal) Add(m *Message) {
	k := j.sequence.Number(m)
	if k >= j.count {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.report.Foreign++
		j.noteFirst(fmt.Sprintf("a message of type %d with commit %d is not of the sequence", m.Type, m.Commit))
		return
	}
	want := j.sequence.Message(k)
	difference := Difference(m, &want)

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen[k] {
		j.report.Duplicates++
		return
	}
	j.seen[k] = true
	j.arrived++
	if difference == "" {
		j.report.Matched++
	} else {
		j.report.Different++
		j.noteFirst(fmt.Sprintf("message %d (type %d): %s", k, want.Type, difference))
	}
	j.checkOrder(k, want.Type)
	for j.complete < j.count && j.seen[j.complete] {
		j.complete++
	}
	if j.complete >= j.receipts+j.step || (j.complete == j.count && j.receipts != j.count) {
		j.receipts = j.complete
		j.receipt(j.complete)
	}
}

// checkOrder: each stream keeps its order; MsgProp has a queue of its own at the receiver, and MsgSnap goes by POST.
func (j *Journal) checkOrder(k uint64, msgType int32) {
	stream := 0
	switch msgType {
	case MsgProp, MsgSnap:
		return
	case MsgApp:
		stream = 1
	}
	if k < j.latest[stream] {
		j.report.Disordered++
	} else {
		j.latest[stream] = k + 1
	}
}

func (j *Journal) noteFirst(text string) {
	if j.report.FirstDifference == "" {
		j.report.FirstDifference = text
	}
}

func (j *Journal) Report() Report {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.report
	r.Missing = j.count - j.arrived
	return r
}
