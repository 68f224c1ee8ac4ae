package main

import (
	"net/http"
	"strings"
	"testing"

	"annal"
	"annal/client"
)

// The advice fits the refusal: what it says is known, or nothing is said.
func TestAdviceFitsTheRefusal(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refusal client.Error
		code    int
		advice  string // a part of it; "": none
	}{
		{"token", client.Error{Status: http.StatusUnauthorized, Code: "authentication_required"}, exitDenied, "--token"},
		{"scope", client.Error{Status: http.StatusForbidden, Code: "insufficient_scope"}, exitDenied, "--scope"},
		{"question", client.Error{Status: http.StatusBadRequest, Code: "validation_error"}, exitUsage, ""},
		{"request", client.Error{Status: http.StatusUnprocessableEntity, Code: "validation_error"}, exitUsage, ""},
		{"disk", client.Error{Status: http.StatusServiceUnavailable, Code: "service_unavailable", Detail: annal.ErrUnavailable.Error()}, exitFailed, "annal_write_alarm"},
		{"not ready", client.Error{Status: http.StatusServiceUnavailable, Code: "service_unavailable", Detail: "not ready to serve"}, exitFailed, ""},
		{"keys of an issuer", client.Error{Status: http.StatusServiceUnavailable, Code: "issuer_unavailable"}, exitFailed, ""},
		{"no such token", client.Error{Status: http.StatusNotFound, Code: "token_not_found"}, exitFailed, ""},
		{"another program's page", client.Error{Status: http.StatusNotFound}, exitFailed, "--server"},
		{"a proxy without its server", client.Error{Status: http.StatusBadGateway}, exitFailed, "--server"},
	} {
		code, advice := judge(&tt.refusal)
		if code != tt.code || !strings.Contains(advice, tt.advice) || (tt.advice == "") != (advice == "") {
			t.Errorf("%s: got %d, %q; want %d and %q", tt.name, code, advice, tt.code, tt.advice)
		}
	}
}
