package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"annal"
	"annal/internal/ingest"
)

// idOf returns an event_id for an event that has none: a function of its content
// and of how many equal ones came before it in this run. Bringing the same
// events in again, in whatever order and with others among them, makes the same
// ids; and equal events are kept apart.
//
// It remembers some 30 bytes for each such event.
func (r *reader) idOf(e *annal.Event) string {
	sum := sha256.Sum256(ingest.AppendNative(nil, e))
	content := binary.BigEndian.Uint64(sum[:8])
	r.seen[content]++
	if n := r.seen[content]; n > 1 {
		sum = sha256.Sum256(binary.BigEndian.AppendUint32(sum[:], n))
	}
	return "content:" + hex.EncodeToString(sum[:16])
}
