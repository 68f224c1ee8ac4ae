package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"annal/internal/corpus"
)

// manyBodies is how many bodies a world takes in before its logs, which keep them
// all, begin anew.
const manyBodies = 5000

// FuzzBodies holds that whatever is sent to whichever route is answered as the
// document says, is never our fault, and leaves the changes recorded.
func FuzzBodies(f *testing.F) {
	corpus.Seed(f)
	for _, x := range [][4]string{
		{"POST", "/v1/events", nativeEvent + "\n" + nativeEvent, "application/x-ndjson"},
		{"POST", "/v1/audit/logs", `{"timestamp":"2026-01-01","action":"read","secret_path":"a/b","identity_id":"user:a","success":true}`, ""},
		{"POST", "/v1/audit", `{"principal":"users:a","action":"POST","path":"token","status":0}`, ""},
		{"POST", "/audit/entries", `{"actor":{"id":"a"},"event_type":"x.failed","details":{"password":"x"}}`, "application/json; charset=utf-8"},
		{"POST", "/api/v1/admin/audit/", `{"actor_id":"a","action":"x","result":"failure","http":{"status":403}}`, ""},
		{"POST", "/v1/tokens", `{"subject":"x","scopes":["audit:read"],"tenant":"acme","expires":"2027-01-01"}`, ""},
		{"POST", "/v1/token", `{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}`, ""},
		{"POST", "/v1/token", "grant_type=refresh_token&refresh_token=%ff", "application/x-www-form-urlencoded"},
		{"POST", "/api/auth/login", `{"email":"a@b","password":"x"}`, ""},
		{"POST", "/v1/users", `{"username":"ada","password":"a password that is long","displayName":"Ada"}`, ""},
		{"PUT", "/v1/users/ada", `{"displayName":"\u0000"}`, ""},
		{"POST", "/v1/groups", `{"groupName":"g","members":["ada"]}`, ""},
		{"POST", "/v1/groups/g/members", `{"memberNames":["ada"]}`, ""},
		{"DELETE", "/v1/groups/g/members", `{"memberNames":["%ff"]}`, ""},
		{"POST", "/v1/roles", `{"name":"r","description":"d"}`, ""},
		{"POST", "/v1/clients", `{"role":"r"}`, ""},
		{"POST", "/v1/config/policies", `{"path":"a:b","permissionDocument":[{"effect":"allow","actions":["<.*>"],"subjects":["users:ada"],"resources":["audit"],"conditions":{"remoteIP":{"type":"CIDRCondition","options":{"cidr":"10.0.0.0/8"}}}}]}`, ""},
		{"PUT", "/v1/config/policies/a/rollback/1", `{}`, ""},
		{"DELETE", "/v1/config/policies/a/b", ``, ""},
		{"POST", "/v1/config/siem", `{"siemType":"syslog","name":"main","host":"h","port":514,"protocol":"tcp","loggingFormat":"rfc5424","authMethod":"token","auth":"x"}`, ""},
		{"POST", "/v1/tenants", `{"id":"new","partner":"p","name":"New"}`, ""},
		{"PUT", "/v1/tenants/new/standings/ada", `{"standing":"admin"}`, ""},
	} {
		f.Add(x[0], x[1], x[2], x[3])
	}
	w := newWorld(f)
	left := manyBodies
	f.Fuzz(func(t *testing.T, method, path, body, mediaType string) {
		u, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(u.Path, "/tail") || !knownMethod(method) {
			return
		}
		if left--; left < 0 {
			w.empty()
			left = manyBodies
		}
		w.t = t
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
		r.Header.Set("Authorization", "Bearer "+w.super().secret)
		r.Header.Set("Content-Type", mediaType)
		if a := w.send(r); a.Code >= 500 {
			t.Errorf("%s %s %q answers %d %s", method, path, body, a.Code, a.Body)
		}
		if n := len(w.h.own.pending); n > 0 {
			t.Errorf("%s %s %q leaves %d changes unrecorded", method, path, body, n)
		}
	})
}

func knownMethod(m string) bool {
	return m == "GET" || m == "POST" || m == "PUT" || m == "DELETE" || m == "HEAD" || m == "PATCH"
}

// FuzzUnpack holds that what is unpacked is what others unpack, or nothing, and
// never more than a body may have.
func FuzzUnpack(f *testing.F) {
	corpus.Seed(f)
	var g bytes.Buffer
	zw := gzip.NewWriter(&g)
	if _, err := io.WriteString(zw, strings.Repeat(nativeEvent, 3)); err != nil || zw.Close() != nil {
		f.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	z := enc.EncodeAll([]byte(strings.Repeat(nativeEvent, 3)), nil)
	bomb := enc.EncodeAll(make([]byte, MaxBody+1), nil)
	f.Add(g.Bytes(), false)
	f.Add(append(g.Bytes(), g.Bytes()...), false)
	f.Add(g.Bytes()[:30], false)
	f.Add(z, true)
	f.Add(append(bytes.Clone(z), z...), true)
	f.Add(z[:20], true)
	f.Add(bomb, true)
	s := newWorld(f).h
	f.Fuzz(func(t *testing.T, packed []byte, isZstd bool) {
		unpack, reference := s.gunzip, func() (io.Reader, error) { return gzip.NewReader(bytes.NewReader(packed)) }
		if isZstd {
			unpack = s.unzstd
			reference = func() (io.Reader, error) {
				return zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			}
		}
		got, err := unpack(bytes.Clone(packed), int64(len(packed)), func(int) bool { return true })
		var want []byte
		r, wantErr := reference()
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(r, MaxBody+1))
		}
		switch {
		case len(got) > MaxBody:
			t.Errorf("unpacks to %d bytes, at most %d are allowed", len(got), MaxBody)
		case errors.Is(err, errTooLarge):
			if len(want) <= MaxBody {
				t.Errorf("is said to be too large, has %d bytes", len(want))
			}
		case (err == nil) != (wantErr == nil && len(want) <= MaxBody):
			t.Errorf("unpacks with %v, the reference with %v and %d bytes", err, wantErr, len(want))
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("unpacks to %q, want %q", got, want)
		}
		var bad bodyError
		if err != nil && !errors.As(err, &bad) && !errors.Is(err, errTooLarge) {
			t.Errorf("error %v is not the client's", err)
		}
	})
}
