package annal

import (
	"encoding/hex"
	"strings"
)

// An ID identifies an event: a UUIDv7 (RFC 9562).
type ID [16]byte

// String returns the ID as annal shows it: "log_" and 32 hex digits.
func (id ID) String() string { return string(id.AppendTo(nil)) }

// AppendTo appends [ID.String] to b.
func (id ID) AppendTo(b []byte) []byte { return hex.AppendEncode(append(b, "log_"...), id[:]) }

// UUID returns the ID as a UUID with dashes.
func (id ID) UUID() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// ParseID reads an ID in any form that annal shows: log_<32 hex>, <32 hex>, a
// UUID, audit-<UUID>.
func ParseID(s string) (ID, bool) {
	var id ID
	if t, ok := strings.CutPrefix(s, "log_"); ok {
		s = t
	} else if t, ok := strings.CutPrefix(s, "audit-"); ok {
		s = t
	}
	if len(s) == 36 {
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return id, false
		}
		s = s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(s))
	return id, err == nil && n == 16
}
