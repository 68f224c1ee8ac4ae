package ingest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
)

// Tokens of the right shape that open nothing. They are put together here so
// that no scanner takes this file for a leak.
const (
	fake24 = "aB3dE6gH9jK2mN5pQ8sT1vW4"
	fake40 = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"
)

var (
	fakeJWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiJhIn0." + "c2lnbmF0dXJl"
	fakePEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n-----END RSA " + "PRIVATE KEY-----"
)

func TestTextsWithSecrets(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{fakePEM, "[redacted:private_key]"},
		{"key: " + fakePEM + " end", "key: [redacted:private_key] end"},
		{"-----BEGIN " + "PRIVATE KEY-----\nMIIE", "[redacted:private_key]"},
		{"-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3Bl", "[redacted:private_key]"},
		{"-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\nlQ\n-----END PGP " + "PRIVATE KEY BLOCK-----!", "[redacted:private_key]!"},
		{fakeJWT, "[redacted:jwt]"},
		{"Bearer " + fakeJWT + ", next", "Bearer [redacted:jwt], next"},
		{"AKIA" + "IOSFODNN7EXAMPLE", "[redacted:aws_key]"},
		{"id=ASIA" + "IOSFODNN7EXAMPLE;", "id=[redacted:aws_key];"},
		{"aws_secret_access_key = " + fake40, "aws_secret_access_key = [redacted:aws_key]"},
		{`SecretAccessKey": "` + fake40 + `"`, `SecretAccessKey": "[redacted:aws_key]"`},
		{"AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "[redacted:gcp_key]"},
		{"ya29" + ".a0AfH6SMBx1234567890abcdef", "[redacted:gcp_key]"},
		{"ghp_" + fake24 + "abcdefghijkl", "[redacted:github_token]"},
		{"gho_" + fake24 + "abcdefghijkl", "[redacted:github_token]"},
		{"ghs_" + fake24 + "abcdefghijkl", "[redacted:github_token]"},
		{"ghu_" + fake24 + "abcdefghijkl", "[redacted:github_token]"},
		{"ghr_" + fake24 + "abcdefghijkl", "[redacted:github_token]"},
		{"github_pat_" + "11ABCDEFG0" + fake24, "[redacted:github_token]"},
		{"hvs." + fake24, "[redacted:vault_token]"},
		{"hvb." + fake24 + "-_x", "[redacted:vault_token]"},
		{"hvr." + fake24, "[redacted:vault_token]"},
		{"s." + fake24, "[redacted:vault_token]"},
		{"token s." + fake24 + " used", "token [redacted:vault_token] used"},
		{"token=s." + fake24, "token=[redacted:vault_token]"},
		{"xoxb-" + "123456789012-abcdefABCDEF", "[redacted:slack_token]"},
		{"xoxp-" + "123456789012-abcdefABCDEF", "[redacted:slack_token]"},
		{"xapp-" + "1-A0123456789-abcdef", "[redacted:slack_token]"},
		{"postgres://app:hunter2@db:5432/x", "postgres://app:[redacted:password]@db:5432/x"},
		{"see mongodb+srv://u:p@ss@h/db now", "see mongodb+srv://u:[redacted:password]@h/db now"},
		{"amqp://u:a/b@h", "amqp://u:[redacted:password]@h"},
		{"https://:only@h", "https://:[redacted:password]@h"},
		{"redis://u:a@h redis://v:b@h", "redis://u:[redacted:password]@h redis://v:[redacted:password]@h"},
		{"host=db user=app password=hunter2 dbname=x", "host=db user=app password=[redacted:password] dbname=x"},
		{"Server=db;Password=hunter2;Database=x", "Server=db;Password=[redacted:password];Database=x"},
		{"AccountName=a;AccountKey=" + fake40 + "==;Endpoint=x", "AccountName=a;AccountKey=[redacted:credential];Endpoint=x"},
		{"é hvs." + fake24 + " ü", "é [redacted:vault_token] ü"},
	} {
		g := NewGuard(GuardConfig{})
		e := annal.Event{Message: tt.in}
		g.Clean(&e)
		if e.Message != tt.want || e.Flags != `["redacted:message"]` {
			t.Errorf("%q\n got %q %s\nwant %q", tt.in, e.Message, e.Flags, tt.want)
		}
		again := e
		if g.Clean(&again); again != e {
			t.Errorf("%q changes again to %q", e.Message, again.Message)
		}
	}
}

