package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ReadLog returns which events the run left behind that wrote the report.
func ReadLog(report []byte) (Log, error) {
	var f struct {
		Seed       uint64    `json:"seed"`
		Events     int       `json:"events"`
		MixEvents  int       `json:"mix_events"`
		Stored     uint64    `json:"stored_events"`
		End        time.Time `json:"end"`
		Span       float64   `json:"span_s"`
		Identities int       `json:"identities"`
		Strangers  int       `json:"strangers"`
		Paths      int       `json:"paths"`
		Tenants    int       `json:"tenants"`
		Shuffled   bool      `json:"shuffled"`
	}
	if err := json.Unmarshal(report, &f); err != nil {
		return Log{}, fmt.Errorf("read a report: %w", err)
	}
	if f.Stored == 0 || f.Stored > uint64(f.MixEvents) {
		return Log{}, errors.New("the report does not say which events its run stored: mix_events and stored_events are needed, " +
			"and a run that ended early has none")
	}
	return Log{
		Mix: Mix{
			Seed: f.Seed, Events: f.MixEvents, End: f.End, Span: time.Duration(f.Span * float64(time.Second)),
			Identities: f.Identities, Strangers: f.Strangers, Paths: f.Paths, Tenants: f.Tenants, Shuffled: f.Shuffled,
		},
		Events: f.Events, Stored: f.Stored,
	}, nil
}
