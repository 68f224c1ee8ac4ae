//go:build integration

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"annal"
	"annal/client"
)

// A spoiling does something bad to a file.
type spoiling struct {
	name string
	do   func(t *testing.T, file string)
}

// spoilings lists what befalls files. A flip goes to a place that is in use in
// every kind of file: a little behind the beginning.
func spoilings() []spoiling {
	edit := func(change func(b []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			t.Helper()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, file, change(b))
		}
	}
	flip := func(at func(n int) int) func(*testing.T, string) {
		return edit(func(b []byte) []byte { b[at(len(b))] ^= 0x20; return b })
	}
	return []spoiling{
		{"flipped near the beginning", flip(func(n int) int { return min(60, n/3) })},
		{"flipped in the middle", flip(func(n int) int { return n / 2 })},
		{"flipped near the end", flip(func(n int) int { return n - 30 })},
		{"cut", edit(func(b []byte) []byte { return b[:len(b)/3] })},
		{"emptied", edit(func([]byte) []byte { return nil })},
		{"removed", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// overwrite changes a file in place, as damage does: whoever has it open or
// mapped sees it.
func overwrite(t *testing.T, file string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// An answers is what a server says about the events of a ledger.
type answers struct {
	failed  int             // questions that were answered with an error
	missing map[uint64]bool // positions that no answer has
}

// interrogate asks for all events, for those of each actor, and for their sum.
// An answer may be an error of the server's, but never a wrong event; and what it
// lacks it says.
func (l *ledger) interrogate(t *testing.T, p *process) answers {
	t.Helper()
	c := p.client(t, -1)
	a := answers{missing: map[uint64]bool{}}
	byActor := map[string]map[string]annal.Receipt{}
	for id, r := range l.acked {
		name := "user:" + id[:strings.LastIndexByte(id, '-')]
		if byActor[name] == nil {
			byActor[name] = map[string]annal.Receipt{}
		}
		byActor[name][id] = r
	}
	for name, want := range byActor {
		l.ask(t, c, client.Query{Where: map[annal.Field][]string{annal.ActorID: {name}}}, want, &a)
	}
	l.ask(t, c, client.Query{Oldest: true}, l.acked, &a)
	switch s, err := c.Summary(t.Context(), batchTime, batchTime); {
	case err != nil:
		a.note(t, err)
	case int(s.Total)+len(a.missing) < len(l.acked):
		t.Errorf("the summary counts %d events; %d were stored and %d are missing", s.Total, len(l.acked), len(a.missing))
	default:
		a.told(t, "the summary", slices.Collect(maps.Keys(a.missing)), s.Incomplete)
	}
	return a
}

// note counts an answer that is an error, which must say that it is for damage,
// and name no file.
func (a *answers) note(t *testing.T, err error) {
	t.Helper()
	a.failed++
	var said *client.Error
	if !errors.As(err, &said) || said.Status != http.StatusInternalServerError || said.Code != "log_damaged" || strings.Contains(said.Detail, ".col") {
		t.Errorf("got %v, want 500 log_damaged", err)
	}
}

func (l *ledger) ask(t *testing.T, c *client.Client, q client.Query, want map[string]annal.Receipt, a *answers) {
	t.Helper()
	left := maps.Clone(want)
	var said annal.Gaps
	q.Incomplete = func(missing annal.Gaps) { said = missing }
	for native, err := range c.Query(t.Context(), q) {
		if err != nil {
			a.note(t, err)
			return
		}
		var e annal.Event
		if e, err = client.ParseEvent(native); err != nil {
			t.Fatal(err)
		}
		if e.Actor.ID == "user:beside" || e.Actor.ID == "admin" {
			continue // it was stored to see whether that works, or tells of a change
		}
		wrong := e.Action != "write" || !e.Time.Equal(batchTime) || "user:"+e.EventID[:max(0, strings.LastIndexByte(e.EventID, '-'))] != e.Actor.ID
		if r, ok := left[e.EventID]; wrong || !ok || r != (annal.Receipt{ID: e.ID, Seq: e.Seq, Position: e.Position}) {
			t.Errorf("got a wrong event: %s", native)
		}
		delete(left, e.EventID)
	}
	var lacks []uint64
	for _, r := range left {
		a.missing[r.Position] = true
		lacks = append(lacks, r.Position)
	}
	a.told(t, "an answer", lacks, said)
}

// told holds an answer to what it says is missing from it.
func (a *answers) told(t *testing.T, what string, lacks []uint64, said annal.Gaps) {
	t.Helper()
	for _, position := range lacks {
		if !said.Holds(position) {
			t.Errorf("%s lacks %d events, such as that at %d, and says %q", what, len(lacks), position, said)
			return
		}
	}
}

// lostRange finds the positions that a server or check reports as lost.
var lostRange = regexp.MustCompile(`(?:positions (\d+) to (\d+) are (?:lost|in no segment)|first_position=(\d+) last_position=(\d+))`)

// reported says whether a position is within a range that said names.
func reported(said string, position uint64) bool {
	for _, m := range lostRange.FindAllStringSubmatch(said, -1) {
		var from, to uint64
		if _, err := fmt.Sscan(m[1]+m[3]+" "+m[2]+m[4], &from, &to); err == nil && from <= position && position <= to {
			return true
		}
	}
	return false
}

// Whatever befalls a file while the server is down: check names it and exits
// with 1; a start makes again what is derived, sets aside what is not, says so
// and serves the rest. No answer holds a wrong event, and none lacks one that is
// not reported as lost.
func TestSpoiledFilesAreFoundAtTheStart(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := fill(t, prepared, 13)
	for _, file := range truths(t, prepared) {
		for _, s := range spoilings() {
			t.Run(file+" "+s.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				copyDir(t, prepared, dir)
				s.do(t, filepath.Join(dir, file))
				l.judgeStart(t, dir, file, s)
			})
		}
	}
}

// truths lists the files of a folder that are spoiled: all but those that only
// people or other tests read, and files of the log that hold nothing.
func truths(t *testing.T, dir string) (files []string) {
	t.Helper()
	for _, pattern := range []string{"LOG", "MANIFEST", "segments/*", "wal/wal-0*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range found {
			files = append(files, strings.TrimPrefix(f, dir+"/"))
		}
	}
	return files
}

func (l *ledger) judgeStart(t *testing.T, dir, file string, s spoiling) {
	code, said := check(dir)
	// A flip may hit zeros, or what segments hold too; that the newest file ends early is also what a torn write leaves.
	unused := strings.HasPrefix(file, "wal/") && code == exitDone && (strings.HasPrefix(s.name, "flipped") || s.name == "cut")
	if !unused && (code != exitFailed || !strings.Contains(said, filepath.Base(file)) && !strings.Contains(said, "wal-*")) {
		t.Errorf("check exits with %d and does not name the file: %s", code, said)
	}
	if !unused && strings.HasPrefix(s.name, "flipped") && strings.Contains(file, "/") && !strings.Contains(said, "bytes ") {
		t.Errorf("check does not say where: %s", said)
	}
	if file == "LOG" {
		launch{dir: dir, size: small}.refuses(t, "annal: ", "LOG")
		return
	}
	p := launch{dir: dir, size: small}.serve(t)
	a := l.interrogate(t, p)
	derived := file == "MANIFEST" || strings.HasSuffix(file, ".idx")
	if derived && (a.failed > 0 || len(a.missing) > 0) {
		t.Errorf("the file can be made again, but %d questions failed and %d events are missing\n%s", a.failed, len(a.missing), p.output)
	}
	for position := range a.missing {
		if !reported(p.output.String(), position) && !strings.HasPrefix(file, "wal/") { // how much the log's end held nobody knows
			t.Fatalf("position %d is missing and not reported; %d are in all\n%s", position, len(a.missing), p.output)
		}
	}
	if aside, torn := p.metric(t, "annal_segments_set_aside"), p.metric(t, "annal_wal_damaged_places"); !unused && len(a.missing) > 0 && aside == "0" && torn == "0" {
		t.Error("events are missing, but no metric says so")
	}
	if a.failed > 0 && (p.metric(t, "annal_read_damage_total") == "0" || !strings.Contains(p.output.String(), filepath.Base(file))) {
		t.Errorf("questions failed, but the metric or the log do not say so\n%s", p.output)
	}
	if !unused { // some parts no question reads, but the server does by itself
		p.awaitSaid(t, "wal-*", strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".col"), ".idx"))
	}
	if _, err := p.client(t, -1).Append(t.Context(), batch("beside", 5)); err != nil {
		t.Errorf("a write beside the damage: %v", err)
	}
	p.stop(t)
}

