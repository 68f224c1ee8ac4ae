package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"annal"
	"annal/internal/strictjson"
)

// Formats of files that [Decode] knows.
const (
	FormatAuto       = "auto"
	FormatNative     = "annal"
	FormatScaiVault  = "scaivault"
	FormatVault      = "vault" // HashiCorp Vault and OpenBao
	FormatKubernetes = "k8s"
	FormatCloudTrail = "cloudtrail"
)

// Formats lists what [Decode] accepts.
func Formats() []string {
	return []string{FormatAuto, FormatNative, FormatScaiVault, FormatVault, FormatKubernetes, FormatCloudTrail}
}

// Counts says what [Decode] has read.
type Counts struct {
	Records int // lines, elements or Records that were read
	Events  int // events that were emitted
	Refused int // records that are not what the format says

	// Problems are those of the refused records, by their index from 0.
	Problems annal.InvalidError
}

// Decode turns a stream of records into events and lends each to emit for the
// call. Memory stays bounded however long the stream is. A record that cannot
// be read is counted and left out; only an error of r or emit ends the work.
// The tenant of foreign events is empty: it is the receiver's to choose.
func Decode(format string, r io.Reader, emit func(*annal.Event) error) (Counts, error) {
	d := decoder{emit: emit, guard: NewGuard(GuardConfig{})}
	var err error
	if d.in, err = newRecords(r); err != nil {
		return d.counts, err
	}
	if format == FormatAuto {
		if format = Detect(d.in.ahead()); format == "" && len(d.in.ahead()) > 0 {
			return d.counts, fmt.Errorf("cannot tell the format; name it with one of %s", strings.Join(Formats()[1:], ", "))
		}
	}
	src, err := d.source(format)
	if err != nil {
		return d.counts, err
	}
	if err = d.run(src); err == nil {
		err = src.flush()
	}
	return d.counts, err
}

// A source turns records of one format into events.
type source interface {
	// record takes one record, whose memory it may keep. Its error is about the
	// record, unless it is that of emit.
	record(raw []byte) error
	// flush emits what was held back.
	flush() error
}

type decoder struct {
	in     *records
	emit   func(*annal.Event) error
	guard  *Guard
	counts Counts
	failed error // of emit
}

func (d *decoder) source(format string) (source, error) {
	switch format {
	case FormatNative, "":
		return &ownSource{d: d, format: Native}, nil
	case FormatScaiVault:
		return &ownSource{d: d, format: ScaiVault}, nil
	case FormatVault:
		return newVaultSource(d), nil
	case FormatKubernetes:
		return newK8sSource(d), nil
	case FormatCloudTrail:
		return &cloudTrailSource{d: d}, nil
	}
	return nil, fmt.Errorf("unknown format %q; it must be one of %s", format, strings.Join(Formats(), ", "))
}

func (d *decoder) run(src source) error {
	for {
		raw, err := d.in.next()
		switch {
		case errors.Is(err, errLongRecord):
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read record %d: %w", d.counts.Records, err)
		default:
			err = src.record(raw)
		}
		if d.failed != nil {
			return d.failed
		}
		if err != nil {
			d.refuse(err)
		}
		d.counts.Records++
	}
}

func (d *decoder) refuse(err error) {
	d.counts.Refused++
	var invalid *annal.InvalidError
	if errors.As(err, &invalid) {
		for _, p := range invalid.Problems {
			d.counts.Problems.Add(d.counts.Records, p.Field, p.Problem)
		}
		return
	}
	d.counts.Problems.Add(d.counts.Records, "", err.Error())
}

// send emits an event.
func (d *decoder) send(e *annal.Event) error {
	if err := d.emit(e); err != nil {
		d.failed = err
		return err
	}
	d.counts.Events++
	return nil
}

// ownSource reads annal's and ScaiVault's forms.
type ownSource struct {
	d      *decoder
	format Format
}

func (s *ownSource) flush() error { return nil }

func (s *ownSource) record(raw []byte) error {
	p := parser{
		req: &Request{Body: raw, Format: s.format}, now: time.Time{}, guard: s.d.guard, client: true,
		r: strictjson.NewReader(raw, annal.MaxExtraDepth),
	}
	p.one()
	if !p.broken(0) {
		p.r.End()
		p.broken(0)
	}
	if len(p.invalid.Problems) > 0 {
		return &p.invalid
	}
	return s.d.send(p.e)
}

// Detect tells the format of a stream from its beginning, by the member names
// of its first record. It returns "" when it cannot tell.
func Detect(first []byte) string {
	first = []byte(strings.TrimLeft(string(first[:min(len(first), readAhead)]), " \t\r\n["))
	if recordsHead.Match(first) {
		return FormatCloudTrail
	}
	names := namesOf(first)
	has := func(want ...string) bool {
		return !slices.ContainsFunc(want, func(n string) bool { return !slices.Contains(names, n) })
	}
	switch {
	case has("auditID", "stage"):
		return FormatKubernetes
	case has("eventSource", "eventName"):
		return FormatCloudTrail
	case has("type", "request"), has("type", "auth", "time"):
		return FormatVault
	case has("identity_id"), has("secret_path"):
		return FormatScaiVault
	case has("actor", "action"):
		return FormatNative
	}
	return ""
}

// namesOf returns the member names of the object that text begins with, as far
// as it goes.
func namesOf(text []byte) []string {
	r := strictjson.NewReader(text, 1<<10)
	if r.Peek() != strictjson.Object {
		return nil
	}
	var names []string
	for r.Enter(); ; r.Skip() {
		name, ok := r.Name()
		if !ok {
			return names
		}
		names = append(names, name)
	}
}

// AppendNative appends e as native input: what a client sends to have it
// stored. Members that the log assigns are absent, and so is the time of an
// event that has none of its own.
func AppendNative(b []byte, e *annal.Event) []byte {
	b = e.AppendCanonical(b)
	if e.Untimed {
		// The canonical form ends with the time.
		b = append(b[:len(b)-len(`,"time":"2026-04-23T18:00:00.000000000Z"}`)], '}')
	}
	return b
}

// stableID returns an event id for what the system at hand calls id: the same
// whenever the same record is read. Ids that are not made to be unique, or too
// long, are told apart by what they stand for.
func stableID(id, suffix string, raw ...[]byte) string {
	if looksRandom(id) {
		return id + suffix
	}
	h := sha256.New()
	for _, r := range raw {
		h.Write(r)
	}
	sum := hex.EncodeToString(h.Sum(nil)[:16])
	if id == "" {
		return "sha256:" + sum + suffix
	}
	return cutText(id, annal.Fields[annal.EventID].Max-len(sum)-len(suffix)-1) + "-" + sum + suffix
}
