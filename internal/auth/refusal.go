package auth

import "time"

// retryBusy is how long a caller shall wait when too many passwords are being
// checked.
const retryBusy = 2 * time.Second

// Refusals of grants.
var (
	ErrCredentials = &Error{"invalid_credentials", "the name or the secret is wrong"}
	ErrGrant       = &Error{"invalid_grant", "the refresh token is not known, was used, or has expired"}
)

// A RateError says that there were too many attempts and when to try again.
type RateError struct {
	After  time.Duration
	Locked bool // the account is locked after failures, for where they came from; otherwise it is only the pace
	New    bool // this attempt locked it, or is the first that was refused for it
	Again  bool // nothing was looked at, nor was it the time before: an event of it would say nothing new
}

// AuthCode names the refusal for programs.
func (e *RateError) AuthCode() string {
	if e.Locked {
		return "account_locked"
	}
	return "rate_limited"
}

// RetryAfter says how long to wait.
func (e *RateError) RetryAfter() time.Duration { return e.After }

// JustLocked reports whether this attempt locked the account.
func (e *RateError) JustLocked() bool { return e.New }

// RefusedAgain reports whether this attempt is one of a flood of which the first
// refusal was told already. An event for each would let anybody fill the log.
func (e *RateError) RefusedAgain() bool { return e.Again }

func (e *RateError) Error() string {
	if e.Locked {
		return "the account is locked after repeated failures; try again later"
	}
	return "too many attempts; try again later"
}