// Whatever befalls a segment's file while the server runs, it says within a moment
// which file it is, answers rightly or with an error, and goes on. After the next start the
// damage is as any other.
func TestSpoiledFilesAreFoundWhileServing(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := fill(t, prepared, 13)
	for _, file := range truths(t, prepared) {
		if !strings.HasPrefix(file, "segments/0000000000000000000") && file != "MANIFEST" && file != "LOG" {
			continue // one segment is as good as another, and the write-ahead log has tests of its own
		}
		for _, s := range spoilings() {
			t.Run(file+" "+s.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				copyDir(t, prepared, dir)
				p := launch{dir: dir, size: small}.serve(t)
				s.do(t, filepath.Join(dir, file))
				p.awaitSaid(t, filepath.Join(dir, file))
				a := l.interrogate(t, p)
				if len(a.missing) > 0 {
					t.Errorf("%d events are missing in answers that are no errors", len(a.missing))
				}
				if a.failed > 0 && (p.metric(t, "annal_read_damage_total") == "0" || !strings.Contains(p.output.String(), file)) {
					t.Errorf("questions failed, but the metric or the log do not say so\n%s", p.output)
				}
				if a = l.interrogate(t, p); a.failed > 0 && !strings.HasSuffix(file, ".col") {
					t.Errorf("the file can be made again, but %d questions fail the second time\n%s", a.failed, p.output)
				}
				// Where ids of events cannot be looked up, a write is refused until a start has set the segment aside.
				if _, err := p.client(t, -1).Append(t.Context(), batch("beside", 5)); err != nil && (!strings.HasSuffix(file, ".col") || refusal(t, err) == nil) {
					t.Errorf("a write beside the damage: %v", err)
				}
				p.stop(t)
				p = launch{dir: dir, size: small}.serve(t)
				for position := range l.interrogate(t, p).missing {
					if !reported(p.output.String(), position) {
						t.Fatalf("position %d is missing and not reported\n%s", position, p.output)
					}
				}
				p.stop(t)
			})
		}
	}
}