func TestTextsWithoutSecrets(t *testing.T) {
	for _, s := range []string{
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		"-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
		"eyJub3QiOiJhIGhlYWRlciJ9.eyJzdWIiOiJhIn0.c2ln", // no alg
		"eyJ0aGlzIGlzIG5vdCBKU09O.abc.def", "eyJhbGciOiJIUzI1NiJ9", "the eyJ prefix",
		"AKIA", "AKIASHORT", "AKIA" + "IOSFODNN7EXAMPLELONGER", "MAKIA" + "IOSFODNN7EXAMPLE", "AIDA" + "IOSFODNN7EXAMPLE", "AKIA" + "iosfodnn7example",
		"arn:aws:iam::123456789012:user/x", "AIzawa", "ghp_short", "xghp_" + fake24 + "abcdefghijkl", "ya29", "ya29.x",
		"hvs.short", "hvs.", "s.short", "s." + strings.ToLower(fake24), "s." + fake24 + "x", "files." + fake24, "is.gd", "s.",
		"xoxb-", "xoxo-hugs-and-kisses-to-all", "github_patterns",
		"http://host:8080/path", "http://host:8080/a@b", "https://example.com/x?a=b:c@d", "http://[::1]:8080/a@b",
		"https://user@host/", "https://user:@host", "docker-pullable://nginx:1.25@sha256:0123456789abcdef", "postgres://u:***@h", "postgres://u:[redacted:password]@h",
		"mailto:a@b.c", "user:pass@host", "kv/data/password/reset", "secret/data/app/api_key", "auth/token/create", "auth/approle/role/x/secret-id",
		"password=true", "password=", "reset_password", "the password= sign", "password=[redacted:password]", "password=******",
		"SecretAccessKey", "secret_access_key=short", "aws_access_key_id=x", "sts:GetAccessKeyInfo", "AccountKey=short",
		"hmac-sha256:c10b2ec5df408eb6d4774e34931194b09472df38699c968ac86f7787c4333af4",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
		"341d8e70-909e-4fb7-891a-9ff26cae1545", "1 error occurred:\n\t* permission denied\n\n", "0DHqvq2D77kL2/JTPSZkTMJbkFVmUu0TzMi0jiXcFy8=",
		"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab",
	} {
		e := annal.Event{Message: s, Resource: annal.Resource{Path: s}}
		NewGuard(GuardConfig{}).Clean(&e)
		if e.Message != s || e.Resource.Path != s || e.Flags != "" {
			t.Errorf("%q became %q, flags %s", s, e.Message, e.Flags)
		}
	}
}

func TestSecretNames(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "PASSWORD", "db_password", "dbPassword", "DB_PASSWORD", "new-password", "passwd", "pwd", "user_pwd",
		"passphrase", "password1", "passwords", "password_hash", "secret", "client_secret", "clientSecret", "webhook.secret", "secret_id", "secret-id",
		"token", "access_token", "accessToken", "x-vault-token", "X-Vault-Token", "refresh_token", "session_token", "client_token", "id_token", "token_2",
		"api_key", "apiKey", "api-key", "X-API-Key", "APIKEY", "private_key", "privateKey", "signing_key", "secret_access_key", "SecretAccessKey",
		"secret_key", "access_key", "unseal_keys", "authorization", "Authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "credential", "credentials",
		"jwt", "bearer", "pass", "db_pass", "otp", "userPass", "master_key", "account_key", "token[]",
	} {
		for value, want := range map[string]bool{
			`"hunter2"`: true, `7`: true, `["x"]`: true, `true`: false, `null`: false, `""`: false,
			`"hmac-sha256:d9f9a1616b18"`: false, `"[redacted:password]"`: false, `"***"`: false,
		} {
			in := `{` + quote(name) + `:` + value + `}`
			e := annal.Event{Extra: in}
			NewGuard(GuardConfig{}).Clean(&e)
			if got := strings.Contains(e.Flags, "redacted:extra."); got != want {
				t.Errorf("%s became %s with flags %q, want removed = %v", in, e.Extra, e.Flags, want)
			}
			if want && (strings.Contains(e.Extra, "hunter2") || !json.Valid([]byte(e.Extra))) {
				t.Errorf("%s became %s", in, e.Extra)
			}
		}
	}
}

