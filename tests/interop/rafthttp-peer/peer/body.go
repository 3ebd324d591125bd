package peer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// body is the body of a snapshot: size bytes that follow from a seed, the same that the driver makes of it.
type body struct {
	seed, at, size uint64
}

func (b *body) Read(p []byte) (int, error) {
	if b.at == b.size {
		return 0, io.EOF
	}
	if left := b.size - b.at; uint64(len(p)) > left {
		p = p[:left]
	}
	for n := 0; n < len(p); {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], ((b.at+uint64(n))/8+b.seed)*0x9e3779b97f4a7c15)
		n += copy(p[n:], word[(b.at+uint64(n))%8:])
	}
	b.at += uint64(len(p))
	return len(p), nil
}

func (b *body) Close() error { return nil }

// sendBody sends a snapshot with its body, and says what became of it.
func (p *program) sendBody(seed, size, to, index uint64) {
	m := Message{Type: MsgSnap, To: to, From: p.cfg.ID, Term: 3,
		Snapshot: &Snapshot{Index: index, Term: 2, Voters: []uint64{p.cfg.ID, to}}}
	ok := <-p.transport.SendSnapshot(&m, &body{seed: seed, size: size}, int64(size))
	p.print(map[string]interface{}{"event": "body_sent", "ok": ok})
}

// stored tells the size and the digest of the snapshot that was stored under index, and removes it.
func (p *program) stored(index uint64) error {
	path := filepath.Join(p.cfg.SnapDir, fmt.Sprintf("%016x.snap.db", index))
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return err
	}
	p.print(map[string]interface{}{"event": "stored", "size": size, "sha256": hex.EncodeToString(hash.Sum(nil))})
	return os.Remove(path)
}
