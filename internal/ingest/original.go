package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"annal"
	"annal/internal/strictjson"
)

// foreignDepth is how deep foreign records may nest to be read at all; what is
// too deep for extra is left out of it.
const foreignDepth = 1000

// spareBytes of an event stay free, so that what the receiver's own guard
// writes in place of secrets does not push the event over the limit.
const spareBytes = 8 << 10

// An original is a record as another system wrote it.
type original struct {
	name  string // the member of extra for it; "": its members are those of extra
	raw   []byte
	value strictjson.Value
}

// parseOriginal reads a foreign record, which must be an object.
func parseOriginal(raw []byte) (strictjson.Value, error) {
	v, err := strictjson.ParseLax(raw, foreignDepth)
	if err == nil && v.Kind != strictjson.Object {
		err = annal.Invalid("", "a record must be an object")
	}
	return v, err
}

// finish completes a foreign event: it cuts texts that are too long, keeps the
// originals in extra as far as they fit, and removes secrets. flags are what
// the source has noted.
func (d *decoder) finish(e *annal.Event, flags []string, originals ...original) error {
	e.Severity = guessSeverity(e.Outcome)
	for f := annal.Action; f < annal.Extra; f++ {
		if s := e.Text(f); len(*s) > annal.Fields[f].Max {
			*s = cutText(*s, annal.Fields[f].Max)
			flags = append(flags, annal.FlagTruncated)
		}
	}
	flags = d.guard.clean(e, flags)
	e.Extra = joinOriginals(originals)
	if e.Extra != "" && depthOf(originals) <= annal.MaxExtraDepth && d.guard.suspects(e.Extra) {
		flags = d.guard.cleanExtra(e, flags)
	}
	room := annal.MaxEventBytes - spareBytes - annal.MaxFlagBytes - len(AppendNative(nil, &annal.Event{
		Actor: e.Actor, Behalf: e.Behalf, Resource: e.Resource, Message: e.Message, Source: e.Source, Request: e.Request,
		Session: e.Session, Action: e.Action, ErrorCode: e.ErrorCode, EventID: e.EventID, Time: e.Time,
	}))
	if len(e.Extra) > room || depthOf(originals) > annal.MaxExtraDepth {
		flags = append(flags, annal.FlagTruncated)
		flags = d.shrink(e, flags, originals, room)
	}
	e.Flags = canonicalFlags(flags)
	return d.send(e)
}

// shrink replaces originals by their size, their SHA-256 and the members that
// fit into their share of the room.
func (d *decoder) shrink(e *annal.Event, flags []string, originals []original, room int) []string {
	small := make([]original, len(originals))
	for i, o := range originals {
		small[i] = original{name: o.name, value: summary(o, room/len(originals))}
	}
	e.Extra = joinOriginals(small)
	if d.guard.suspects(e.Extra) {
		flags = d.guard.cleanExtra(e, flags)
	}
	return flags
}

// summary describes an original within room bytes. The smallest members stay
// first, as they are the ones that say most.
func summary(o original, room int) strictjson.Value {
	sum := sha256.Sum256(o.raw)
	v := strictjson.Value{Kind: strictjson.Object}
	v.Add("size", strictjson.Value{Kind: strictjson.Number, Text: strconv.Itoa(len(o.raw))})
	v.Add("sha256", strictjson.Text(hex.EncodeToString(sum[:])))
	type sized struct {
		m    strictjson.Member
		size int
	}
	list := make([]sized, len(o.value.Members))
	for i, m := range o.value.Members {
		list[i] = sized{m, len(m.Name) + 4 + len(m.Value.AppendCanonical(nil))}
	}
	slices.SortStableFunc(list, func(a, b sized) int { return a.size - b.size })
	kept := strictjson.Value{Kind: strictjson.Object}
	room -= 128 // for the size, the hash and the names
	for _, s := range list {
		// Redaction may double what is there; see secretGrowth.
		if s.size*secretGrowth <= room && depth(&s.m.Value) <= annal.MaxExtraDepth-3 {
			room -= s.size * secretGrowth
			kept.Members = append(kept.Members, s.m)
		}
	}
	v.Add("members", kept)
	return v
}

// secretGrowth is how much longer an original of real systems may get by the
// marks that stand for its secrets.
const secretGrowth = 2

func joinOriginals(list []original) string {
	all := strictjson.Value{Kind: strictjson.Object}
	for _, o := range list {
		switch {
		case o.name == "":
			all.Members = append(all.Members, o.value.Members...)
		default:
			all.Add(o.name, o.value)
		}
	}
	if len(all.Members) == 0 {
		return ""
	}
	return string(all.AppendCanonical(nil))
}

// depthOf returns how deep extra nests with these originals in it.
func depthOf(list []original) int {
	deepest := 0
	for i := range list {
		n := depth(&list[i].value)
		if list[i].name != "" {
			n++
		}
		deepest = max(deepest, n)
	}
	return deepest
}

func depth(v *strictjson.Value) int {
	if v.Kind < strictjson.Array {
		return 0
	}
	deepest := 0
	for i := range v.Items {
		deepest = max(deepest, depth(&v.Items[i]))
	}
	for i := range v.Members {
		deepest = max(deepest, depth(&v.Members[i].Value))
	}
	return deepest + 1
}