func TestPublicNames(t *testing.T) {
	for _, name := range []string{
		"token_type", "token_ttl", "token_issue_time", "token_policies", "token_accessor", "tokens", "max_tokens", "token_count", "next_token", "nextToken", "pageToken",
		"clientRequestToken", "secret_path", "secret_name", "secret_version", "secret_id_accessor", "secret_id_ttl", "secretName", "secretKeyRef", "secrets",
		"password_policy", "password_changed_at", "password_length", "credentials_path", "credential_type", "api_key_id", "key_id", "access_key_id", "accessKeyId",
		"public_key", "key", "keys", "kms_key", "author", "authorized", "authorization.k8s.io/decision", "auth_method", "cookie_name", "cookies_enabled",
		"compass", "bypass", "hotp_enabled", "region", "reason", "version", "session", "action", "rotation_reason", "monkey", "passenger", "", "a", "12", "é",
		"private_key_id", "signing_key_version", "jwt_issuer", "otpauth_type", "passed", "secretary", "secret/", "token/", "example.org/token",
	} {
		in := `{` + quote(name) + `:"hunter2"}`
		e := annal.Event{Extra: in}
		if NewGuard(GuardConfig{}).Clean(&e); e.Extra != in || e.Flags != "" {
			t.Errorf("%s became %s, flags %s", in, e.Extra, e.Flags)
		}
	}
}

func TestExtraIsCleaned(t *testing.T) {
	for _, tt := range []struct{ name, in, want, flags string }{
		{"nested", `{"a":{"password":"x","user":"u"}}`, `{"a":{"password":"[redacted:password]","user":"u"}}`, `["redacted:extra.a.password"]`},
		{"in arrays", `{"l":[{"token":"x"},{"token":null}]}`, `{"l":[{"token":"[redacted:token]"},{"token":null}]}`, `["redacted:extra.l[0].token"]`},
		{"every leaf", `{"secret":{"a":"x","b":[1,true,null],"c":{"d":"y"}}}`,
			`{"secret":{"a":"[redacted:secret]","b":["[redacted:secret]",true,null],"c":{"d":"[redacted:secret]"}}}`,
			`["redacted:extra.secret.a","redacted:extra.secret.b[0]","redacted:extra.secret.c.d"]`},
		{"a lease is no secret", `{"secret":{"lease_id":"auth/x"}}`, `{"secret":{"lease_id":"auth/x"}}`, ``},
		{"Vault's data is no secret name", `{"response":{"data":{"keys":["a"],"ttl":3}}}`, `{"response":{"data":{"keys":["a"],"ttl":3}}}`, ``},
		{"credentials", `{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","expiration":"Jul 10","sessionToken":"x"}}`,
			`{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","expiration":"Jul 10","sessionToken":"[redacted:token]"}}`, `["redacted:extra.credentials.sessionToken"]`},
		{"credentials as text", `{"credentials":"u:p"}`, `{"credentials":"[redacted:credential]"}`, `["redacted:extra.credentials"]`},
		{"headers", `{"headers":{"authorization":["Bearer x"],"user-agent":["y"]}}`, `{"headers":{"authorization":["[redacted:authorization]"],"user-agent":["y"]}}`, `["redacted:extra.headers.authorization[0]"]`},
		{"pairs", `{"env":[{"name":"DB_PASSWORD","value":"x"},{"name":"HOME","value":"/"}]}`, `{"env":[{"name":"DB_PASSWORD","value":"[redacted:password]"},{"name":"HOME","value":"/"}]}`, `["redacted:extra.env[0].value"]`},
		{"pairs with a path", `{"name":"/prod/db/password","value":"x"}`, `{"name":"/prod/db/password","value":"[redacted:password]"}`, `["redacted:extra.value"]`},
		{"mounts of Vault", `{"secret":{"kv/":{"config":{"max_lease_ttl":0}}},"token/":{"a":1}}`, `{"secret":{"kv/":{"config":{"max_lease_ttl":0}}},"token/":{"a":1}}`, ``},
		{"shape in a value", `{"dsn":"postgres://u:p@h"}`, `{"dsn":"postgres://u:[redacted:password]@h"}`, `["redacted:extra.dsn"]`},
		{"shape behind an escape", `{"a":"x\ny\"hvs.` + fake24 + `"}`, `{"a":"x\ny\"[redacted:vault_token]"}`, `["redacted:extra.a"]`},
		{"escape within a password", `{"a":"amqp://u:p\\w@h"}`, `{"a":"amqp://u:[redacted:password]@h"}`, `["redacted:extra.a"]`},
		{"shape in a name", `{"hvs.` + fake24 + `":1}`, `{"[redacted:vault_token]":1}`, `["redacted:extra.[redacted:vault_token]"]`},
		{"secretId of AWS", `{"secretId":"prod/db"}`, `{"secretId":"prod/db"}`, ``},
		{"secretId of Vault", `{"secretId":"341d8e70-909e-4fb7-891a-9ff26cae1545"}`, `{"secretId":"[redacted:secret]"}`, `["redacted:extra.secretId"]`},
		{"working directory", `{"pwd":"/home/u"}`, `{"pwd":"/home/u"}`, ``},
		{"words as values", `{"a":"password","b":["token","secret"]}`, `{"a":"password","b":["token","secret"]}`, ``},
		{"quoted colon", `{"a":"password\":\"x"}`, `{"a":"password\":\"x"}`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := annal.Event{Extra: tt.in}
			if NewGuard(GuardConfig{}).Clean(&e); e.Extra != tt.want || e.Flags != tt.flags {
				t.Errorf("got  %s %s\nwant %s %s", e.Extra, e.Flags, tt.want, tt.flags)
			}
		})
	}
}

