package ingest

import (
	"strings"

	"annal"
)

// What an emitter leaves out is guessed from what it said. Each guess is one
// function, so that what annal assumes can be read in one place.

// guessActorType tells what kind of actor an id names by its prefix; ids
// without a known one stay without a type.
func guessActorType(id string) string {
	switch {
	case strings.HasPrefix(id, "sa:"), strings.HasPrefix(id, "clients:"):
		return "service_account"
	case strings.HasPrefix(id, "user:"), strings.HasPrefix(id, "users:"):
		return "user"
	case strings.HasPrefix(id, "group:"), strings.HasPrefix(id, "groups:"):
		return "group"
	case id == "system", strings.HasPrefix(id, "system:"):
		return "system"
	}
	return ""
}

// guessOutcome tells how an action ended by an HTTP-like status, or by whether
// there is an error code.
func guessOutcome(status int32, errorCode string) annal.Outcome {
	switch {
	case status == 401 || status == 403:
		return annal.Denied
	case status >= 400 || errorCode != "":
		return annal.Failure
	}
	return annal.Success
}

// guessSeverity ranks an event by its outcome: what did not succeed deserves a
// look, and what has no known end even more so.
func guessSeverity(o annal.Outcome) annal.Severity {
	switch o {
	case annal.Success:
		return annal.Info
	case annal.Error:
		return annal.Severe
	}
	return annal.Warning
}

// guessFlatOutcome tells the outcome of a ScaiVault entry, which says only
// whether it succeeded.
func guessFlatOutcome(success bool, status int32, errorCode string) annal.Outcome {
	switch {
	case success:
		return annal.Success
	case status == 401 || status == 403 || strings.Contains(strings.ToLower(errorCode), "denied"):
		return annal.Denied
	}
	return annal.Failure
}
