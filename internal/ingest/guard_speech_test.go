package ingest

import (
	"testing"

	"annal"
)

func TestWhatTextsSayIsSecret(t *testing.T) {
	const hex48 = "0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ in, want string }{
		{"annal_" + hex48, "[redacted:token]"},
		{"revoked annal_refresh_" + hex48 + ".", "revoked [redacted:token]."},
		{"GET /x?access_token=abc123def456&x=1", "GET /x?access_token=[redacted:token]&x=1"},
		{"/x?a=1&token=4f7a9b2c1d5e", "/x?a=1&token=[redacted:token]"},
		{"client_secret=abcDEF123456;x", "client_secret=[redacted:secret];x"},
		{"--api-key=abcDEF123456 run", "--api-key=[redacted:api_key] run"},
		{"set passwd=hunter2", "set passwd=[redacted:password]"},
		{"DB_PASSWORD=hunter2 db_pwd=x", "DB_PASSWORD=[redacted:password] db_pwd=[redacted:password]"},
		{"curl -H 'Authorization: Basic dXNlcjpwYXNzd29yZA=='", "curl -H 'Authorization: Basic [redacted:authorization]'"},
		{"authorization: bearer 0123456789abcdefABCDEF", "authorization: bearer [redacted:authorization]"},
		{`{"password":"hunter2","user":"u"}`, `{"password":"[redacted:password]","user":"u"}`},
		{`body {"a": {"client_secret" : "x"}, "token": "y\"z", "pin":1}`, `body {"a": {"client_secret" : "x"}, "token": "[redacted:token]", "pin":1}`},
		{`{"b":"{\"password\":\"hun\\\"ter2\",\"x\":1}"}`, `{"b":"{\"password\":\"[redacted:password]\",\"x\":1}"}`},
		{`{"token":1234,"otp": 77}`, `{"token":[redacted:token],"otp": [redacted:password]}`},
	} {
		g := NewGuard(GuardConfig{})
		e := annal.Event{Message: tt.in}
		if g.Clean(&e); e.Message != tt.want || e.Flags != `["redacted:message"]` {
			t.Errorf("%q\n got %q %s\nwant %q", tt.in, e.Message, e.Flags, tt.want)
		}
		again := e
		if g.Clean(&again); again != e {
			t.Errorf("%q changes again to %q", e.Message, again.Message)
		}
		within := annal.Event{Extra: `{"a":[` + quote(tt.in) + `]}`}
		if g.Clean(&within); within.Extra != `{"a":[`+quote(tt.want)+`]}` {
			t.Errorf("in extra: %s\nwant %s", within.Extra, quote(tt.want))
		}
	}
}

func TestWhatTextsSayIsNoSecret(t *testing.T) {
	for _, s := range []string{
		"next_token=abc123def456", "token=", "token=short", "token=my-service-token", "secret=default/my-secret", "pass=3 fail=0", "pwd=/home/u1", "a=b", "key=abc123def456",
		"token_type=bearer12345678", "password=true", "Bearer token has expired", "basic authentication", "Basic YWJjZGVmZ2g=", "the bearer of good news",
		"annal_tokens", "annal_" + fake24, "xannal_0123456789abcdef0123456789abcdef0123456789abcdef", `{"token_type":"bearer"}`, `{"password":true,"token":null,"secret":""}`,
		`{"password":"***"}`, `{"a":"password"}`, `":`, `"":"x"`, "token=[redacted:token]", "Bearer [redacted:jwt]",
	} {
		e := annal.Event{Message: s, Extra: `{"a":` + quote(s) + `}`}
		want := e
		if NewGuard(GuardConfig{}).Clean(&e); e != want {
			t.Errorf("%q became %q and %s, flags %s", s, e.Message, e.Extra, e.Flags)
		}
	}
}
