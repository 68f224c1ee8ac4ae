package store

import (
	"encoding/binary"
	"errors"
	"time"

	"annal"
	"annal/internal/segment"
)

// The payload of a log record is
//
//	┌─────────┬─────────────┬─────────────────────────┬─────┬──────────┬──────────┬─────┬───────┬─────┐
//	│ version │ tenants (v) │ length (v), name, seq(v)│  …  │ keys (v) │ key 48 B │  …  │ event │  …  │
//	└─────────┴─────────────┴─────────────────────────┴─────┴──────────┴──────────┴─────┴───────┴─────┘
//
// with (v) a varint. A tenant comes with the Seq of its first event in the
// record, so that a lost record cannot make numbers come twice. A key is hash
// 16, digest 16, u64 first event of the record it covers, u64 how many. An event
// is
//
//	┌─────────┬───────────┬──────────┬─────────────┬────────────┬──────────────┬─────────┬──────────────────────┐
//	│ mask 4  │ unix s(v) │ ns (v)   │ outcome and │ status (v) │ duration (v) │ salt 16 │ each text in mask:   │
//	│         │ zigzag    │          │ severity 1  │ zigzag     │ ns           │         │ length (v), bytes    │
//	└─────────┴───────────┴──────────┴─────────────┴────────────┴──────────────┴─────────┴──────────────────────┘
//
// where bit f of the mask says that text field f is not empty. Position, Seq and
// Received follow from the record.
const (
	payloadVersion = 1
	keyBytes       = 48
)

var errPayload = errors.New("the record's events cannot be read")

// appendEvent appends e as the log keeps it.
func appendEvent(b []byte, e *annal.Event) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendVarint(b, e.Time.Unix())
	b = binary.AppendUvarint(b, uint64(e.Time.Nanosecond()))
	b = append(b, byte(e.Outcome)|byte(e.Severity)<<4)
	b = binary.AppendVarint(b, int64(e.Request.Status))
	b = binary.AppendUvarint(b, uint64(e.Request.Duration))
	b = append(b, e.Salt[:]...)
	var mask uint32
	for f := range annal.NumTexts {
		s := *e.Text(f)
		if s == "" {
			continue
		}
		mask |= 1 << f
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	binary.LittleEndian.PutUint32(b[at:], mask)
	return b
}

// reader takes a payload apart; bad becomes true at the first thing that does
// not fit and stays so.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.b = r.b[n:]
	return v
}

// event reads one event into e, whose strings point into the payload.
func (r *reader) event(e *annal.Event) {
	*e = annal.Event{}
	head := r.take(4)
	sec, nsec := r.varint(), r.uvarint()
	kind := r.take(1)
	e.Request.Status = int32(r.varint())
	e.Request.Duration = time.Duration(r.uvarint())
	salt := r.take(16)
	if r.bad || nsec >= 1e9 {
		r.bad = true
		return
	}
	e.Time = time.Unix(sec, int64(nsec)).UTC()
	e.Outcome, e.Severity = annal.Outcome(kind[0]&15), annal.Severity(kind[0]>>4)
	copy(e.Salt[:], salt)
	mask := binary.LittleEndian.Uint32(head)
	if mask>>annal.NumTexts != 0 || e.Outcome >= annal.NumOutcomes || e.Severity >= annal.NumSeverities {
		r.bad = true
		return
	}
	for f := range annal.NumTexts {
		if mask&(1<<f) != 0 {
			*e.Text(f) = alias(r.take(r.uvarint()))
		}
	}
}

// appendHead appends what stands before the events of g.
func appendHead(b []byte, g *group) []byte {
	b = append(b, payloadVersion)
	tenants := g.firstSeqs()
	b = binary.AppendUvarint(b, uint64(len(tenants)))
	for _, t := range tenants {
		b = binary.AppendUvarint(b, uint64(len(t.name)))
		b = append(b, t.name...)
		b = binary.AppendUvarint(b, t.seq)
	}
	b = binary.AppendUvarint(b, uint64(len(g.keys)))
	for _, k := range g.keys {
		b = append(b, k.Hash[:]...)
		b = append(b, k.Digest[:]...)
		b = binary.LittleEndian.AppendUint64(b, k.Position-g.first)
		b = binary.LittleEndian.AppendUint64(b, uint64(k.Count))
	}
	return b
}

type tenantSeq struct {
	name string
	seq  uint64
}

// firstSeqs lists each tenant of g with the Seq of its first event.
func (g *group) firstSeqs() (out []tenantSeq) {
	var last string
	seen := map[string]bool{}
	for _, p := range g.batches {
		for i := range p.batch.Events {
			e := &p.batch.Events[i]
			if p.receipts[i].Duplicate || len(out) > 0 && e.Tenant == last || seen[e.Tenant] {
				continue
			}
			last, seen[e.Tenant] = e.Tenant, true
			out = append(out, tenantSeq{e.Tenant, e.Seq})
		}
	}
	return out
}

// head reads what appendHead wrote in a record that begins at position first.
func (r *reader) head(first uint64, received int64) ([]tenantSeq, []segment.Key, error) {
	if v := r.take(1); r.bad || v[0] != payloadVersion {
		return nil, nil, errPayload
	}
	n := r.uvarint()
	if n > uint64(len(r.b))/2 {
		return nil, nil, errPayload
	}
	tenants := make([]tenantSeq, n)
	for i := range tenants {
		name := r.take(r.uvarint())
		tenants[i] = tenantSeq{string(name), r.uvarint()}
	}
	n = r.uvarint()
	if n > uint64(len(r.b))/keyBytes {
		return nil, nil, errPayload
	}
	keys := make([]segment.Key, n)
	for i := range keys {
		b := r.take(keyBytes)
		if r.bad {
			return nil, nil, errPayload
		}
		k := &keys[i]
		copy(k.Hash[:], b)
		copy(k.Digest[:], b[16:])
		k.Position = first + binary.LittleEndian.Uint64(b[32:])
		k.Count = uint32(binary.LittleEndian.Uint64(b[40:]))
		k.Received = received
	}
	if r.bad {
		return nil, nil, errPayload
	}
	return tenants, keys, nil
}
