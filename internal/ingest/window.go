package ingest

import "container/list"

// Limits of what is held back while the other half of a pair may still come.
const (
	maxHeld      = 10_000
	maxHeldBytes = 64 << 20
)

// A window holds records back by id, oldest first, within bounds.
type window[T any] struct {
	byID  map[string]*list.Element
	order *list.List
	bytes int
}

type held[T any] struct {
	id    string
	size  int
	value T
}

func newWindow[T any]() *window[T] {
	return &window[T]{byID: map[string]*list.Element{}, order: list.New()}
}

// take removes and returns what is held for id.
func (w *window[T]) take(id string) (T, bool) {
	e, ok := w.byID[id]
	if !ok {
		var none T
		return none, false
	}
	return w.remove(e), true
}

func (w *window[T]) remove(e *list.Element) T {
	h := w.order.Remove(e).(held[T])
	delete(w.byID, h.id)
	w.bytes -= h.size
	return h.value
}

// hold keeps value for id, for which nothing is held.
func (w *window[T]) hold(id string, value T, size int) {
	w.byID[id] = w.order.PushBack(held[T]{id, size, value})
	w.bytes += size
}

// overflow returns the oldest value when there are more than may be held, or
// whenever all is true.
func (w *window[T]) overflow(all bool) (T, bool) {
	var none T
	front := w.order.Front()
	if front == nil || !all && w.order.Len() <= maxHeld && w.bytes <= maxHeldBytes {
		return none, false
	}
	return w.remove(front), true
}
