package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
)

// killings is how often the server is killed, each time at another moment,
// unless ANNAL_KILLS says otherwise.
const killings = 48

// However often the process is killed while clients write: after each start
// every acknowledged event is there exactly once, what was sent again is not
// doubled, and the folder is sound. Half of the lives are of servers with small
// files, which are killed while they seal and switch files; and some are killed
// while they start, so that the next must recover from half a recovery.
func TestKillNineLosesNothing(t *testing.T) {
	const life, together = 12, 4 // kills that one folder lives through; folders at a time: most of a life is waiting
	kills := number(t, "ANNAL_KILLS", killings)
	begun := make(chan int, kills/life+1)
	for n := 0; n < kills; n += life {
		begun <- n
	}
	close(begun)
	var wg sync.WaitGroup
	for range together {
		wg.Go(func() {
			for n := range begun {
				size := []string{small, full}[n/life%2]
				t.Run(fmt.Sprintf("%s-%d", size, n), func(t *testing.T) { killLoop(t, size, n, min(n+life, kills)) })
			}
		})
	}
	wg.Wait()
}

func killLoop(t *testing.T, size string, from, to int) {
	dir := filepath.Join(t.TempDir(), "data")
	l := newLedger()
	const writers = 4
	var unanswered [writers][]annal.Event
	for round := from; round < to; round++ {
		if round%3 == 0 { // the first start too
			p := launch{dir: dir, size: size}.start(t)
			time.Sleep(time.Duration(round*13%60) * time.Millisecond)
			p.kill()
			continue
		}
		p := launch{dir: dir, size: size}.serve(t)
		l.verify(t, p.client(t, -1))
		before := l.size()
		var wg sync.WaitGroup
		for w := range writers {
			c := p.client(t, -1)
			wg.Go(func() { l.write(t, c, fmt.Sprintf("r%d-w%d", round, w), &unanswered[w]) })
		}
		if !annaltest.Comes(func() bool { return l.size() > before || t.Failed() }) {
			t.Error("nothing is acknowledged; this proves nothing")
		}
		time.Sleep(time.Duration(round*37%230) * time.Millisecond)
		p.kill()
		wg.Wait()
		if code, said := check(dir); code != exitDone {
			t.Fatalf("round %d: check exits with %d: %s", round, code, said)
		}
	}
	p := launch{dir: dir, size: size}.serve(t)
	l.verify(t, p.client(t, -1))
	p.stop(t)
}
