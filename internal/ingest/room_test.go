package ingest

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"annal"
)

// catcher keeps copies of the events it is given.
type catcher struct{ events []annal.Event }

func (c *catcher) Append(_ context.Context, b *annal.Batch) ([]annal.Receipt, error) {
	c.events = nil
	for i := range b.Events {
		c.events = append(c.events, b.Events[i].Clone())
		b.Events[i].Position, b.Events[i].Seq, b.Events[i].Salt = 7, 7, [16]byte{7} // as the store does
	}
	return make([]annal.Receipt, len(b.Events)), nil
}

// TestRequestsShareNothingButMemory sends requests through one Ingest, whose
// events take turns with the same memory, and compares each with what a new
// Ingest makes of it.
func TestRequestsShareNothingButMemory(t *testing.T) {
	const little = `{"actor":{"id":"user:a"},"action":"read"}` + "\n"
	bodies := map[string]string{
		"full":       string(ordinaryEvents(100)),
		"little":     strings.Repeat(little, 10),
		"as array":   "[" + little + "," + little + "]",
		"many":       strings.Repeat(little, 1000),
		"broken":     string(ordinaryEvents(50)) + `{"actor":`,
		"refused":    string(ordinaryEvents(50)) + `{"actor":{"id":"user:a"}}`,
		"too many":   strings.Repeat("{}\n", MaxEvents+1),
		"no event":   "7",
		"one secret": `{"actor":{"id":"user:a"},"action":"read","extra":{"password":"geheim"}}`,
	}
	now := func() time.Time { return time.Date(2026, 4, 23, 18, 0, 0, 0, time.UTC) }
	var got catcher
	one := New(Config{Log: &got, Now: now})
	for range 3 {
		for name, body := range bodies { // in random order
			var want catcher
			_, wantErr := New(Config{Log: &want, Now: now}).Receive(t.Context(), Request{Body: []byte(body)})
			got.events = nil
			_, err := one.Receive(t.Context(), Request{Body: []byte(body)})
			if !reflect.DeepEqual(err, wantErr) {
				t.Fatalf("%s: %v, want %v", name, err, wantErr)
			}
			if !reflect.DeepEqual(got.events, want.events) {
				t.Fatalf("%s: the events are %v, want %v", name, got.events, want.events)
			}
		}
	}
}
