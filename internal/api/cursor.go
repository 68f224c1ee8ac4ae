package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"annal"
)

// A cursor is opaque to clients. Before base64url it is
//
//	┌─────────┬───────────┬─────────┬──────────┬──────────┬────────┬──────┐
//	│ version │ direction │ time    │ position │ below    │ query  │ mac  │
//	│ 1       │ 1         │ 8       │ 8        │ 8        │ 12     │ 16   │
//	└─────────┴───────────┴─────────┴──────────┴──────────┴────────┴──────┘
//
// with big-endian numbers. Time and position are the mark behind which the next
// page begins, below pins it to the snapshot of the first page, query is a hash
// of the question, and mac is HMAC-SHA256 of all that, cut off.
const (
	cursorVersion = 1
	cursorSigned  = 38
	cursorBytes   = 54
)

var cursorText = base64.RawURLEncoding.Strict()

// appendCursor appends the cursor of the page behind p.
func (s *server) appendCursor(b []byte, q *annal.Query, p *annal.Page) []byte {
	var raw [cursorBytes]byte
	raw[0] = cursorVersion
	raw[1] = direction(q)
	binary.BigEndian.PutUint64(raw[2:], uint64(p.Next.Time))
	binary.BigEndian.PutUint64(raw[10:], p.Next.Position)
	binary.BigEndian.PutUint64(raw[18:], p.Below)
	hash := hashQuery(q)
	copy(raw[26:cursorSigned], hash[:])
	s.sign(raw[cursorSigned:], raw[:cursorSigned])
	return cursorText.AppendEncode(b, raw[:])
}

// readCursor goes on with q where text says.
func (s *server) readCursor(q *annal.Query, text string) error {
	if len(text) != cursorText.EncodedLen(cursorBytes) {
		return errInvalidCursor
	}
	raw, err := cursorText.DecodeString(text)
	if err != nil || len(raw) != cursorBytes { // the decoder skips line breaks
		return errInvalidCursor
	}
	var mac [cursorBytes - cursorSigned]byte
	s.sign(mac[:], raw[:cursorSigned])
	hash := hashQuery(q)
	switch {
	case !hmac.Equal(mac[:], raw[cursorSigned:]):
		return errInvalidCursor
	case raw[0] != cursorVersion, raw[1] != direction(q), !slices.Equal(raw[26:cursorSigned], hash[:]):
		return errInvalidCursor
	}
	q.After = &annal.Mark{Time: int64(binary.BigEndian.Uint64(raw[2:])), Position: binary.BigEndian.Uint64(raw[10:])}
	q.Below = binary.BigEndian.Uint64(raw[18:])
	return nil
}

func (s *server) sign(mac, signed []byte) {
	h := hmac.New(sha256.New, s.CursorKey)
	h.Write(signed)
	copy(mac, h.Sum(nil))
}

func direction(q *annal.Query) byte {
	if q.Oldest {
		return 1
	}
	return 0
}

// hashQuery hashes what q selects: its bounds, filters and text, but not its
// page. Tenants are left out: they are checked anew for every page.
func hashQuery(q *annal.Query) (hash [12]byte) {
	var b []byte
	if !q.Since.IsZero() {
		b = annal.AppendTime(append(b, 's'), q.Since, 9)
	}
	if !q.Until.IsZero() {
		b = annal.AppendTime(append(b, 'u'), q.Until, 9)
	}
	b = appendText(append(b, 't'), q.Text)
	for i := range q.Where {
		f := &q.Where[i]
		b = append(b, 'f', flag(f.Prefix), flag(f.Not), byte(len(f.Fields)))
		for _, field := range f.Fields {
			b = appendText(b, field.String())
		}
		b = binary.AppendUvarint(b, uint64(len(f.Values)))
		for _, v := range f.Values {
			b = appendText(b, v)
		}
	}
	sum := sha256.Sum256(b)
	copy(hash[:], sum[:])
	return hash
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}
