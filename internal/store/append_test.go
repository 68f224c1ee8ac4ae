package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"annal"
	"annal/internal/wal"
)

// A batch that no record can hold is refused for good, and alarms nobody: a number
// such as 1e20 takes five times as many bytes in the log as in a request. The
// largest that may come is stored, also in company.
func TestTheLargestBatchIsStored(t *testing.T) {
	s := reopen(t, Config{Dir: t.TempDir()})
	defer s.Close()
	batch := func(bytes int) *annal.Batch {
		b := &annal.Batch{}
		for ; bytes > 0; bytes -= annal.MaxEventBytes {
			b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "read", Message: strings.Repeat("m", annal.MaxEventBytes-100)})
		}
		return b
	}
	var invalid *annal.InvalidError
	for _, bytes := range []int{maxBatchBytes + annal.MaxEventBytes, wal.MaxRecord + annal.MaxEventBytes} {
		if _, err := s.Append(context.Background(), batch(bytes)); !errors.As(err, &invalid) {
			t.Errorf("a batch of %d bytes: %v, want an InvalidError", bytes, err)
		}
	}
	if alarm := s.Stats().Alarm; alarm != "" {
		t.Errorf("the alarm is %q", alarm)
	}
	const most = 3
	done := make(chan error, most)
	for range most {
		go func() {
			_, err := s.Append(context.Background(), batch(maxBatchBytes))
			done <- err
		}()
	}
	for range most {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
