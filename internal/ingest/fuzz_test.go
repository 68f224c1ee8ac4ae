package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"annal"
	"annal/internal/corpus"
	"annal/internal/strictjson"
)

// checkStorable holds what every event must be that reaches the log.
func checkStorable(t *testing.T, e *annal.Event) {
	t.Helper()
	for f := range annal.NumTexts {
		if s := *e.Text(f); len(s) > annal.Fields[f].Max || !annal.ValidText(s) {
			t.Fatalf("%s has %d bytes, valid text %v", f, len(s), annal.ValidText(s))
		}
	}
	for _, f := range []annal.Field{annal.Extra, annal.Flags} {
		if s := *e.Text(f); s != "" {
			got, err := strictjson.Canonical(nil, []byte(s))
			if err != nil || string(got) != s {
				t.Fatalf("%s is not canonical: %s (%v)", f, s, err)
			}
		}
	}
	if e.Actor.ID == "" || e.Action == "" {
		t.Fatalf("no actor or action: %+v", e)
	}
}

// FuzzReceive holds that what is received may be stored, that what is shown of
// it is received as the same event, and that refusals name a problem.
func FuzzReceive(f *testing.F) {
	corpus.Seed(f)
	f.Add(fullEvent, false)
	f.Add("["+fullEvent+","+fullEvent+"]", false)
	f.Add(fullEvent+"\n{\"a\n"+fullEvent, false)
	f.Add(`{"id":"log_1","timestamp":"2026-01-01","action":"read","secret_path":"a/b","identity_id":"user:a","success":false,"error_code":"access_denied","duration_ms":1.5,"extra_data":{"a":1},"a":2,"token":"x"}`, true)
	f.Add(`{"actor":{"id":"a"},"action":"x","extra":{"password":[1,{"a":"b"}],"dsn":"a://b:c@d"},"flags":["truncated"]}`, false)
	f.Fuzz(func(t *testing.T, body string, flat bool) {
		in, k := newTest()
		req := Request{Body: []byte(body)}
		if flat {
			req.Format = ScaiVault
		}
		if _, err := in.Receive(t.Context(), req); err != nil {
			var invalid *annal.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			return
		}
		checkShown(t, in, k)
	})
}

// checkShown holds that the events of k may be stored, and that what is shown of
// them is received as the same events.
func checkShown(t *testing.T, in *Ingest, k *keep) {
	t.Helper()
	var shown []byte
	for i := range k.events {
		checkStorable(t, &k.events[i])
		shown = append(k.events[i].AppendJSON(shown), '\n')
	}
	first := k.events
	k.events = nil
	if _, err := in.Receive(t.Context(), Request{Body: shown}); err != nil {
		t.Fatalf("%s: %v", shown, err)
	}
	for i := range first {
		first[i].Untimed = false // the second time it has one
	}
	if diff := cmp.Diff(first, k.events); diff != "" {
		t.Fatalf("(-first +again):\n%s", diff)
	}
}

func fuzzSource(f *testing.F, format string, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var events []annal.Event
		counts, err := Decode(format, strings.NewReader(text), func(e *annal.Event) error {
			events = append(events, *e)
			return nil
		})
		if err == nil && counts.Refused > 0 && len(counts.Problems.Problems) == 0 {
			t.Fatalf("%d refused without a problem", counts.Refused)
		}
		in, k := newTest()
		for i := range events {
			checkStorable(t, &events[i])
			if _, err := in.Receive(t.Context(), Request{Body: AppendNative(nil, &events[i])}); err != nil {
				t.Fatalf("%s is refused: %v", AppendNative(nil, &events[i]), err)
			}
		}
		if len(k.events) != len(events) {
			t.Fatalf("%d events, %d received", len(events), len(k.events))
		}
	})
}

func FuzzVault(f *testing.F) {
	corpus.Seed(f)
	fuzzSource(f, FormatVault, vaultRequest+"\n"+vaultResponse, vaultResponse, strings.Replace(vaultRequest, `"id"`, `"ix"`, 1))
}