// check reads the access stream too: it is a log within the log's folder.
func TestSpoiledAccessStreamIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	fill(t, dir, 1)
	name := filepath.Join(dir, "access", "LOG")
	spoilings()[1].do(t, name)
	if code, said := check(dir); code != exitFailed || !strings.Contains(said, name) {
		t.Errorf("check exits with %d: %s", code, said)
	}
	launch{dir: dir, size: small}.refuses(t, "annal: ", name)
}

// A folder that a newer annal wrote, or that is not all there, is refused with
// what to do, and left as it is.
func TestForeignFoldersAreRefused(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := fill(t, prepared, 9)
	another := filepath.Join(t.TempDir(), "another")
	fill(t, another, 9)
	segment := truths(t, prepared)[2]
	for _, tt := range []struct {
		name  string
		do    func(t *testing.T, dir string) (undo func())
		words []string
	}{
		{"a newer folder", func(t *testing.T, dir string) func() {
			return replace(t, filepath.Join(dir, "LOG"), func(b []byte) []byte {
				text, _, _ := strings.Cut(string(b), "\n")
				var id map[string]any
				if err := json.Unmarshal([]byte(text), &id); err != nil {
					t.Fatal(err)
				}
				id["format"] = 2
				b, _ = json.Marshal(id) // of a map that was just read
				return fmt.Appendf(b, "\n%08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
			})
		}, []string{"format 2", "use the annal that wrote it"}},
		{"a newer segment", func(t *testing.T, dir string) func() {
			return replace(t, filepath.Join(dir, segment), func(b []byte) []byte {
				binary.LittleEndian.PutUint32(b[8:], 99)
				binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], crc32.MakeTable(crc32.Castagnoli)))
				return b
			})
		}, []string{segment, "format 99"}},
		{"no LOG", func(t *testing.T, dir string) func() {
			name := filepath.Join(dir, "LOG")
			if err := os.Rename(name, dir+".kept"); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Rename(dir+".kept", name) } // the next start tells whether that went well
		}, []string{"LOG is missing", "backup"}},
		{"another log's LOG", func(t *testing.T, dir string) func() {
			return replace(t, filepath.Join(dir, "LOG"), func([]byte) []byte {
				b, err := os.ReadFile(filepath.Join(another, "LOG"))
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		}, []string{"another log"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			copyDir(t, prepared, dir)
			undo := tt.do(t, dir)
			launch{dir: dir, size: small}.refuses(t, append(tt.words, "annal: ")...)
			if code, said := check(dir); code != exitFailed {
				t.Errorf("check exits with %d: %s", code, said)
			}
			undo()
			p := launch{dir: dir, size: small}.serve(t)
			l.verify(t, p.client(t, -1))
			p.stop(t)
		})
	}
}

// replace changes a file, and returns what puts the old one back.
func replace(t *testing.T, file string, change func([]byte) []byte) (undo func()) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := append([]byte(nil), b...)
	overwrite(t, file, change(b))
	return func() { overwrite(t, file, old) }
}
