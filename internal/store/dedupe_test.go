package store

import (
	"context"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
)

// named makes a batch of events of acme's with these ids.
func (w *world) named(ids ...string) annal.Batch {
	var b annal.Batch
	for _, id := range ids {
		b.Events = append(b.Events, annal.Event{Tenant: "acme", EventID: id, Action: "read", Actor: annal.Actor{ID: "u"}, Time: time.Unix(1_790_000_000, 0).UTC()})
	}
	return b
}

// both appends b to both logs, which must answer alike.
func (w *world) both(b annal.Batch) {
	w.t.Helper()
	twin := b
	twin.Events = append([]annal.Event(nil), b.Events...)
	want, wantErr := w.model.Append(context.Background(), &twin)
	twin.Events = append([]annal.Event(nil), b.Events...)
	got, err := w.store.Append(context.Background(), &twin)
	if err != nil || wantErr != nil {
		w.t.Fatalf("Append: %v, model %v", err, wantErr)
	}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreFields(annal.Receipt{}, "ID")); diff != "" {
		w.t.Errorf("receipts (-model +store):\n%s", diff)
	}
}

// TestReceiptsOfABatchOutliveThoseOfItsEvents repeats a batch by its key, an event
// of which was stored so long before the batch that its own id is forgotten, or is
// used for another event: the answer stays the first one.
func TestReceiptsOfABatchOutliveThoseOfItsEvents(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		for _, again := range []bool{false, true} {
			t.Run("sealed "+strconv.FormatBool(sealed)+", used again "+strconv.FormatBool(again), func(t *testing.T) {
				w := newWorld(t, 0, 10)
				fill := func() {
					if sealed {
						w.both(w.named(make([]string, 25)...)) // none has an id
					}
				}
				w.both(w.named("old"))
				fill()
				w.pass(23 * time.Hour)
				batch := w.named("old", "new", "", "new")
				batch.Key = "key"
				w.both(batch)
				fill()
				w.pass(2 * time.Hour)
				if again {
					w.both(w.named("old"))
				}
				w.both(batch)
				if err := w.store.Close(); err != nil {
					t.Fatal(err)
				}
				w.open()
				w.both(batch)
				if err := w.store.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestEventIDsWithEqualHashes has the ids of different events share a hash:
// neither is taken for the other, and
// both are still recognised.
func TestEventIDsWithEqualHashes(t *testing.T) {
	w := newWorld(t, 0, 1000)
	w.both(w.named("one"))
	w.both(w.named("two"))
	d := &w.store.commit.dedupe
	one, two := w.named("one").Events[0], w.named("two").Events[0]
	d.recent[d.eventKey(&one)] = d.recent[d.eventKey(&two)]
	w.both(w.named("one"))

	p := &pending{batch: &annal.Batch{Events: w.named("three", "four", "five", "four").Events}, receipts: make([]annal.Receipt, 4)}
	d.begin(w.store, w.now.UnixMicro())
	d.fresh[d.eventKey(&p.batch.Events[1])] = freshID{p, 0} // "three" got there first
	v, err := d.check(w.store, p)
	if v != accepted || err != nil {
		t.Fatalf("check: %v, %v", v, err)
	}
	if p.receipts[1].Duplicate || !p.receipts[3].Duplicate {
		t.Errorf("receipts %+v, want a repeat of the second event alone", p.receipts)
	}
	d.rollback()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnIDIsForgottenADayLater repeats an event and a batch just before a day has
// passed, and when it has.
func TestAnIDIsForgottenADayLater(t *testing.T) {
	w := newWorld(t, 0, 1000)
	keyed := w.named("", "")
	keyed.Key = "key"
	w.both(w.named("one"))
	w.both(keyed)
	w.pass(24*time.Hour - time.Microsecond)
	w.both(w.named("one"))
	w.both(keyed)
	w.pass(time.Microsecond)
	w.both(w.named("one"))
	w.both(keyed)
	if got, want := w.store.End(), w.model.End(); got != want {
		t.Errorf("the log ends at %d, want %d", got, want)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// An emitter that could foresee the hash of an id could make another that hides it.
func TestHashesOfIDsCannotBeForeseen(t *testing.T) {
	e := annal.Event{Tenant: "a", EventID: "e1"}
	one, other := newDeduper(), newDeduper()
	if one.eventKey(&e) == other.eventKey(&e) {
		t.Error("two logs hash an id alike")
	}
	again := e
	if one.eventKey(&e) != one.eventKey(&again) {
		t.Error("a log hashes an id in two ways")
	}
}
