package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"annal"
	"annal/client"
)

// collect returns a handler's sink: what it sent, by line.
func collect(t *testing.T, cfg client.LogConfig) (*client.LogHandler, func() []string) {
	var mu sync.Mutex
	var got []string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, strings.Split(strings.TrimSpace(string(body)), "\n")...)
		_, _ = io.WriteString(w, `{"accepted":0,"duplicates":0,"events":[]}`)
	})
	h := client.NewLogHandler(c, cfg)
	return h, func() []string {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

func TestLogHandlerShipsRecordsAsEvents(t *testing.T) {
	h, sent := collect(t, client.LogConfig{Actor: annal.Actor{ID: "sa:app"}})
	log := slog.New(h).With("version", 3).WithGroup("http").With("route", "/a")
	log.Debug("not sent")
	log.Warn("slow", "took", 1500*time.Millisecond, slog.Group("db", "err", errors.New("gone")))
	slog.New(h).Info("bye", "actor", "user:ada", "action", "logout", "outcome", "denied", "resource", "a/b")
	got := sent()
	if len(got) != 2 {
		t.Fatalf("got %q, want two events", got)
	}
	var first, second map[string]any
	if err := errors.Join(json.Unmarshal([]byte(got[0]), &first), json.Unmarshal([]byte(got[1]), &second)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"extra", fmt.Sprint(first["extra"]), "map[http:map[db:map[err:gone] route:/a took:1.5s] version:3]"},
		{"severity", fmt.Sprint(first["severity"]), "warning"},
		{"action", fmt.Sprint(first["action"]), "log"},
		{"actor", fmt.Sprint(second["actor"]), "map[id:user:ada]"},
		{"action of the record", fmt.Sprint(second["action"]), "logout"},
		{"outcome", fmt.Sprint(second["outcome"]), "denied"},
		{"resource", fmt.Sprint(second["resource"]), "map[path:a/b]"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.what, tt.got, tt.want)
		}
	}
}

// Whatever is handed over before Close arrives, however many hand it over.
func TestLogHandlerLosesNothing(t *testing.T) {
	h, sent := collect(t, client.LogConfig{Actor: annal.Actor{ID: "a"}, Queue: 3})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				slog.New(h).Info("x", "i", i)
			}
		})
	}
	wg.Wait()
	if got := len(sent()); got != 400 {
		t.Errorf("got %d events, want 400", got)
	}
	if err := h.Handle(context.Background(), slog.Record{}); err == nil {
		t.Error("a closed handler took a record")
	}
}