// Texts that nearly match at every step take linear time: the bound, of time on a
// processor, is far above that and far below what squares would take.
func TestHostileTextsAreCheap(t *testing.T) {
	size := annaltest.Cases(250 << 10)
	g := NewGuard(GuardConfig{})
	for _, s := range []string{
		"a://", "a://b:", "://u:@", "password=[redacted:", "password=*", "-eyJ", "eyJ.", "eyJhbGciOiJIUzI1NiJ9.", "-AIza", "AKIA", "-hvs.", " s.a", "-xoxb",
		"-----BEGIN ", "-----BEGIN PRIVATE KEY", "secret_access_ke ", "secret_access_key=", "ghp_", "ya29-", "AccountKey=", `\"`, `":`, "{", "[redacted:",
		"annal_", "token=", "token=x=", "Bearer ", "basic a", `"token":"`, `\"password\":\"`, `"password":"***`, `\`,
	} {
		text := strings.Repeat(s, size/len(s))
		start := cpuTime(t)
		g.cleanText(text)
		e := annal.Event{Extra: `{"a":` + quote(text) + `,"token":` + quote(text) + `}`}
		g.Clean(&e)
		if took := cpuTime(t) - start; took > 10*time.Second {
			t.Errorf("%q: %v for %d bytes", s, took, size)
		}
	}
}

func TestGuardConfigAndCounts(t *testing.T) {
	g := NewGuard(GuardConfig{Secret: []string{"Gate-Code"}, Public: []string{"demo_token"}})
	e := annal.Event{Message: "amqp://u:p@h", Extra: `{"demo_token":"x","main_gate_code":"1234","token":5}`}
	g.Clean(&e)
	if want := `{"demo_token":"x","main_gate_code":"[redacted:secret]","token":"[redacted:token]"}`; e.Extra != want {
		t.Errorf("got %s, want %s", e.Extra, want)
	}
	got := map[string]uint64{}
	g.Redacted(func(kind string, n uint64) { got[kind] = n })
	if got["password"] != 1 || got["secret"] != 1 || got["token"] != 1 || got["jwt"] != 0 || len(got) != int(numSecretKinds)-1 {
		t.Errorf("counts %v", got)
	}
}

func quote(s string) string { return string(annal.AppendString(nil, s)) }
