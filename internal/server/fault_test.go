package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"annal"
	"annal/client"
)

// Whatever clients were doing when they vanished or when the server ended, none
// of its goroutines stays behind.
func TestNothingOfAServerStaysBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := start(t, config(t.TempDir()), nil)
	ctx, vanish := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 40 {
		c := s.client(t, -1)
		wg.Go(func() {
			switch i % 4 {
			case 0:
				_ = c.Tail(ctx, client.Tail{}, func(json.RawMessage) error { return nil })
			case 1:
				for n := 0; ctx.Err() == nil; n++ {
					if _, err := c.Append(ctx, []annal.Event{event(fmt.Sprintf("%d-%d", i, n))}); err != nil && ctx.Err() == nil {
						t.Errorf("append: %v", err)
					}
				}
			default:
				for ctx.Err() == nil {
					for _, err := range c.Query(ctx, client.Query{Text: "nowhere"}) {
						if err != nil && !errors.Is(err, context.Canceled) {
							t.Errorf("query: %v", err)
						}
					}
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	vanish()
	wg.Wait()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}