func FuzzKubernetes(f *testing.F) {
	corpus.Seed(f)
	fuzzSource(f, FormatKubernetes,
		`{"auditID":"a","stage":"ResponseStarted","verb":"get","objectRef":{"resource":"secrets","name":"n"},"responseObject":{"data":{"a":"b"}}}`+"\n"+
			`{"auditID":"a","stage":"ResponseComplete","user":{"username":"u"},"sourceIPs":["1","2"],"requestObject":[{"value":{"a":1}}],"responseStatus":{"code":403}}`)
}

func FuzzCloudTrail(f *testing.F) {
	corpus.Seed(f)
	fuzzSource(f, FormatCloudTrail, `{"Records":[{"eventName":"X","eventID":"e","userIdentity":{"type":"Root"},"requestParameters":{"bucketName":"b","key":"k"}}]}`)
}

func FuzzNativeFile(f *testing.F) {
	corpus.Seed(f)
	fuzzSource(f, FormatNative, fullEvent, "["+fullEvent+"]")
}

func FuzzScaiVaultFile(f *testing.F) {
	corpus.Seed(f)
	fuzzSource(f, FormatScaiVault, `{"timestamp":"2026-01-01","action":"read","secret_path":"a/b","identity_id":"user:a","success":true,"x":1}`)
}

// FuzzStream holds that what a stream is read as depends on neither how it comes
// nor whether it is packed.
func FuzzStream(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{
		fullEvent + "\n{\n" + fullEvent, "[" + fullEvent + ",5," + fullEvent + "]x", vaultRequest + "\r\n" + vaultResponse, "\x1f\x8b\x08", " \n[[{\"a\":1}]]",
		`{"Records":[{"eventName":"X","eventSource":"s"},{]}`, `{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"u"}}`,
		`{"identity_id":"a","action":"x","success":true}` + "\n" + `{"identity_id":"b"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read := func(r io.Reader) (all []byte, said string) {
			counts, err := Decode(FormatAuto, r, func(e *annal.Event) error {
				all = append(AppendNative(all, e), '\n')
				return nil
			})
			return all, fmt.Sprintf("%+v, %v", counts, err)
		}
		all, said := read(strings.NewReader(text))
		if slowly, saidSlowly := read(iotest.OneByteReader(strings.NewReader(text))); string(slowly) != string(all) || saidSlowly != said {
			t.Errorf("%q is read as %s (%s), and byte by byte as %s (%s)", text, all, said, slowly, saidSlowly)
		}
		if strings.HasPrefix(text, "\x1f\x8b") {
			return // packed already
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := io.WriteString(z, text); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		if unpacked, saidUnpacked := read(&packed); string(unpacked) != string(all) || saidUnpacked != said {
			t.Errorf("%q is read as %s (%s), and from gzip as %s (%s)", text, all, said, unpacked, saidUnpacked)
		}
	})
}

// FuzzGuard holds that cleaning is idempotent, keeps the form canonical, and
// that the quick check misses nothing that the tree would find.
func FuzzGuard(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{`{"password":"x"}`, `{"a":["amqp://u:p\"w@h",{"name":"token","value":"x"}]}`, `{"k":"hvs.` + fake24 + `"}`} {
		f.Add(s)
	}
	g := NewGuard(GuardConfig{})
	f.Fuzz(func(t *testing.T, text string) {
		extra, err := strictjson.Canonical(nil, []byte(text))
		if err != nil || !bytes.HasPrefix(extra, []byte("{")) {
			return
		}
		e := annal.Event{Extra: string(extra)}
		if !g.suspects(e.Extra) {
			if g.cleanExtra(&e, nil); e.Extra != string(extra) {
				t.Fatalf("the quick check misses %s, which becomes %s", extra, e.Extra)
			}
			return
		}
		g.cleanExtra(&e, nil)
		again := e
		if g.cleanExtra(&again, nil); again.Extra != e.Extra {
			t.Fatalf("%s becomes %s and then %s", extra, e.Extra, again.Extra)
		}
		if c, err := strictjson.Canonical(nil, []byte(e.Extra)); err != nil || string(c) != e.Extra {
			t.Fatalf("%s becomes %s, which is not canonical (%v)", extra, e.Extra, err)
		}
	})
}
